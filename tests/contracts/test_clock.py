"""What every clock promises."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.clock.system import SystemClock
from agentos.adapters.registry import BACKENDS
from agentos.ports.clock import Clock

CLOCKS: dict[str, type[Clock]] = {"system": SystemClock, "manual": ManualClock}


def test_every_registered_clock_is_held_to_the_contract() -> None:
    assert set(CLOCKS) == set(BACKENDS["clock"])


@pytest.fixture(params=CLOCKS)
def clock(request: pytest.FixtureRequest) -> Clock:
    return CLOCKS[request.param]()


async def passing(clock: Clock, seconds: float) -> None:
    """Lets `seconds` pass on either clock."""
    if isinstance(clock, ManualClock):
        await clock.advance(seconds)
    else:
        await clock.sleep(seconds)


async def test_now_is_aware_and_utc(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta(0)


async def test_a_sleeper_wakes_after_its_time(clock: Clock) -> None:
    start = clock.monotonic_s()
    sleeper = asyncio.create_task(clock.sleep(0.02))
    await asyncio.sleep(0)
    await passing(clock, 0.02)
    await sleeper
    assert clock.monotonic_s() - start >= 0.019


async def test_sleeping_for_nothing_returns_at_once(clock: Clock) -> None:
    async with asyncio.timeout(5):
        await clock.sleep(0)
        await clock.sleep(-1)


async def test_the_manual_clock_wakes_sleepers_in_order_each_at_its_time() -> None:
    clock, woken = ManualClock(datetime(2026, 5, 1, tzinfo=UTC)), list[tuple[str, float]]()

    async def nap(name: str, seconds: float, then: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic_s()))
        await clock.sleep(then)
        woken.append((name, clock.monotonic_s()))

    async with asyncio.TaskGroup() as group:
        group.create_task(nap("a", 30, 30))
        group.create_task(nap("b", 10, 100))
        await asyncio.sleep(0)
        await clock.advance(60)
        assert woken == [("b", 10), ("a", 30), ("a", 60)]
        assert clock.sleeping == 1
        assert clock.now() == datetime(2026, 5, 1, 0, 1, tzinfo=UTC)
        await clock.advance(50)
    assert woken[-1] == ("b", 110)
