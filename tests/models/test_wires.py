"""Every provider over its own wire: what it answers, what goes wrong there, and what becomes of it."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from agentos.adapters.model.langchain import KEYS, LangChainModels
from agentos.config.settings import ModelsSettings
from agentos.domain.error import OutsideError, TooLong
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef
from tests.models.clock import NotingClock
from tests.models.server import Provider, Step, playing
from tests.models.wires import COMPATIBLE, IN, OUT, WIRES, Told, Wire

pytestmark = [pytest.mark.slow, pytest.mark.figure("model wire cells")]
CALL = CallRef(run_id=1, task_id="task", stage=Stage.LLD, role="drafter", round=1)


class Verdict(BaseModel):
    """A judgement."""

    approve: bool
    reason: str


@dataclass(frozen=True)
class Way:
    """One provider, its answers whole or in pieces."""

    wire: Wire
    streamed: bool

    def __str__(self) -> str:
        return f"{self.wire.name} {'streamed' if self.streamed else 'whole'}"


WAYS = [Way(wire, streamed) for wire in WIRES for streamed in (False, True) if streamed or not wire.streams_only]
STREAMS = [way for way in WAYS if way.streamed]
by_way = pytest.mark.parametrize("way", WAYS, ids=str)


def models_at(provider: Provider, clock: NotingClock, *, timeout_s: float = 20) -> LangChainModels:
    name = provider.wire.provider
    return LangChainModels(
        settings=ModelsSettings(base_url={name: provider.url}, timeout_s=timeout_s, streaming=provider.streamed),
        clock=clock,
        environment={key: "the-key" for key in KEYS[name][:1] if provider.wire is not COMPATIBLE},
        jitter=lambda: 1.0,
    )


def look(path: str) -> str:
    """Look at a file."""
    return path


@by_way
async def test_a_text_arrives_with_what_it_took(way: Way) -> None:
    async with playing(way.wire, [Step()], streamed=way.streamed) as provider:
        answer = await models_at(provider, NotingClock()).open(way.wire.model, CALL).ainvoke("hi")
    assert (answer.text, provider.fired) == ("hello", [""])
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (IN, OUT)


@by_way
async def test_a_tool_is_offered_and_its_call_arrives(way: Way) -> None:
    step = Step(told=Told(tool="look", args='{"path": "a/b.py"}'))
    async with playing(way.wire, [step], streamed=way.streamed) as provider:
        model = models_at(provider, NotingClock()).open(way.wire.model, CALL)
        answer = await model.bind_tools([look]).ainvoke("hi")
    assert provider.fired == [""]
    assert "Look at a file." in json.dumps(provider.asked)
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("look", {"path": "a/b.py"})]
    assert answer.tool_calls[0]["id"]


@by_way
async def test_a_schema_is_sent_and_the_answer_is_read_by_it(way: Way) -> None:
    text = '{"approve": true, "reason": "ok"}'
    told = Told(tool="Verdict", args=text) if way.wire.schema_by_tool else Told(text=text)
    async with playing(way.wire, [Step(told=told)], streamed=way.streamed) as provider:
        model = models_at(provider, NotingClock()).open(way.wire.model, CALL)
        answer: Any = await model.with_structured_output(Verdict, include_raw=True).ainvoke("hi")
    assert provider.fired == [""]
    assert "approve" in json.dumps(provider.asked)
    assert answer["parsed"] == Verdict(approve=True, reason="ok")
    assert isinstance(answer["raw"], AIMessage)
    assert answer["raw"].usage_metadata is not None


PASSING = [
    # fault, seconds waited before the second try
    ("busy", 7.0),
    ("down", 2.0),
    ("cut", 2.0),
    ("garbled", 2.0),
]


@pytest.mark.parametrize(("fault", "waited"), PASSING)
@by_way
async def test_what_passes_is_asked_again(way: Way, fault: str, waited: float) -> None:
    await _asked_again(way, fault, waited)


@pytest.mark.parametrize("fault", ["ended", "late"])
@pytest.mark.parametrize("way", STREAMS, ids=str)
async def test_a_stream_that_ends_too_soon_or_in_an_error_is_asked_for_again(way: Way, fault: str) -> None:
    await _asked_again(way, fault, 2.0)


async def _asked_again(way: Way, fault: str, waited: float) -> None:
    clock = NotingClock()
    async with playing(way.wire, [Step(fault), Step()], streamed=way.streamed) as provider:
        answer = await models_at(provider, clock).open(way.wire.model, CALL).ainvoke("hi")
    assert (answer.text, provider.fired, clock.waits) == ("hello", [fault, ""], [waited])


@by_way
async def test_a_silent_provider_is_given_up_and_asked_again(way: Way) -> None:
    clock = NotingClock()
    async with playing(way.wire, [Step("silent"), Step()], streamed=way.streamed) as provider:
        answer = await models_at(provider, clock, timeout_s=0.5).open(way.wire.model, CALL).ainvoke("hi")
    assert (answer.text, provider.fired, clock.waits) == ("hello", ["silent", ""], [2.0])


@by_way
async def test_a_provider_that_stays_down_parks_the_run_after_five_tries(way: Way) -> None:
    refused, provider, clock = await _refused(way, *[Step("down")] * 5)
    assert (refused.kind, provider.fired, clock.waits) == (FailureKind.CAPACITY, ["down"] * 5, [2.0, 4.0, 8.0, 16.0])
    assert way.wire.model in str(refused)


FOR_GOOD = [
    ("overflow", FailureKind.INVALID, "too long"),
    ("key", FailureKind.DENIED, "check the key"),
]


@pytest.mark.parametrize(("fault", "kind", "words"), FOR_GOOD)
@by_way
async def test_what_no_repeat_can_mend_is_asked_once(way: Way, fault: str, kind: FailureKind, words: str) -> None:
    refused, provider, clock = await _refused(way, Step(fault))
    assert (refused.kind, provider.fired, clock.waits) == (kind, [fault], [])
    assert way.wire.model in str(refused)
    assert words in str(refused)
    assert isinstance(refused, TooLong) == (fault == "overflow"), (
        "whoever can shorten the conversation knows it by that"
    )


async def _refused(way: Way, *steps: Step) -> tuple[OutsideError, Provider, NotingClock]:
    clock = NotingClock()
    async with playing(way.wire, steps, streamed=way.streamed) as provider:
        with pytest.raises(OutsideError) as caught:
            await models_at(provider, clock).open(way.wire.model, CALL).ainvoke("hi")
    return caught.value, provider, clock
