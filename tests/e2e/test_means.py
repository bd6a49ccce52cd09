"""What a run needs and does not find: before it begins it is refused, later it waits for it and loses nothing."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from agentos.bootstrap import open_place
from agentos.domain.error import UsageError
from tests.crash.toy import make_target
from tests.e2e.conftest import Desk

pytestmark = pytest.mark.timeout(400)
NO_SCRIPT = "/nowhere/replies.json"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "No model can be asked: no provider's key was found. Set one of ANTHROPIC_API_KEY"),
        ({"ANTHROPIC_API_KEY": "x"}, "would get a shell on this machine without a box around it"),
        (
            {"AGENTOS_ORCHESTRATOR__STAGES__LLD__DRAFTER": "openai:gpt-6", "ANTHROPIC_API_KEY": "x"},
            "openai:gpt-6 needs a key: set the environment variable OPENAI_API_KEY",
        ),
        (
            {"AGENTOS_ORCHESTRATOR__STAGES__LLD__DRAFTER": "opnai:gpt-6", "ANTHROPIC_API_KEY": "x"},
            "names an unknown provider 'opnai'; one of: anthropic, google_genai, ollama, openai",
        ),
        (
            {"AGENTOS_ORCHESTRATOR__STAGES__LLD__DRAFTER": "ollama:mine", "ANTHROPIC_API_KEY": "x"},
            "the price of ollama:mine is unknown, and unknown is not free",
        ),
    ],
    ids=["no key at all", "no box", "no key for one model", "no such provider", "no price"],
)
async def test_a_repository_says_in_a_sentence_what_a_run_there_would_lack(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sentence: str
) -> None:
    (tmp_path / "config.yaml").write_text("{}\n", "utf-8")
    sandbox = "process" if "box" in sentence else "external"
    for name, value in {"CONFIG": str(tmp_path / "config.yaml"), "HOME": str(tmp_path), "SANDBOX": sandbox}.items():
        monkeypatch.setenv(f"AGENTOS_{name}", value)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    place = await open_place(toy)
    with pytest.raises(UsageError) as refused:
        place.target.require_means()
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [{"budget.day.tokens": 10_000}, {"models.prices": {"ollama:mine": {"input_usd": 0, "output_usd": 0}}}],
    ids=["tokens bounded", "a price"],
)
async def test_a_model_without_a_published_price_is_asked_where_it_is_bounded_or_priced(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: dict[str, Any]
) -> None:
    (tmp_path / "config.yaml").write_text("{}\n", "utf-8")
    for name, value in {"CONFIG": str(tmp_path / "config.yaml"), "HOME": str(tmp_path), "SANDBOX": "external"}.items():
        monkeypatch.setenv(f"AGENTOS_{name}", value)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    drafter = {"orchestrator.stages.lld.drafter": "ollama:mine"}
    (await open_place(toy, {**drafter, **words})).target.require_means()


def test_a_model_without_a_price_begins_no_run(desk: Desk) -> None:
    del desk.environment["AGENTOS_MODELS__SCRIPT"]
    desk.environment |= {"ANTHROPIC_API_KEY": "x", "AGENTOS_SANDBOX": "external"}
    done = desk.agentos("--issue", "1", "--quiet", "--set", "orchestrator.stages.lld.drafter=ollama:mine")
    assert (done.code, done.out) == (2, "")
    assert "bound its use with budget.tokens" in done.err
    assert "No model was asked yet" in desk.agentos("costs").out
    desk.environment["AGENTOS_ORCHESTRATOR__STAGES__LLD__DRAFTER"] = "ollama:mine"
    looked = desk.agentos("doctor")
    assert (looked.code, "fail  models: the price of ollama:mine is unknown" in looked.out) == (3, True)
    rehearsed = desk.agentos("--issue", "1", "--dry-run", "--set", "budget.day.tokens=5000", "--set", "budget.usd=2.5")
    assert (rehearsed.code, "Ceilings: budget.usd 2.5, budget.day.tokens 5000." in rehearsed.out) == (0, True)


async def test_a_repository_without_a_test_command_is_not_worked_in(tmp_path: Path) -> None:
    target = make_target(tmp_path / "target")
    (target / "WORKFLOW.md").write_text("---\ncommands:\n  lint: ruff check .\n---\n", "utf-8")
    ann = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    subprocess.run(["git", *ann, "commit", "-qam", "no tests"], cwd=target, check=True)
    place = await open_place(target, {"models.script": "replies.json"})
    with pytest.raises(UsageError, match="names no test command"):
        place.target.require_means()


def test_no_run_begins_without_a_model(desk: Desk) -> None:
    del desk.environment["AGENTOS_MODELS__SCRIPT"]
    before = desk.git("status", "--porcelain")
    done = desk.agentos("--issue", "1", "--quiet")
    assert (done.code, done.out) == (2, "")
    assert "No model can be asked" in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert desk.git("status", "--porcelain") == before
    assert "there is no run of issue 1" in desk.agentos("show", "1").err
    rehearsed = desk.agentos("--issue", "1", "--dry-run")
    assert (rehearsed.code, rehearsed.out.count("It would not start: ")) == (2, 1)


def test_what_is_missing_later_blocks_a_decided_run_and_moves_no_other(desk: Desk) -> None:
    gate = desk.agentos("--issue", "1", "--json").result["wait"]
    script = desk.environment["AGENTOS_MODELS__SCRIPT"]
    desk.environment["AGENTOS_MODELS__SCRIPT"] = NO_SCRIPT
    looked = desk.agentos("--issue", "1", "--json")
    assert (looked.code, looked.result["wait"]) == (4, gate), "it only waits, and needs nothing for that"
    for word in ("approve", "retry"):
        blocked = desk.agentos(word, "1")
        assert blocked.code == 3, blocked.err
        assert "the script replies.json cannot be read" in blocked.out
    desk.environment["AGENTOS_MODELS__SCRIPT"] = script
    done = desk.agentos("--issue", "1", "--json")
    assert (done.code, done.result["wait"]["kind"]) == (4, "review"), "the approval given meanwhile counts"
