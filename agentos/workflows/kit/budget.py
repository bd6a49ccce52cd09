"""The ceilings of a run: held before a stage begins, and before every model call that is not answered from the store."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import Field

from agentos.domain.budget import Budget, BudgetSpent, reached, worked_s
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef, ChatModels
from agentos.ports.clock import Clock
from agentos.prompting.passing_model import PassingChatModel
from agentos.store import Store

if TYPE_CHECKING:
    from agentos.workflows.kit.context import RunContext


async def require_budget(ctx: "RunContext") -> None:
    """Raises BudgetSpent where the run reached one of its ceilings."""
    await require(ctx.store, ctx.run.id, ctx.settings.budget.ceilings(), ctx.ports.clock)


async def require(store: Store, run_id: int, budget: Budget, clock: Clock) -> None:
    """Raises BudgetSpent where the run `run_id` reached a ceiling of `budget`."""
    if budget == Budget():
        return
    spend = await store.exchanges.spend(run_id)
    events = await store.ledger.read(run_id) if budget.wall_s is not None else ()
    ceiling = reached(budget, spend, elapsed_s=worked_s(events, clock.now()))
    if ceiling is not None:
        raise BudgetSpent(ceiling)


class BudgetedChatModel(PassingChatModel):
    """The wrapped model, asked only after `allow` returned."""

    allow: Any = Field(repr=False)

    async def _around(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> AIMessage:
        await self.allow()
        return await self._pass_on(messages, stop, **kwargs)


class BudgetedModels:
    """Every model of `models`; before each call, `allow` may raise."""

    def __init__(self, models: ChatModels, allow: Callable[[], Awaitable[None]]) -> None:
        self._models = models
        self._allow = allow

    def require(self, model: str) -> None:
        """Raises UsageError where `model` cannot be asked here."""
        self._models.require(model)

    def open(self, model: str, call: CallRef) -> BudgetedChatModel:
        """A chat model for one conversation that stops at a ceiling."""
        inner = self._models.open(model, call)
        return BudgetedChatModel(inner=inner, profile=inner.profile, allow=self._allow)

    def cost_usd(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """The price of one call in US dollars; None where it is unknown."""
        return self._models.cost_usd(model, input_tokens, output_tokens)

    def leftovers(self, asked: Iterable[tuple[Stage, str, int, int]]) -> tuple[str, ...]:
        """What a finished run should have asked for and did not."""
        return self._models.leftovers(asked)
