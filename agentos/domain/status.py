"""Where a run stands in the queue, and the board status derived from it by one table (DESIGN §3)."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from agentos.domain.pipeline import Outcome, Stage


class JobState(StrEnum):
    """A run's entry in the queue."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    RETRY_WAIT = "retry_wait"
    PAUSED = "paused"
    BLOCKED = "blocked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL: frozenset[JobState] = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})
LIVE: frozenset[JobState] = frozenset(JobState) - TERMINAL

ALLOWED: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(JobState) - {JobState.QUEUED},
    JobState.WAITING: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED}),
    JobState.RETRY_WAIT: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED}),
    JobState.PAUSED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.BLOCKED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
"""Which job state may follow which; `RUNNING` may follow itself when another process takes the lease over."""


class Status(StrEnum):
    """What the board shows people; always derived, never stored as a source."""

    BACKLOG = "Backlog"
    READY = "Ready"
    IN_PROGRESS = "In Progress"
    IN_REVIEW = "In Review"
    APPROVED = "Approved"
    DONE = "Done"
    BLOCKED = "Blocked"


class WaitKind(StrEnum):
    """What a waiting run waits for."""

    GATE = "gate"
    QUESTION = "question"
    REVIEW = "review"
    BLOCKER = "blocker"
    DOSSIER = "dossier"


@dataclass(frozen=True, slots=True)
class Position:
    """All that the status depends on. `job` None: the issue has no run."""

    job: JobState | None
    stage: Stage | None = None
    step: str | None = None
    wait: WaitKind | None = None
    outcome: Outcome | None = None


def derive_status(at: Position) -> Status:
    """The board status of `at`: the first row of DESIGN §3 that matches."""
    if at.job is None or at.job is JobState.CANCELLED:
        return Status.BACKLOG
    if at.job in (JobState.BLOCKED, JobState.FAILED):
        return Status.BLOCKED
    if at.job is JobState.WAITING and at.wait is WaitKind.QUESTION:
        return Status.BLOCKED
    if at.job is JobState.QUEUED:
        return Status.READY
    if at.job is JobState.SUCCEEDED:
        return Status.IN_REVIEW if at.outcome is Outcome.PR_OPENED else Status.DONE
    if at.stage is Stage.FINALIZE:
        return Status.APPROVED
    if at.job is JobState.WAITING:
        return Status.IN_REVIEW
    return Status.IN_PROGRESS


LABELS = ("agentos:queued", "agentos:running", "agentos:waiting", "agentos:blocked", "agentos:done")
READY_LABEL = "agentos:ready"
"""What people put on an issue to have it worked on, where its board is its labels; taken off once a run has it."""
ATTENTION_LABEL = "agent-review"
"""Set whenever a person must look, removed when work resumes."""


def shown_label(labels: Collection[str]) -> str | None:
    """The one `agentos:` label among `labels`; None where there is none, or several, which say nothing."""
    found = [label for label in LABELS if label in labels]
    return found[0] if len(found) == 1 else None


def derive_label(at: Position) -> str | None:
    """The one `agentos:` label of an accepted issue; None before acceptance and after cancelling."""
    match at.job:
        case None | JobState.CANCELLED:
            return None
        case JobState.QUEUED:
            return "agentos:queued"
        case JobState.WAITING:
            return "agentos:waiting"
        case JobState.BLOCKED | JobState.FAILED:
            return "agentos:blocked"
        case JobState.SUCCEEDED:
            return "agentos:waiting" if at.outcome is Outcome.PR_OPENED else "agentos:done"
        case JobState.RUNNING | JobState.RETRY_WAIT | JobState.PAUSED:
            return "agentos:running"
        case _:
            assert_never(at.job)


def needs_person(at: Position) -> bool:
    """Whether a person must look before anything goes on."""
    return at.job in (JobState.WAITING, JobState.BLOCKED, JobState.FAILED) or at.outcome is Outcome.PR_OPENED
