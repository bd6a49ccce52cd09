"""A clock that moves only when told, so that a test can let days pass in no time."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta


class ManualClock:
    """A clock that stands still. Sleepers wake, earliest first, when `advance` passes their time."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._count = 0

    def now(self) -> datetime:
        """The start plus everything advanced so far."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic_s(self) -> float:
        """Seconds advanced so far."""
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        """Returns once the clock was advanced by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self._elapsed_s + seconds, self._count, woken))
        await woken.wait()

    @property
    def sleeping(self) -> int:
        """How many sleeps wait for `advance`."""
        return len(self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Effect: `seconds` pass; every sleeper whose time came ran up to its next wait, each at its own time."""
        if seconds < 0:
            raise ValueError(f"time only goes forward, not by {seconds} s")
        goal = self._elapsed_s + seconds
        while self._sleepers and self._sleepers[0][0] <= goal:
            due, _, woken = heapq.heappop(self._sleepers)
            self._elapsed_s = due
            woken.set()
            await _let_others_run()
        self._elapsed_s = goal
        await _let_others_run()


async def _let_others_run() -> None:
    # A woken task may hand on to another before it sleeps again; a few turns of the loop let such a chain settle.
    for _ in range(5):
        await asyncio.sleep(0)
