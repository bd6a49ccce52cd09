"""A conversation of the agent is cached where a provider has to be asked for it, and nobody else hears of that."""

from contextlib import AsyncExitStack

import pytest
from langchain_core.messages import HumanMessage

from tests.models.clock import NotingClock
from tests.models.server import Step, playing
from tests.models.test_fallback import CALL, FIRST, SPARE, _models, _servers
from tests.models.test_wires import look, models_at
from tests.models.wires import WIRES, Wire

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("wire", [wire for wire in WIRES if not wire.streams_only], ids=lambda wire: wire.name)
async def test_a_conversation_with_tools_is_cached_where_that_has_to_be_asked_for(wire: Wire) -> None:
    async with playing(wire, [Step(), Step()], streamed=False) as provider:
        model = models_at(provider, NotingClock()).open(wire.model, CALL)
        await model.bind_tools([look]).ainvoke([HumanMessage("hi")])
        await model.ainvoke([HumanMessage("hi")])
    with_tools, without = ("cache_control" in str(asked) for asked in provider.asked)
    assert provider.fired == ["", ""]
    assert with_tools == (wire.provider == "anthropic")
    assert not without, "a single question is not asked again, so nothing is paid for keeping it"


async def test_the_model_that_stands_in_hears_nothing_of_it() -> None:
    async with AsyncExitStack() as stack:
        one, two = await _servers(stack, [Step("down")] * 5, [Step()])
        await _models(one, two).open(FIRST.model, CALL).bind_tools([look]).ainvoke([HumanMessage("hi")])
    assert (FIRST.provider, SPARE.provider) == ("anthropic", "openai")
    assert "cache_control" in str(one.asked[0])
    assert "cache_control" not in str(two.asked)
