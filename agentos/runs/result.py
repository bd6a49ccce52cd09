"""What the programmatic entry returns, and the exit code that says the same."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from agentos.domain.budget import Spend
from agentos.domain.decision import Decision, Wait
from agentos.domain.pipeline import Outcome
from agentos.domain.run import Run
from agentos.domain.status import TERMINAL, JobState
from agentos.runs.query import given_answer
from agentos.store import Store


class ExitCode(IntEnum):
    """The exit codes of every command (DESIGN §7)."""

    FINISHED = 0
    FAILED = 1
    USAGE = 2
    BLOCKED = 3
    WAITING = 4
    PARKED = 5
    ALREADY_RUNNING = 6
    INTERRUPTED = 130


_BY_JOB = {
    JobState.QUEUED: ExitCode.WAITING,
    JobState.RUNNING: ExitCode.ALREADY_RUNNING,
    JobState.WAITING: ExitCode.WAITING,
    JobState.RETRY_WAIT: ExitCode.PARKED,
    JobState.PAUSED: ExitCode.INTERRUPTED,
    JobState.BLOCKED: ExitCode.BLOCKED,
    JobState.SUCCEEDED: ExitCode.FINISHED,
    JobState.FAILED: ExitCode.FAILED,
    JobState.CANCELLED: ExitCode.FINISHED,
}


@dataclass(frozen=True, slots=True)
class OrchestrationResult:
    """How far a run got. `wait` says what it waits for; `paths` are its documents, relative to the data folder; `held`
    is the hold it is under, `given` the answer it did not take yet."""

    run: Run
    wait: Wait | None
    spend: Spend
    pr_url: str
    merge_sha: str
    paths: dict[str, str]
    held: Decision | None = None
    given: Decision | None = None

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended; None while it waits or is blocked."""
        return self.run.outcome

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of a command that ended with this result."""
        if self.held is not None and self.run.job is JobState.PAUSED:
            return ExitCode.WAITING
        return _BY_JOB[self.run.job]


async def result_of(store: Store, run: Run) -> OrchestrationResult:
    """How far `run` got, as the store has it now."""
    effects: dict[str, dict[str, Any]] = {
        row.key: dict(row.result or {}) for row in await store.effects.of_issue(run.ref.issue)
    }
    refs = await store.artifacts.of_run(run.ref.id)
    held, wait = await store.decisions.hold(run.ref.id), await store.runs.wait(run.ref.id)
    return OrchestrationResult(
        run=run,
        wait=wait,
        spend=await store.costs.spend(run.ref.id),
        pr_url=str(effects.get("pr", {}).get("url", "")),
        merge_sha=str(effects.get("merge", {}).get("sha", "")),
        paths={ref.path.rsplit("/", 1)[-1]: ref.path for ref in refs},
        held=held.decision if held is not None and run.job not in TERMINAL else None,
        given=await given_answer(store, run, wait),
    )
