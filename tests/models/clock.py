"""A clock that nobody waits for."""

import asyncio
from datetime import UTC, datetime


class NotingClock:
    """Notes how long it was asked to wait, and goes on at once."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return sum(self.waits)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)
