"""The run record `run.json` (`agentos.run/v1`): one run as a program reads it, derived from what the store holds."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agentos.domain.artifact import ArtifactRef
from agentos.domain.budget import Spend
from agentos.domain.event import Event, EventKind
from agentos.domain.pipeline import Stage, lane_of
from agentos.domain.run import Run
from agentos.domain.status import Position, derive_status
from agentos.workflows.kit.timeline import visits

SCHEMA = "agentos.run/v1"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Identity(_Part):
    """Which run of which issue."""

    repo: str
    issue: int
    run: int
    thread: str
    profile: str


class Standing(_Part):
    """Where the run stands."""

    status: str
    lane: str | None
    stage: str | None
    step: str | None
    job: str
    outcome: str | None
    error: str


class StageRecord(_Part):
    """One visit of one stage. `verdict` is empty while it works; `skipped` says why it did not have to."""

    stage: str
    tries: int
    started_at: str
    ended_at: str | None = None
    verdict: str = ""
    why: str = ""
    skipped: str = ""


class CheckRecord(_Part):
    """One command that was measured at one commit."""

    stage: str
    name: str
    sha: str
    exit_code: int | None
    passed: bool
    tests: int
    failed: int


class CostRecord(_Part):
    """Use of models; `usd` is null where a price is unknown."""

    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None


class ArtifactRecord(_Part):
    """One document; `path` is relative to the data folder."""

    kind: str
    sha256: str
    size_bytes: int
    path: str


class Timing(_Part):
    """ISO 8601, UTC."""

    created_at: str
    started_at: str | None
    completed_at: str | None


class RunDocument(_Part):
    """Everything about a run that a program may want to know."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    identity: Identity
    standing: Standing
    versions: dict[str, str]
    git: dict[str, str]
    stages: list[StageRecord]
    checks: list[CheckRecord]
    cost: CostRecord
    cost_by_stage: dict[str, CostRecord]
    cost_by_model: dict[str, CostRecord]
    decisions: list[dict[str, Any]]
    effects: dict[str, dict[str, Any]]
    artifacts: list[ArtifactRecord]
    wait: dict[str, Any] | None
    timing: Timing
    asked: dict[str, Any] = Field(
        default={}, description="what the command line set for this run, as far as it names no place"
    )


_ASKED = frozenset({"orchestrator", "until", "merge_authority", "merge", "budget", "profile"})


def asked_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's options is for its record: how it was to go; no paths, addresses or texts."""
    return {key: value for key, value in options.items() if key.partition(".")[0] in _ASKED}


def stage_records(events: Iterable[Event]) -> list[StageRecord]:
    """One record per visit of a stage, in order."""
    return [StageRecord(**asdict(visit)) for visit in visits(events)]


def check_records(events: Iterable[Event]) -> list[CheckRecord]:
    """Every measured command, in order."""
    return [
        CheckRecord(stage=str(event.stage), **event.data) for event in events if event.kind is EventKind.CHECK_ENDED
    ]


def cost_record(spend: Spend) -> CostRecord:
    """`spend` for the record."""
    return CostRecord(
        calls=spend.calls, input_tokens=spend.input_tokens, output_tokens=spend.output_tokens, usd=spend.usd
    )


def standing(run: Run) -> Standing:
    """Where `run` stands, with the derived status."""
    at = Position(run.job, run.stage, run.step, run.wait_kind, run.outcome)
    return Standing(
        status=derive_status(at),
        lane=lane_of(Stage(run.stage)) if run.stage else None,
        stage=run.stage,
        step=run.step,
        job=run.job,
        outcome=run.outcome,
        error=run.error,
    )


def identity(run: Run) -> Identity:
    """Which run it is."""
    return Identity(
        repo=run.ref.issue.repo,
        issue=run.ref.issue.number,
        run=run.ref.number,
        thread=run.ref.thread_id,
        profile=run.profile,
    )


def artifact_records(refs: Iterable[ArtifactRef]) -> list[ArtifactRecord]:
    """The newest document under each path."""
    newest: Mapping[str, ArtifactRef] = {ref.path: ref for ref in refs}
    return [
        ArtifactRecord(kind=ref.kind, sha256=ref.sha256, size_bytes=ref.size_bytes, path=ref.path)
        for _, ref in sorted(newest.items())
    ]
