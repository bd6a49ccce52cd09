"""The run record: what a program reads, from what the store holds."""

import json
from typing import Any

import jsonschema
import pytest

from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.budget import Spend
from agentos.domain.event import Event, EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Outcome, Stage
from agentos.domain.run import Run, RunRef
from agentos.domain.status import JobState, WaitKind
from agentos.runs.document import (
    SCHEMA,
    ArtifactRecord,
    RunDocument,
    StageRecord,
    Timing,
    artifact_records,
    asked_of,
    check_records,
    cost_record,
    identity,
    stage_records,
    standing,
)
from agentos.runs.report import event_line
from agentos.runs.result import ExitCode, OrchestrationResult

AT = "2026-03-01T10:00:00.000000+00:00"


def _run(job: JobState, stage: Stage | None = Stage.IMPL, outcome: Outcome | None = None) -> Run:
    return Run(
        ref=RunRef(5, IssueRef("demo", 7), 2),
        target="/srv/demo",
        profile="cli",
        job=job,
        stage=stage,
        step="code" if stage else None,
        wait_kind=WaitKind.GATE if job is JobState.WAITING else None,
        outcome=outcome,
        epoch=1,
        owner=None,
        lease_until=None,
        due_at=None,
        error="",
        created_at=AT,
        started_at=AT,
        stage_started_at=None,
        completed_at=None,
    )


def _event(kind: EventKind, stage: Stage | None = Stage.IMPL, **data: Any) -> Event:
    return Event(5, 1, AT, kind, stage, "code", data)


def test_a_visit_has_one_record_from_its_start_to_its_verdict() -> None:
    events = [
        _event(EventKind.RUN_QUEUED, None),
        _event(EventKind.STAGE_STARTED, Stage.TRIAGE, tries=1),
        _event(EventKind.STAGE_SKIPPED, Stage.TRIAGE, reason="triaged before"),
        _event(EventKind.STAGE_ENDED, Stage.TRIAGE, verdict="PASS", why="", outcome=""),
        _event(EventKind.STAGE_STARTED, Stage.IMPL, tries=2),
    ]
    assert stage_records(events) == [
        StageRecord(
            stage="triage", tries=1, started_at=AT, ended_at=AT, verdict="PASS", why="", skipped="triaged before"
        ),
        StageRecord(stage="impl", tries=2, started_at=AT),
    ]


def test_only_measured_commands_are_check_records() -> None:
    data: dict[str, Any] = {"name": "test", "sha": "h", "exit_code": None, "passed": False, "tests": 2, "failed": 1}
    [record] = check_records([_event(EventKind.NOTE), _event(EventKind.CHECK_ENDED, **data)])
    assert record.model_dump() == {"stage": "impl", **data}


def test_where_a_run_stands_is_derived_like_the_board() -> None:
    waiting = standing(_run(JobState.WAITING))
    assert (waiting.status, waiting.lane, waiting.stage, waiting.job) == ("In Review", "build", "impl", "waiting")
    queued = standing(_run(JobState.QUEUED, None))
    assert (queued.status, queued.lane, queued.stage, queued.step) == ("Ready", None, None, None)


def test_of_documents_under_one_path_the_newest_counts() -> None:
    old, new = (ArtifactRef(ArtifactKind.RUN, digest * 64, 3, "runs/demo/7/2/run.json") for digest in "ab")
    other = ArtifactRef(ArtifactKind.LLD, "c" * 64, 3, "runs/demo/7/2/lld.json")
    assert [record.sha256[0] for record in artifact_records([old, other, new])] == ["c", "b"]
    assert isinstance(artifact_records([other])[0], ArtifactRecord)


DOCUMENT = RunDocument(
    identity=identity(_run(JobState.RUNNING)),
    standing=standing(_run(JobState.RUNNING)),
    versions={"agentos": "0"},
    git={},
    stages=[],
    checks=[],
    cost=cost_record(Spend(1, 2, 3, None)),
    cost_by_stage={},
    cost_by_model={},
    decisions=[],
    effects={},
    artifacts=[],
    wait=None,
    timing=Timing(created_at=AT, started_at=None, completed_at=None),
)


def test_the_record_names_its_schema_and_fits_it() -> None:
    data = DOCUMENT.model_dump(mode="json", by_alias=True)
    assert data["schema"] == SCHEMA == "agentos.run/v1"
    jsonschema.Draft202012Validator(RunDocument.model_json_schema(by_alias=True)).validate(data)
    assert data["identity"] == {"repo": "demo", "issue": 7, "run": 2, "thread": "demo/7/2", "profile": "cli"}
    assert data["cost"]["usd"] is None


def test_an_event_is_one_line_with_sorted_keys() -> None:
    line = event_line(_event(EventKind.NOTE, text="Größe\nzwei"))
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "seq": 1,
        "at": AT,
        "kind": "note",
        "stage": "impl",
        "step": "code",
        "data": {"text": "Größe\nzwei"},
    }
    assert list(json.loads(line)) == sorted(json.loads(line))


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ("queued", 4),
        ("running", 6),
        ("waiting", 4),
        ("retry_wait", 5),
        ("paused", 130),
        ("blocked", 3),
        ("succeeded", 0),
        ("failed", 1),
        ("cancelled", 0),
    ],
)
def test_every_state_of_a_run_has_its_exit_code(job: str, code: int) -> None:
    result = OrchestrationResult(_run(JobState(job), outcome=Outcome.MERGED), None, Spend(), "", "", {})
    assert result.exit_code == code
    assert isinstance(result.exit_code, ExitCode)
    assert result.outcome is Outcome.MERGED


def test_the_record_keeps_how_a_run_was_to_go_and_no_place() -> None:
    kept = {"merge.confidence": "95", "merge_authority": "none", "budget.usd": "5", "until": "pr"}
    assert asked_of({**kept, "models.script": "/there", "from_brief": "text", "mergers": "1"}) == kept
