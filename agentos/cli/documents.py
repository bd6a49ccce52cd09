"""What commands print with `--json`: one document each, with its schema in docs/reference/schemas/."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agentos.cli.result_document import CostDocument, HoldDocument, ResultDocument


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class StatusEntry(_Part):
    """One run in the list of `status`. `waits_for` is null where it waits for nobody. `process_gone`: its `job` is
    `running`, and nobody works on it any more; the next `run` goes on where it stood."""

    repo: str
    issue: int
    run: int
    target: str
    status: str
    job: str
    stage: str | None
    step: str | None
    outcome: str | None
    waits_for: str | None
    accepts: list[str]
    held: HoldDocument | None
    created_at: str
    completed_at: str | None
    process_gone: bool = False


class StatusDocument(_Part):
    """The runs that have not ended, newest first; with `--all` the others too."""

    schema_: str = Field(default="agentos.status/v1", alias="schema")
    runs: list[StatusEntry]


class PlannedStageDocument(_Part):
    """What would become of one stage: `action` is run, skip, done or not_reached; `gate` is where it would ask."""

    stage: str
    action: str
    why: str
    gate: str | None
    models: list[str]
    limits: list[str]
    expected_s: float | None
    expected_usd: float | None


class PlanDocument(_Part):
    """What a run would do. It would not start where there are `refusals`; what is expected is null where nobody knows."""

    schema_: str = Field(default="agentos.plan/v1", alias="schema")
    repo: str
    issue: int
    title: str
    refusals: list[str]
    stages: list[PlannedStageDocument]
    expected_s: float | None
    expected_usd: float | None
    past_runs: int
    ceilings: list[str] = []
    exit_code: int


class VisitDocument(_Part):
    """One visit of one stage."""

    stage: str
    tries: int
    started_at: str
    ended_at: str | None
    verdict: str
    why: str
    skipped: str


class VerdictDocument(_Part):
    """What a reviewer said of one draft or change: `verdict` is approve, revise or block."""

    stage: str
    round: int
    verdict: str
    findings: int
    model: str
    subject: str


class FindingDocument(_Part):
    """One finding of a reviewer, and its fate: fixed, left, open, or dropped for the `reason`, which is empty else."""

    stage: str
    severity: str
    where: str
    problem: str
    model: str
    fate: str
    reason: str


class DecisionDocument(_Part):
    """One decision of a person; `taken_at` is null until the run took it."""

    at: str
    taken_at: str | None
    kind: str
    actor: str
    text: str
    subject: str
    stage: str | None


class RedraftDocument(_Part):
    """What one draft changed in the one before, as a unified diff."""

    earlier: str
    later: str
    diff: list[str]


class FileDocument(_Part):
    """One file of a change; the counts are null for a binary file."""

    path: str
    insertions: int | None
    deletions: int | None


class ChangeDocument(_Part):
    """What was measured last."""

    base_sha: str
    head_sha: str
    insertions: int
    deletions: int
    files: list[FileDocument]


class UndoneDocument(_Part):
    """A round of work that made the measured checks worse: its commit, the one that stands instead, what it lost."""

    sha: str
    best_sha: str
    lost: list[str]


class ArtifactDocument(_Part):
    """One document; `path` is relative to the result's home."""

    kind: str
    sha256: str
    size_bytes: int
    path: str


class RequestsDocument(_Part):
    """What was asked of GitHub: how often, how often nothing had changed and it was free, the changes, and the points of all."""

    made: int
    unchanged: int
    changes: int
    points: int


class ShowDocument(ResultDocument):
    """The whole account of one run: the result, and how it came about."""

    schema_: str = Field(default="agentos.show/v1", alias="schema")
    title: str
    timeline: list[VisitDocument]
    verdicts: list[VerdictDocument]
    findings: list[FindingDocument]
    decisions: list[DecisionDocument]
    cost_by_stage: dict[str, CostDocument]
    cost_by_model: dict[str, CostDocument]
    requests: RequestsDocument = Field(description="of all runs of the issue; none that a killed process made")
    redrafts: list[RedraftDocument]
    change: ChangeDocument | None
    undone: list[UndoneDocument]
    artifacts: list[ArtifactDocument]


class DiffDocument(_Part):
    """The change of one run; `patch` is as git shows it, bytes that are no UTF-8 replaced."""

    schema_: str = Field(default="agentos.diff/v1", alias="schema")
    repo: str
    issue: int
    run: int
    change: ChangeDocument
    patch: str


class EventDocument(_Part):
    """One line of `logs --json`. `data` is listed by kind in docs/reference/events.md; `stage` and `step` may be null."""

    seq: int
    at: str
    kind: str
    stage: str | None
    step: str | None
    data: dict[str, Any]


class IssueCostDocument(_Part):
    """What one issue cost, all its runs together."""

    repo: str
    issue: int
    cost: CostDocument


class CostsDocument(_Part):
    """What models cost so far, altogether and by part; `unsettled` is how much of it is only reserved: calls that are under
    way, or whose answer was lost. Days are dates in UTC."""

    schema_: str = Field(default="agentos.costs/v1", alias="schema")
    total: CostDocument
    unsettled: CostDocument
    by_issue: list[IssueCostDocument]
    by_stage: dict[str, CostDocument]
    by_model: dict[str, CostDocument]
    by_day: dict[str, CostDocument]


class SettingDocument(_Part):
    """One setting: a secret's value is masked."""

    key: str
    value: Any
    origin: str


class ConfigDocument(_Part):
    """Every setting that holds, and where it comes from."""

    schema_: str = Field(default="agentos.config/v1", alias="schema")
    settings: list[SettingDocument]


class CheckDocument(_Part):
    """One thing that was looked at: `grade` is ok, warn or fail; `mend` is empty where nothing needs mending."""

    name: str
    grade: str
    found: str
    mend: str


class DoctorDocument(_Part):
    """What is there and what is missing."""

    schema_: str = Field(default="agentos.doctor/v1", alias="schema")
    checks: list[CheckDocument]
    exit_code: int


class FoundDocument(_Part):
    """What was found of one stage of a lost run."""

    stage: str
    what: str


class RebuildDocument(_Part):
    """What there is of an issue's newest run, which the database does not know. `ended` says why nothing goes on; else the
    new run begins before the stage `enters` and puts the question `asks` again, null where there is none."""

    schema_: str = Field(default="agentos.rebuild/v1", alias="schema")
    repo: str
    issue: int
    run: int
    ended: str
    found: list[FoundDocument]
    missing: list[str]
    enters: str | None
    asks: str | None
    exit_code: int


class TicketDocument(_Part):
    """A new ticket."""

    schema_: str = Field(default="agentos.ticket/v1", alias="schema")
    issue: int
    path: str


class InitDocument(_Part):
    """What `init` wrote, relative to the repository's folder; empty where all was there. With `--github`, `folder` is the
    repository's key, and `checks` say what was made there or found, and what is left for a person."""

    schema_: str = Field(default="agentos.init/v1", alias="schema")
    folder: str
    written: list[str]
    checks: list[CheckDocument] = []


def text_of(document: BaseModel) -> str:
    """`document` as it is printed."""
    return document.model_dump_json(by_alias=True, indent=2)


def schemas() -> Mapping[str, dict[str, Any]]:
    """Name -> the schema of what a command prints with `--json`: `result` after `run`, `rebuild` and every
    decision; `plan` after `run --dry-run`, `rebuild` after `rebuild --dry-run`; else by command; of `logs`, of each line."""
    documents: dict[str, type[BaseModel]] = {
        "result": ResultDocument,
        "plan": PlanDocument,
        "rebuild": RebuildDocument,
        "status": StatusDocument,
        "show": ShowDocument,
        "diff": DiffDocument,
        "logs": EventDocument,
        "costs": CostsDocument,
        "config": ConfigDocument,
        "doctor": DoctorDocument,
        "init": InitDocument,
        "new": TicketDocument,
    }
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {name: draft | kind.model_json_schema(by_alias=True) for name, kind in documents.items()}
