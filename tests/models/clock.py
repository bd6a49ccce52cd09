"""A clock that nobody waits for."""

import asyncio
from datetime import UTC, datetime, timedelta


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


class SkippingClock(NotingClock):
    """As `NotingClock`, and the time it was asked to wait has passed."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.monotonic_s())
