"""Every wrong word is told in one sentence, and nothing was done."""

import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agentos.cli.args import COMMANDS, EXAMPLES, parse
from agentos.cli.main import main
from agentos.cli.terminal import as_called, command, near
from agentos.domain.pipeline import Stage

WRONG = [
    ["dance"],
    ["run"],
    ["run", "--issue"],
    ["run", "--issue", "0"],
    ["run", "--issue", "one"],
    ["run", "--issue", "١"],
    ["run", "--issue", "1", "--resume-from", "middle"],
    ["run", "--issue", "1", "--until", "never"],
    ["run", "--issue", "1", "--set", "budget.usd"],
    ["run", "--issue", "1", "--loud"],
    ["approve"],
    ["approve", "first"],
    ["approve", "1", "abc", "def"],
    ["status", "now"],
    ["show"],
    ["new"],
    ["retry", "1", "middle"],
    ["skip", "1"],
    ["skip", "1", "middle", "--", "why"],
    ["hold"],
    ["hold", "1", "until", "Monday"],
    ["logs", "-f"],
    ["diff", "--stat"],
    ["doctor", "1"],
    ["config", "budget"],
    ["demo", "--model", "opus"],
]


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_wrong_word_is_one_sentence_and_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("agentos: ")
    assert len(said.err.strip().splitlines()) == 1
    assert "--help" in said.err


def test_a_wrong_stage_is_answered_with_the_stages(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "--issue", "1", "--resume-from", "middle"])
    assert "triage, lld, spec, impl, pr, review, finalize" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--isue", "2"], "unknown option --isue; did you mean --issue?"),
        (["run", "--isue=2", "--json"], "unknown option --isue; did you mean --issue?"),
        (["run", "--no-gate-after-ldl"], "unknown option --no-gate-after-ldl; did you mean --no-gate-after-lld?"),
        (["show", "1", "--xyzzy"], "unknown option --xyzzy;"),
        (["--vresion"], "unknown option --vresion; did you mean --version?"),
    ],
)
def test_a_misspelled_option_is_named_with_the_one_that_is_near(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert said in capsys.readouterr().err


def test_a_beginning_of_an_option_and_what_stands_behind_two_dashes_are_none_to_refuse() -> None:
    assert parse(["run", "--iss", "2"], "agentos").issue == 2
    assert parse(["skip", "1", "lld", "--", "--isue", "says it"], "agentos").text == "--isue says it"
    assert parse(["feedback", "1", "--rename the option"], "agentos").text == "--rename the option"


def test_hints_repeat_how_the_program_was_called(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--isue", "1"], prog="python tools/orchestrate.py", usual="run")
    assert "python tools/orchestrate.py" in capsys.readouterr().err


def test_options_alone_mean_the_usual_command_and_no_word_is_taken_for_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def command(name: str) -> Callable[[object], int]:
        asked.append(name)
        return lambda request: 0

    monkeypatch.setattr("agentos.cli.main._command", command)
    for words in (["--issue", "1"], ["approve", "1"], []):
        assert main(words, prog="o.py", usual="run") == 0
    assert asked == ["run", "approve", "status"]
    assert main(["frob"], prog="o.py", usual="run") == 2
    assert "'frob'" in capsys.readouterr().err
    for word in ("--help", "--version"):
        with pytest.raises(SystemExit, match="0"):
            main([word], prog="o.py", usual="run")


@pytest.mark.parametrize(
    ("repo", "said"),
    [
        ([], "`python o.py show 7` says, `python o.py` lists"),
        (["--repo", "a b"], "`python o.py show 7 --repo 'a b'` says"),
    ],
)
def test_commands_in_a_message_are_the_ones_to_type_here(repo: list[str], said: str) -> None:
    request = parse(["run", "--issue", "7", *repo], "python o.py")
    assert as_called("`agentos show 7` says, `agentos` lists", request).startswith(said)
    assert as_called("on `agentos/7-a-branch`", request) == "on `agentos/7-a-branch`", "a branch is no command"


def test_an_error_nobody_foresaw_is_a_sentence_that_names_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("agentos.cli.look_commands.status", lambda request: 1 // 0)
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    (kept,) = tmp_path.glob("agentos-fault-*.txt")
    assert str(kept) in said
    assert len(said.strip().splitlines()) == 1
    assert "ZeroDivisionError" in kept.read_text("utf-8")


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_does_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse([name, "--help"], "agentos")
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert f"example:\n  agentos {name}" in said
    assert max(len(line) for line in said.splitlines()) <= 80


@pytest.mark.parametrize("name", sorted(COMMANDS - {"run"}))
def test_an_example_is_one_that_works(name: str) -> None:
    assert parse(shlex.split(EXAMPLES[name]), "agentos").command == name


def test_what_follows_two_dashes_is_the_reason() -> None:
    request = parse(["skip", "1", "lld", "--", "it", "is", "-v", "obvious"], "agentos")
    assert (request.stage, request.text) == (Stage.LLD, "it is -v obvious")


def test_no_word_at_all_asks_what_waits() -> None:
    assert parse([], "agentos").command == "status"


def test_switches_become_settings_by_dotted_key() -> None:
    words = [
        "run",
        "--issue",
        "#3",
        "--gate-after-lld",
        "--no-gate-before-pr",
        "--until",
        "pr",
        "--set",
        "budget.usd=5",
    ]
    request = parse(words, "agentos")
    assert request.issue == 3
    assert request.overrides == {
        "budget.usd": "5",
        "orchestrator.gates.after_lld": True,
        "orchestrator.gates.before_pr": False,
        "until": Stage.PR,
    }


@pytest.mark.parametrize(
    ("again", "words", "expected"),
    [
        ("agentos", ["approve", "1"], "agentos approve 1"),
        ("agentos", ["run", "--issue", "1"], "agentos run --issue 1"),
        ("python tools/orchestrate.py", ["run", "--issue", "1"], "python tools/orchestrate.py --issue 1"),
        ("python tools/orchestrate.py", ["approve", "1"], "python tools/orchestrate.py approve 1"),
    ],
)
def test_a_hint_is_spelled_as_the_person_would_type_it(again: str, words: list[str], expected: str) -> None:
    request = parse(["status"], again)
    assert command(request, *words) == expected


def test_a_hint_names_the_repository_that_was_named() -> None:
    request = parse(["status", "--repo", "my repo"], "agentos")
    assert request.repo == Path("my repo")
    assert command(request, "approve", "1") == "agentos approve 1 --repo 'my repo'"


@pytest.mark.parametrize(("here", "told"), [("/a", "b/c"), ("/a/b/c", "."), ("/", "/a/b/c"), ("/x", "/a/b/c")])
def test_a_path_is_told_as_it_is_shortest_to_type(here: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path(here))
    assert near(Path("/a/b/c")) == told
