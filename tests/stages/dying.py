"""Runs whose process dies at each of their calls outside, and that are taken up again each time."""

import asyncio
from dataclasses import replace
from typing import Any

from agentos.workflows.kit.stage import Compiled
from agentos.workflows.kit.state import RunState
from tests.stages.delivery import Delivery, Thread

MOST_CALLS = 11
"""No step makes so many calls outside that it could not end before dying: two ends each of five calls."""


class Died(Exception):
    """The process ended here."""


class _Mortal:
    """A port whose process dies at one call: before it takes effect, or after."""

    def __init__(self, port: Any, lives: list[int]) -> None:
        self._port, self._lives = port, lives

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            self._die()
            result = await found(*args, **named)
            self._die()
            return result

        return call

    def _die(self) -> None:
        self._lives[0] -= 1
        if self._lives[0] == 0:
            raise Died


async def dying_all_the_way(made: Delivery, graph: Compiled, given: Any, *, visit: int = 1) -> RunState:
    """The state in the end of one run that dies at its first call, is taken up, dies at the second call from there, and so on."""
    deaths, state = 0, RunState()
    while not state:
        try:
            state = await Thread(_mortal(made, [1 + deaths % MOST_CALLS]), graph, visit=visit).go(given)
        except Died:
            deaths, given = deaths + 1, None
    assert deaths > MOST_CALLS
    return state


def _mortal(made: Delivery, lives: list[int]) -> Delivery:
    ports = made.stand.ctx.ports
    dying = replace(
        ports,
        forge=_Mortal(ports.forge, lives),
        tracker=_Mortal(ports.tracker, lives),
        deployer=_Mortal(ports.deployer, lives),
    )
    return replace(made, stand=replace(made.stand, ctx=replace(made.stand.ctx, ports=dying)))
