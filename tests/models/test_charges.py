"""What is charged where a provider does not say what a call took, or where tries broke under way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agentos.adapters.model.langchain import LangChainModels
from agentos.config.budgets import PriceSettings
from agentos.config.settings import ModelsSettings
from agentos.domain.budget import Spend
from agentos.domain.error import OutsideError
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef, Tokens
from agentos.workflows.kit.recorded_model import cost_of, worst_case
from tests.models.clock import NotingClock
from tests.models.server import Step, playing
from tests.models.wires import IN, OPENAI_CHAT, OUT, Told

pytestmark = pytest.mark.slow
CALL = CallRef(run_id=1, task_id="task", stage=Stage.LLD, role="drafter", round=1)
WORST = Spend(1, 1000, 500, 9.0)
REAL = Spend(1, IN, OUT, float(IN + OUT))
MODEL = OPENAI_CHAT.model


DOLLARS = PriceSettings(input_usd=1e6, output_usd=1e6)


def models_at(url: str, timeout_s: float = 20, *, price: PriceSettings = DOLLARS) -> LangChainModels:
    settings = ModelsSettings(base_url={"openai": url}, timeout_s=timeout_s, prices={MODEL: price})
    return LangChainModels(
        settings=settings, clock=NotingClock(), environment={"OPENAI_API_KEY": "the-key"}, jitter=lambda: 1.0
    )


async def charged(*steps: Step, usage: Mapping[str, Any] | None = None) -> Spend:
    """What a call that is played by `steps` is charged; `usage`: what the provider says it took."""

    def whole(told: Told) -> dict[str, Any]:
        said = OPENAI_CHAT.whole(told)
        return said if usage is None else {**said, "usage": dict(usage) or None}

    async with playing(replace(OPENAI_CHAT, whole=whole), steps, streamed=False) as provider:
        models = models_at(provider.url, timeout_s=0.5)
        answer = await models.open(MODEL, CALL).ainvoke("hi")
    assert isinstance(answer, AIMessage)
    return cost_of(answer, models, MODEL, WORST)


async def test_what_the_provider_says_it_took_is_charged_at_its_price() -> None:
    assert await charged(Step()) == REAL


async def test_what_came_from_the_cache_costs_less_and_what_went_there_more() -> None:
    dear = PriceSettings(input_usd=10e6, output_usd=1e6, cache_read_usd=1e6, cache_write_usd=20e6)
    models = LangChainModels(settings=ModelsSettings(prices={MODEL: dear}), clock=NotingClock())
    for details, usd in (
        ({}, 100 + 3),
        ({"cache_read": 4}, 60 + 4 + 3),
        ({"cache_read": 4, "cache_creation": 5}, 10 + 4 + 100 + 3),
        ({"cache_read": 4, "cache_creation": 0, "ephemeral_5m_input_tokens": 5}, 10 + 4 + 100 + 3),
        ({"cache_read": 99, "cache_creation": 99}, 10 + 3),
    ):
        usage = {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13, "input_token_details": details}
        answer = AIMessage("hello", usage_metadata=usage)
        assert cost_of(answer, models, MODEL, WORST) == Spend(1, 10, 3, usd)
    published = LangChainModels(settings=ModelsSettings(), clock=NotingClock())
    plain, read, written = (
        published.cost_usd("anthropic:claude-opus-4-5", Tokens(1000, 0, read, written))
        for read, written in ((0, 0), (1000, 0), (0, 1000))
    )
    assert plain is not None
    assert [read, written] == pytest.approx([plain / 10, plain * 1.25])


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 9, "total_tokens": 9},
    ],
    ids=["no usage", "all 0", "0 tokens in"],
)
async def test_use_that_is_not_told_is_charged_at_its_worst_and_0_tokens_in_is_not_told(usage: dict[str, int]) -> None:
    assert await charged(Step(), usage=usage) == WORST


@pytest.mark.parametrize(
    ("faults", "unanswered"),
    [(["cut"], 1), (["garbled", "silent"], 2), (["down"], 0), (["busy"], 0), (["down", "cut", "busy"], 1)],
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
async def test_a_try_that_broke_under_way_is_charged_at_its_worst_and_a_refused_one_is_not(
    faults: list[str], unanswered: int
) -> None:
    assert await charged(*map(Step, faults), Step()) == REAL + WORST.times(unanswered)


@pytest.mark.parametrize(("fault", "unanswered"), [("silent", 5), ("down", 0), ("key", 0)])
async def test_a_call_that_fails_for_good_says_how_many_tries_may_be_on_the_bill(fault: str, unanswered: int) -> None:
    async with playing(OPENAI_CHAT, [Step(fault)] * 5, streamed=False) as provider:
        with pytest.raises(OutsideError) as caught:
            await models_at(provider.url, timeout_s=0.2).open(MODEL, CALL).ainvoke("hi")
    assert caught.value.unanswered == unanswered


async def test_a_provider_that_was_never_reached_charges_nothing() -> None:
    async with playing(OPENAI_CHAT, [], streamed=False) as gone:
        url = gone.url
    with pytest.raises(OutsideError) as caught:
        await models_at(url).open(MODEL, CALL).ainvoke("hi")
    assert caught.value.unanswered == 0


def test_the_worst_case_is_every_character_a_token_and_the_longest_answer_at_the_dearest_who_may_answer() -> None:
    dear, spare = PriceSettings(input_usd=2_000_000, output_usd=3_000_000), "openai:spare"
    models = models_at("http://127.0.0.1:1")
    assert worst_case(models, MODEL, {"max_output_tokens": 10}, 100) == Spend(1, 100, 10, 110.0)
    assert worst_case(models, MODEL, {"max_input_tokens": 40, "max_output_tokens": 10}, 100) == Spend(1, 40, 10, 50.0)
    assert worst_case(models, MODEL, None, 100).output_tokens == 64_000
    cached = models_at("http://127.0.0.1:1", price=PriceSettings(input_usd=1e6, output_usd=1e6, cache_write_usd=2e6))
    assert worst_case(cached, MODEL, {"max_output_tokens": 10}, 100).usd == 210.0
    standing = LangChainModels(
        settings=ModelsSettings(
            fallback={MODEL: spare}, prices={MODEL: PriceSettings(input_usd=1, output_usd=1), spare: dear}
        ),
        clock=NotingClock(),
    )
    assert worst_case(standing, MODEL, {"max_output_tokens": 10}, 100).usd == 230.0
    unknown = LangChainModels(settings=ModelsSettings(fallback={MODEL: "openai:nobody-knows"}), clock=NotingClock())
    assert worst_case(unknown, MODEL, None, 100).usd is None
