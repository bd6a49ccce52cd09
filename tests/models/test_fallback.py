"""The model that is asked where another one is out of reach."""

from contextlib import AsyncExitStack

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from agentos.adapters.model.langchain import LangChainModels
from agentos.config.budgets import PriceSettings
from agentos.config.settings import ModelsSettings
from agentos.domain.budget import Spend
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef
from agentos.prompting.passing_model import answered_by
from agentos.workflows.kit.recorded_model import cost_of
from tests.models.clock import NotingClock
from tests.models.server import Provider, Step, playing
from tests.models.wires import ANTHROPIC, IN, OPENAI_CHAT, OUT

pytestmark = pytest.mark.slow
CALL = CallRef(run_id=1, task_id="task", stage=Stage.LLD, role="drafter", round=1)
FIRST, SPARE = ANTHROPIC, OPENAI_CHAT
KEYS = {"ANTHROPIC_API_KEY": "the-key", "OPENAI_API_KEY": "the-key"}
TALK = [
    HumanMessage("hi"),
    AIMessage(
        [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "so"}],
        tool_calls=[{"name": "look", "args": {"path": "a"}, "id": "toolu_1"}],
    ),
    ToolMessage("seen", tool_call_id="toolu_1"),
]


async def _servers(stack: AsyncExitStack, first: list[Step], spare: list[Step]) -> tuple[Provider, Provider]:
    one = await stack.enter_async_context(playing(FIRST, first, streamed=False))
    return one, await stack.enter_async_context(playing(SPARE, spare, streamed=False))


def _models(one: Provider, two: Provider) -> LangChainModels:
    settings = ModelsSettings(
        base_url={"anthropic": one.url, "openai": two.url},
        fallback={FIRST.model: SPARE.model},
        prices={SPARE.model: PriceSettings(input_usd=1_000_000, output_usd=2_000_000)},
    )
    return LangChainModels(settings=settings, clock=NotingClock(), environment=KEYS, jitter=lambda: 1.0)


async def test_a_model_that_stays_down_is_stood_in_for_to_the_end_of_the_conversation_at_the_others_price() -> None:
    async with AsyncExitStack() as stack:
        one, two = await _servers(stack, [Step("down")] * 5, [Step(), Step()])
        models = _models(one, two)
        model = models.open(FIRST.model, CALL)
        answer = await model.ainvoke(TALK)
        again = await model.ainvoke([*TALK, answer, HumanMessage("and?")])
    assert (one.fired, two.fired, again.text) == (["down"] * 5, ["", ""], "hello")
    spend = cost_of(answer, models, FIRST.model, Spend(1, 7, 7, 7.0))
    assert (answered_by(answer, FIRST.model), spend) == (SPARE.model, Spend(1, IN, OUT, IN + 2 * OUT))
    told = two.asked[0]["messages"][1]
    assert (told["content"], told["tool_calls"][0]["function"]["name"]) == ("so", "look")
    assert "signature" not in str(two.asked)


@pytest.mark.parametrize("fault", ["overflow", "key"])
async def test_a_refusal_that_is_no_outage_is_not_passed_on(fault: str) -> None:
    async with AsyncExitStack() as stack:
        one, two = await _servers(stack, [Step(fault)], [])
        with pytest.raises(OutsideError):
            await _models(one, two).open(FIRST.model, CALL).ainvoke("hi")
    assert (one.fired, two.asked) == ([fault], [])


async def test_with_both_down_the_run_is_parked() -> None:
    async with AsyncExitStack() as stack:
        one, two = await _servers(stack, [Step("down")] * 5, [Step("down")] * 5)
        with pytest.raises(OutsideError, match=SPARE.model) as caught:
            await _models(one, two).open(FIRST.model, CALL).ainvoke("hi")
    assert (caught.value.kind, one.fired, two.fired) == (FailureKind.CAPACITY, ["down"] * 5, ["down"] * 5)


def test_a_fallback_without_a_key_is_said_before_the_run() -> None:
    settings = ModelsSettings(fallback={FIRST.model: SPARE.model})
    models = LangChainModels(settings=settings, clock=NotingClock(), environment={"ANTHROPIC_API_KEY": "k"})
    with pytest.raises(UsageError, match="OPENAI_API_KEY"):
        models.require(FIRST.model)
