"""Which runs a service has to take on now."""

from collections.abc import Collection, Iterable
from datetime import datetime

from agentos.domain.decision import DecisionKind
from agentos.domain.effect import EffectKey
from agentos.domain.run import Run
from agentos.domain.status import LIVE, JobState
from agentos.runs.desk import Desk
from agentos.runs.heeding import is_told
from agentos.runs.ownership import is_orphan

MOST = 1000


async def live_runs(desk: Desk, repo: str, folder: str) -> tuple[Run, ...]:
    """The runs of `repo` in the checkout `folder` that have not ended, oldest first."""
    found = await desk.store.runs.find(repo=repo, jobs=LIVE, limit=MOST)
    return tuple(run for run in reversed(found) if run.target == folder)


def hidden(runs: Iterable[Run], shown: Collection[int]) -> frozenset[int]:
    """The runs, by id, that wait for a person though their issue is not among those that show it, by number: somebody took
    the mark away, or the issue was transferred or deleted, which nothing else tells."""
    waiting = (run for run in runs if run.job in (JobState.WAITING, JobState.BLOCKED))
    return frozenset(run.ref.id for run in waiting if run.ref.issue.number not in shown)


async def numbers_of(desk: Desk, run: Run) -> frozenset[int]:
    """The numbers under which people speak to the run: its issue's, and its pull request's once there is one."""
    row = await desk.store.effects.get(run.ref.issue, EffectKey("pr"))
    number = (row.result or {}).get("number") if row is not None else None
    return frozenset({run.ref.issue.number, *([number] if isinstance(number, int) else [])})


async def has_word(desk: Desk, run: Run) -> bool:
    """Whether somebody decided something that the run did not do yet."""
    if run.job is JobState.PAUSED and await desk.store.decisions.hold(run.ref.id) is None:
        pending = await desk.store.decisions.pending(run.ref.id)
        return any(row.decision.kind in (DecisionKind.RESUME, DecisionKind.CANCEL) for row in pending)
    return await is_told(desk, run, after=0)


async def is_due(desk: Desk, run: Run, *, touched: bool) -> bool:
    """Whether the run is to be taken on. `touched`: something happened at it since it was last taken on.

    A run that a person stopped at their own terminal is theirs to go on with; one of the service's goes on.
    """
    match run.job:
        case JobState.QUEUED:
            return True
        case JobState.RUNNING:
            return is_orphan(run, desk.home, desk.clock.now())
        case JobState.RETRY_WAIT:
            return _is_over(run.due_at, desk.clock.now()) or (touched and await has_word(desk, run))
        case JobState.WAITING | JobState.BLOCKED:
            return touched
        case JobState.PAUSED:
            if await desk.store.decisions.hold(run.ref.id) is not None:
                return touched
            return run.profile == "service" or await has_word(desk, run)
        case _:
            return False


def _is_over(due_at: str | None, now: datetime) -> bool:
    return due_at is None or datetime.fromisoformat(due_at) <= now
