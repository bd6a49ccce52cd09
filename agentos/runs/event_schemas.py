"""What `data` of each kind of event holds, for programs that read a ledger: a record a kind, and the schema made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import Undone
from agentos.domain.decision import Decision, Wait
from agentos.domain.document import Dropped, Finding
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Outcome, Verdict
from agentos.domain.requests import Requests


@dataclass(frozen=True, slots=True)
class RunQueued:
    """The run exists: `number` counts the runs of its issue."""

    number: int
    profile: str


@dataclass(frozen=True, slots=True)
class RunAtWork:
    """A process works on the run from here on. `sandbox`: what commands run under."""

    sandbox: str = ""


@dataclass(frozen=True, slots=True)
class RunPaused:
    """The run stopped at a step's end. `by` and `why` are there where a person put it on hold."""

    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunParked:
    """The run goes on at a time. `expected`: it waits for something, and nothing failed."""

    due_at: datetime
    why: str
    expected: bool = False


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over: with an `outcome`, by a bug with its `traceback`, or because of `why`."""

    outcome: Outcome | None = None
    traceback: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage was entered. `tries`: how often by now."""

    tries: int


@dataclass(frozen=True, slots=True)
class StageSkipped:
    """A stage had nothing to do."""

    reason: str


@dataclass(frozen=True, slots=True)
class StageEnded:
    """A stage concluded. `verdict` is empty where it came to none, `outcome` unless the run ends by it."""

    verdict: Verdict | Literal[""]
    why: str
    outcome: str


@dataclass(frozen=True, slots=True)
class StepAt:
    """A step began or is done: the function of the graph that is it."""

    node: str


@dataclass(frozen=True, slots=True)
class ArtifactStored:
    """A document is in the store. `path` is where people find it, below the data folder."""

    kind: ArtifactKind
    sha256: str
    path: str


@dataclass(frozen=True, slots=True)
class ModelCalled:
    """A model was asked, or an agent's session ended. `usd` is null where the price is unknown."""

    role: str
    model: str
    round: int
    prompt: str
    prompt_digest: str
    input_tokens: int
    output_tokens: int
    usd: float | None


@dataclass(frozen=True, slots=True)
class AgentActedData:
    """The coding agent used a tool."""

    tool: str
    line: str
    ok: bool


@dataclass(frozen=True, slots=True)
class CheckEnded:
    """A command was measured at a commit. `exit_code` is null where it did not end by itself; `tests`, `failed`: counts."""

    name: str
    sha: str
    exit_code: int | None
    passed: bool
    tests: int
    failed: int


@dataclass(frozen=True, slots=True)
class ReviewJudged:
    """A reviewer judged `subject`: the digest of a document or the sha of a change."""

    verdict: str
    findings: tuple[Finding, ...]
    dropped: tuple[Dropped, ...]
    round: int
    subject: str
    model: str


@dataclass(frozen=True, slots=True)
class EffectDone:
    """Something outside was made, or found made. `result`: what was read back of it."""

    key: str
    version: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class DecisionTaken(Decision):
    """A person decided, or a rule in their name. `counts` is false where it was refused; `protected`: files it was about."""

    counts: bool = True
    protected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IssueEdited:
    """The issue says something else than the run read. `before`, `after`: its digests."""

    before: str
    after: str
    diff: str


@dataclass(frozen=True, slots=True)
class RequestsCounted(Requests):
    """A process let go of the run: how much it asked GitHub for it."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth telling. `merge_sha`: the merge that was found."""

    text: str
    merge_sha: str = ""


DATA: Mapping[EventKind, type[Any]] = {
    EventKind.RUN_QUEUED: RunQueued,
    EventKind.RUN_ACCEPTED: RunAtWork,
    EventKind.RUN_RESUMED: RunAtWork,
    EventKind.RUN_WAITING: Wait,
    EventKind.RUN_BLOCKED: Wait,
    EventKind.RUN_PAUSED: RunPaused,
    EventKind.RUN_PARKED: RunParked,
    EventKind.RUN_ENDED: RunEnded,
    EventKind.STAGE_STARTED: StageStarted,
    EventKind.STAGE_SKIPPED: StageSkipped,
    EventKind.STAGE_ENDED: StageEnded,
    EventKind.STEP_STARTED: StepAt,
    EventKind.STEP_ENDED: StepAt,
    EventKind.ARTIFACT_STORED: ArtifactStored,
    EventKind.MODEL_CALLED: ModelCalled,
    EventKind.AGENT_ACTED: AgentActedData,
    EventKind.CHECK_ENDED: CheckEnded,
    EventKind.REVIEW_JUDGED: ReviewJudged,
    EventKind.ROUND_UNDONE: Undone,
    EventKind.EFFECT_DONE: EffectDone,
    EventKind.DECISION_TAKEN: DecisionTaken,
    EventKind.ISSUE_EDITED: IssueEdited,
    EventKind.REQUESTS_COUNTED: RequestsCounted,
    EventKind.NOTE: Note,
}


def event_schemas() -> dict[str, dict[str, Any]]:
    """Kind -> JSON Schema of its `data`. A key with a default may be missing; those it does not name may be there."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {str(kind): draft | TypeAdapter(record).json_schema(mode="validation") for kind, record in DATA.items()}
