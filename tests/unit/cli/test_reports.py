"""What a command says at its end, and the same as JSON."""

import io
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from agentos.cli.args import Request, parse
from agentos.cli.reports import Report, print_report
from agentos.cli.result_document import result_document
from agentos.domain.budget import Spend
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Gate, Outcome, Stage
from agentos.domain.run import Run, RunRef
from agentos.domain.status import JobState, WaitKind
from agentos.runs.result import ExitCode, OrchestrationResult

ROOT = Path(__file__).parents[3]
SHA = "0123456789abcdef0123456789abcdef01234567"
RUN = Run(
    ref=RunRef(1, IssueRef("todo-1234", 7), 2),
    target="/srv/todo",
    profile="cli",
    job=JobState.WAITING,
    stage=Stage.IMPL,
    step="prepare_wait",
    wait_kind=WaitKind.GATE,
    outcome=None,
    epoch=1,
    owner=None,
    lease_until=None,
    due_at=None,
    error="",
    created_at="2026-11-21T12:00:00+00:00",
    started_at="2026-11-21T12:00:01+00:00",
    stage_started_at=None,
    completed_at=None,
)
GATE = Wait(
    WaitKind.GATE,
    Stage.IMPL,
    "before_pr: open a pull request?",
    "2 files changed, +9 -0\n\n| Criterion | Proof |\n| --- | --- |\n| AC-1 | `tests/a.py::b`<br>`tests/a.py::c` |",
    ACCEPTED_BY[WaitKind.GATE],
    SHA,
    Gate.BEFORE_PR,
)
HOSTILE = "\x1b[2J\x1b]8;;http://evil\x07[red]boo[/red] [click](http://evil) :smile:"


def _result(run: Run = RUN, wait: Wait | None = None) -> OrchestrationResult:
    paths = {"lld.md": "runs/todo-1234/7/2/lld.md", "run.json": "runs/todo-1234/7/2/run.json"}
    return OrchestrationResult(run, wait, Spend(3, 900, 100, 0.25), "local-pr:1", SHA, paths)


def _said(result: OrchestrationResult, request: Request | None = None, *, terminal: bool = False) -> str:
    file = io.StringIO()
    screen = Console(
        file=file,
        width=80,
        force_terminal=terminal,
        color_system=None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    print_report(screen, Report(request or parse(["run", "--issue", "7"], "agentos"), result, Path("/data")))
    return file.getvalue()


def test_a_gate_says_what_it_is_about_and_how_to_answer() -> None:
    assert _said(_result(wait=GATE)).splitlines() == [
        "",
        "Waiting for your decision: before_pr: open a pull request?",
        f"commit  {SHA}",
        "",
        "2 files changed, +9 -0",
        "",
        "| Criterion | Proof |",
        "| --- | --- |",
        "| AC-1 | `tests/a.py::b`, `tests/a.py::c` |",
        "",
        "Documents in /data/runs/todo-1234/7/2:",
        "  lld.md, run.json",
        "",
        "Answer with:",
        "  agentos approve 7",
        '  agentos feedback 7 "…"',
        "  agentos reject 7",
    ]


def test_a_gate_about_protected_files_shows_the_proof_of_the_criteria_all_the_same() -> None:
    assert "| AC-1 | `tests/a.py::b`" in _said(_result(wait=replace(GATE, evidence=(".github/workflows/ci.yml",))))


def test_answers_are_spelled_as_the_program_was_called() -> None:
    request = parse(["run", "--issue", "7", "--repo", "x y"], "python tools/orchestrate.py")
    assert "  python tools/orchestrate.py approve 7 --repo 'x y'" in _said(_result(wait=GATE), request)


def test_a_terminal_shows_the_table_without_losing_a_name() -> None:
    long = replace(GATE, summary=f"| Criterion | Proof |\n| --- | --- |\n| AC-1 | `tests/{'long_' * 20}end` |")
    said = _said(_result(wait=long), terminal=True)
    assert "…" not in said.partition("Answer with")[0]
    assert max(len(text) for text in said.splitlines()) <= 80


@pytest.mark.parametrize("terminal", [False, True])
def test_hostile_text_moves_nothing_on_the_screen(*, terminal: bool) -> None:
    wait = replace(GATE, title=HOSTILE, summary=HOSTILE, needs=(HOSTILE,))
    said = _said(_result(wait=wait), terminal=terminal)
    assert "\x1b[2J" not in said
    assert "\x1b]8" not in said
    assert "[red]boo[/red]" in said


def test_a_blocker_shows_its_evidence_as_it_came() -> None:
    wait = Wait(
        WaitKind.BLOCKER,
        Stage.FINALIZE,
        "it fails",
        "",
        ACCEPTED_BY[WaitKind.BLOCKER],
        evidence=("test ended with:\nTraceback\n  File x\n", "second"),
        needs=("mend it",),
    )
    said = _said(_result(replace(RUN, job=JobState.BLOCKED, wait_kind=WaitKind.BLOCKER), wait)).splitlines()
    assert said[1:7] == [
        "Blocked: it fails",
        "- test ended with:",
        "    Traceback",
        "      File x",
        "- second",
        "What would let it go on: mend it.",
    ]


ENDS = [
    (
        replace(RUN, job=JobState.SUCCEEDED, outcome=Outcome.MERGED, completed_at=RUN.started_at),
        "merged and verified",
        0,
    ),
    (replace(RUN, job=JobState.CANCELLED, outcome=Outcome.CANCELLED), "cancelled", 0),
    (replace(RUN, job=JobState.RETRY_WAIT, due_at="2026-11-21T13:00:00+00:00", error="quota"), "Parked until", 5),
    (replace(RUN, job=JobState.PAUSED), "Go on with: agentos run --issue 7", 130),
    (replace(RUN, job=JobState.FAILED, outcome=Outcome.FAILED, error="KeyError"), "Start anew with", 1),
]


@pytest.mark.parametrize(("run", "words", "code"), ENDS)
def test_every_end_is_said_with_its_exit_code(run: Run, words: str, code: int) -> None:
    assert words in _said(_result(run))
    assert _result(run).exit_code == ExitCode(code)


def test_a_run_on_hold_says_by_whom_and_why_and_asks_nothing_else() -> None:
    held = Decision(DecisionKind.HOLD, "ann", "cli:1", HOSTILE)
    result = replace(_result(replace(RUN, job=JobState.PAUSED), GATE), held=held)
    said = _said(result)
    assert said.startswith("On hold by ann: ")
    assert "\x1b" not in said
    assert said.endswith("Go on with: agentos resume 7\n")
    assert "approve" not in said
    assert result.exit_code is ExitCode.WAITING
    document = result_document(Report(parse(["show", "7"], "agentos"), result, Path("/data")))
    assert document.wait is None
    assert document.held is not None


SCHEMA = ROOT / "docs" / "reference" / "schemas" / "result.schema.json"


def test_the_result_as_json_fits_its_published_schema() -> None:
    document = result_document(Report(parse(["run", "--issue", "7"], "agentos"), _result(wait=GATE), Path("/data")))
    told = json.loads(document.model_dump_json(by_alias=True))
    jsonschema.validate(told, json.loads(SCHEMA.read_text("utf-8")))
    assert told["wait"]["commands"] == ["agentos approve 7", 'agentos feedback 7 "…"', "agentos reject 7"]
    assert told["exit_code"] == 4
