"""A run: one way of an issue through the pipeline."""

from dataclasses import dataclass

from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Outcome, Stage
from agentos.domain.status import JobState, WaitKind


@dataclass(frozen=True, slots=True)
class RunRef:
    """Which run: `number` counts the runs of one issue from 1; `id` is its row, unique in the database."""

    id: int
    issue: IssueRef
    number: int

    @property
    def thread_id(self) -> str:
        """The LangGraph thread that holds the run's position."""
        return f"{self.issue.repo}/{self.issue.number}/{self.number}"

    def __str__(self) -> str:
        return f"#{self.number} of {self.issue}"


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its row says. Times are ISO 8601 UTC, from the database. `target` is the target repository's path or
    URL; `profile` is `cli` or `service`; `wait` is the JSON of a `Wait` while the run waits or is blocked."""

    ref: RunRef
    target: str
    profile: str
    job: JobState
    stage: Stage | None
    step: str | None
    wait_kind: WaitKind | None
    outcome: Outcome | None
    epoch: int
    owner: str | None
    lease_until: str | None
    due_at: str | None
    error: str
    created_at: str
    started_at: str | None
    stage_started_at: str | None
    completed_at: str | None
    takeovers: int = 0
