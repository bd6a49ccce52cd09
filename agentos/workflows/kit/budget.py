"""The ceilings of a run: held before a stage begins, and before every model call that is not answered from the store."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agentos.domain.budget import (
    Budgets,
    BudgetSpent,
    Ceiling,
    Scope,
    Spend,
    Used,
    reached,
    refused,
    unpriced,
    worked_s,
)
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef, ChatModels, Tokens
from agentos.ports.clock import Clock
from agentos.store import Store
from agentos.store.fence import Fence

if TYPE_CHECKING:
    from agentos.workflows.kit.context import RunContext


NO_CEILINGS = Budgets()


async def require_budget(ctx: "RunContext", stage: Stage) -> None:
    """Raises BudgetSpent where the run reached one of its ceilings, so that `stage` may not begin."""
    await Purse(ctx.store, ctx.ports.clock, ctx.settings.budget.ceilings()).require(ctx.run.id, stage)


def require_price(budgets: Budgets, models: ChatModels, model: str) -> None:
    """Raises UsageError for a model that no ceiling could ever count: its price is unknown, and no tokens are bounded."""
    for each in models.answering(model):
        if not budgets.hold_tokens and models.cost_usd(each, Tokens(1, 1)) is None:
            raise UsageError(unpriced(each))


@dataclass(frozen=True, slots=True)
class _Worked:
    """How long a run had been at work at a moment, in a stage, by scope."""

    stage: Stage
    at: datetime
    seconds: dict[Scope, float]


class Purse:
    """What pays for the model calls of one run: it reserves what a call may come to at its worst, before it is made.

    Nothing is locked: of several runs that ask at the same moment each may pass, so that together they go beyond a ceiling
    by one call each at most.
    """

    def __init__(self, store: Store, clock: Clock, budgets: Budgets = NO_CEILINGS) -> None:
        self._store = store
        self._clock = clock
        self._budgets = budgets
        self._worked: _Worked | None = None

    async def require(self, run_id: int, stage: Stage) -> None:
        """Raises BudgetSpent where a ceiling is reached."""
        if self._budgets.hold:
            ceiling = await self._reached(run_id, stage, await self._store.costs.used(run_id, stage))
            if ceiling is not None:
                raise BudgetSpent(ceiling)

    async def reserve(self, fence: Fence, call: CallRef, key: tuple[int, str], *, model: str, worst: Spend) -> int:
        """The number of the call that is charged with `worst` from now on; `key`: its place in the conversation and the
        digest of what is asked. Raises BudgetSpent where it may not be made, FenceLost."""
        refusal = refused(self._budgets, model, worst)
        if refusal is not None:
            raise BudgetSpent(refusal)
        n, digest = key
        reserved = await self._store.exchanges.reserve(
            fence, call, n, digest, model=model, worst=worst, counted=self._budgets.hold
        )
        if self._budgets.hold:
            ceiling = await self._reached(call.run_id, call.stage, reserved.used)
            if ceiling is not None:
                await self._store.exchanges.give_up(fence, reserved.id, Spend())
                raise BudgetSpent(ceiling)
        return reserved.id

    async def _reached(self, run_id: int, stage: Stage, used: Mapping[Scope, Used]) -> Ceiling | None:
        if not self._budgets.hold_time:
            return reached(self._budgets, used)
        now = self._clock.now()
        if self._worked is None or self._worked.stage is not stage:
            self._worked = _Worked(stage, now, await self._seconds(run_id, stage, now))
        # The run is at work as long as it asks here, so the ledger is read once a stage and not before every call.
        since_s = (now - self._worked.at).total_seconds()
        timed = {
            scope: replace(used[scope], elapsed_s=seconds + since_s) for scope, seconds in self._worked.seconds.items()
        }
        return reached(self._budgets, timed)

    async def _seconds(self, run_id: int, stage: Stage, now: datetime) -> dict[Scope, float]:
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        timed_day = self._budgets.day.wall_s is not None
        seconds = dict.fromkeys(Scope, 0.0)
        for history in await self._store.ledger.histories(run_id, since=midnight if timed_day else None):
            # Of another run, nobody here knows what it did after its last event.
            end = now if history.run_id == run_id else datetime.fromisoformat(history.events[-1].at)
            seconds[Scope.DAY] += worked_s(history.events, end, since=midnight)
            if history.of_issue:
                seconds[Scope.ISSUE] += worked_s(history.events, end)
                seconds[Scope.STAGE] += worked_s(history.events, end, stage=stage)
        return seconds
