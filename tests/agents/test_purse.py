"""A call is charged before it is made, and what becomes of it decides what stays charged."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from agentos.adapters.clock.manual import ManualClock
from agentos.domain.budget import Budget, Budgets, BudgetSpent, Spend
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage
from agentos.domain.status import JobState
from agentos.ports.chat_model import CallRef, Tokens
from agentos.store.runs import Change
from agentos.workflows.kit.budget import Purse
from agentos.workflows.kit.recorded_model import MOST_OUTPUT_TOKENS, RecordedModels
from tests.agents.conftest import Bench

MODEL = "toy:model"
USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


class ToyChatModel(BaseChatModel):
    """Answers, or fails, as it is told, once `gate` is open."""

    act: Callable[[], AIMessage]
    gate: Any

    @property
    def _llm_type(self) -> str:
        return "toy"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.act())])

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        answered = self._generate(*args, **kwargs)
        await self.gate.wait()
        return answered


class ToyModels:
    """One model, a dollar a token where it has a price; `asked` counts its calls."""

    def __init__(self, act: Callable[[], AIMessage], *, priced: bool = True) -> None:
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._act = act
        self._priced = priced

    def require(self, model: str) -> None: ...

    def open(self, model: str, call: CallRef) -> BaseChatModel:
        def counted() -> AIMessage:
            self.asked += 1
            return self._act()

        return ToyChatModel(act=counted, gate=self.gate)

    def cost_usd(self, model: str, used: Tokens) -> float | None:
        return float(used.input_tokens + used.output_tokens) if self._priced else None

    def answering(self, model: str) -> tuple[str, ...]:
        return (model,)

    def leftovers(self, asked: object) -> tuple[str, ...]:
        return ()


def hello(**metadata: Any) -> AIMessage:
    return AIMessage("hello", usage_metadata=USAGE, response_metadata=metadata)


async def ask(models: RecordedModels, bench: Bench, *, stage: Stage = Stage.LLD, text: str = "hi") -> BaseMessage:
    return await models.open(MODEL, CallRef(bench.fence.run_id, f"task-{stage}", stage, "drafter", 1)).ainvoke(text)


async def spend(bench: Bench) -> Spend:
    return await bench.store.costs.spend(bench.fence.run_id)


def fail(error: BaseException) -> Callable[[], AIMessage]:
    def act() -> AIMessage:
        raise error

    return act


async def test_a_call_is_charged_what_it_took_and_told_so_to_all_who_see_its_answer(bench: Bench) -> None:
    answer = await ask(bench.recorded(ToyModels(hello)), bench)
    assert answer.response_metadata["charged"] == {"calls": 1, "input_tokens": 7, "output_tokens": 3, "usd": 10.0}
    assert await spend(bench) == Spend(1, 7, 3, 10.0)


async def test_an_answer_without_its_use_is_charged_at_its_worst(bench: Bench) -> None:
    await ask(bench.recorded(ToyModels(lambda: AIMessage("hello"))), bench)
    charged = await spend(bench)
    assert charged.output_tokens == MOST_OUTPUT_TOKENS
    assert charged.usd == charged.tokens


async def test_the_answer_of_a_stand_in_is_stored_under_its_own_name(bench: Bench) -> None:
    await ask(bench.recorded(ToyModels(lambda: hello(answered_by="toy:spare"))), bench)
    assert await bench.store.costs.spend_by(bench.fence.run_id, "model") == {"toy:spare": Spend(1, 7, 3, 10.0)}


@pytest.mark.parametrize(
    ("error", "calls"),
    [(UsageError("no"), 0), (OutsideError("no"), 0), (OutsideError("lost", unanswered=3), 3), (ValueError("odd"), 1)],
    ids=["wrong", "refused", "lost thrice", "unknown"],
)
async def test_a_call_that_fails_stays_charged_for_what_may_be_on_the_bill(
    bench: Bench, error: Exception, calls: int
) -> None:
    with pytest.raises(type(error)):
        await ask(bench.recorded(ToyModels(fail(error))), bench)
    charged = await spend(bench)
    assert (charged.calls, charged.output_tokens) == (calls, calls * MOST_OUTPUT_TOKENS)
    assert (await bench.store.costs.whole()).unsettled.calls == (calls if isinstance(error, ValueError) else 0)


async def test_a_call_that_is_broken_off_stays_charged_at_its_worst(bench: Bench) -> None:
    models = ToyModels(hello)
    models.gate.clear()
    asking = asyncio.create_task(ask(bench.recorded(models), bench))
    while not models.asked:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await spend(bench)).output_tokens == MOST_OUTPUT_TOKENS


async def test_a_model_without_a_price_is_not_asked_unless_tokens_are_bounded(bench: Bench) -> None:
    models = ToyModels(hello, priced=False)
    with pytest.raises(BudgetSpent, match="the price of toy:model is unknown") as caught:
        await ask(bench.recorded(models), bench)
    assert (models.asked, await spend(bench)) == (0, Spend())
    name, _, value = caught.value.ceiling.raised.partition("=")
    assert name == "budget.tokens"
    await ask(bench.recorded(models, Budgets(issue=Budget(usd=1, tokens=int(value)))), bench)
    assert (models.asked, await spend(bench)) == (1, Spend(1, 7, 3, None))


@pytest.mark.parametrize(
    ("budgets", "sentence"),
    [
        (Budgets(issue=Budget(usd=10)), r"the cost reached \$10.00 of \$10.00"),
        (Budgets(stage=Budget(tokens=10)), "the tokens of this stage reached 10 of 10"),
        (Budgets(day=Budget(calls=1)), "the model calls of this day reached 1 of 1"),
        (Budgets(call=Budget(tokens=5)), "one call may take 5"),
    ],
)
async def test_beyond_a_ceiling_nothing_is_asked_and_nothing_charged(
    bench: Bench, budgets: Budgets, sentence: str
) -> None:
    await ask(bench.recorded(ToyModels(hello)), bench)
    models, before = ToyModels(hello), await spend(bench)
    with pytest.raises(BudgetSpent, match=sentence):
        await ask(bench.recorded(models, budgets), bench, text="more")
    assert (models.asked, await spend(bench)) == (0, before)
    assert (await ask(bench.recorded(models, budgets), bench)).text == "hello", "what is stored costs nothing"
    assert models.asked == 0


async def test_all_ceilings_together_cost_a_call_one_statement_before_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = Budget(usd=1e6, tokens=10**9, calls=10**6, wall_s=1e6)
    models = bench.recorded(ToyModels(hello), Budgets(every, every, every, Budget(usd=1e6)))
    await ask(models, bench)
    told, execute = [], psycopg.AsyncConnection.execute

    async def counted(conn: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        told.append(" ".join(str(query).split()))
        return await execute(conn, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", counted)
    await ask(models, bench, text="more")
    words = ("SELECT payload FROM model_calls", "INSERT INTO model_calls", "UPDATE model_calls")
    assert [[word in statement for statement in told] for word in words] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]


async def test_the_ceiling_of_a_stage_leaves_the_other_stages_alone(bench: Bench) -> None:
    models = bench.recorded(ToyModels(hello), Budgets(stage=Budget(calls=1)))
    await ask(models, bench)
    await ask(models, bench, stage=Stage.SPEC)
    with pytest.raises(BudgetSpent):
        await ask(models, bench, text="more")


@pytest.mark.parametrize(
    ("budgets", "sentence"),
    [
        (Budgets(issue=Budget(wall_s=50)), "the time at work reached 5. s of 50 s"),
        (Budgets(day=Budget(wall_s=50)), "the time at work of this day reached 5. s of 50 s"),
        (Budgets(stage=Budget(wall_s=20)), "the time at work of this stage reached 2. s of 20 s"),
    ],
    ids=["issue", "day", "stage"],
)
async def test_time_counts_while_the_run_is_at_work(bench: Bench, budgets: Budgets, sentence: str) -> None:
    for event, change in (
        (EventKind.RUN_ACCEPTED, Change(job=JobState.RUNNING, stage=Stage.SPEC)),
        (EventKind.STAGE_STARTED, Change(stage=Stage.LLD)),
    ):
        await bench.store.runs.transition(bench.fence, change, event=event, data={}, event_id=str(event))
    events = await bench.store.ledger.read(bench.fence.run_id)
    async with bench.store.db.connection() as conn:
        at = (await (await conn.execute("SELECT clock_timestamp() AS now")).fetchone() or {})["now"]
        times = {EventKind.RUN_QUEUED: -90, EventKind.RUN_ACCEPTED: -30, EventKind.STAGE_STARTED: 0}
        for told in events:
            moved = at + timedelta(seconds=times[told.kind])
            await conn.execute("UPDATE events SET at = %s WHERE seq = %s", (moved, told.seq))
    if at.hour == 0 and at.minute == 0:
        pytest.skip("the day began under way")
    clock = ManualClock(at)
    models = RecordedModels(ToyModels(hello), bench.store.exchanges, bench.fence, Purse(bench.store, clock, budgets))
    await ask(models, bench)
    await clock.advance(15)
    await ask(models, bench, text="more")
    await clock.advance(10)
    with pytest.raises(BudgetSpent, match=sentence):
        await ask(models, bench, text="still more")
