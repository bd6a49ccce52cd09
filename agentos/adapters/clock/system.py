"""The clock of this computer."""

import asyncio
import time
from datetime import UTC, datetime


class SystemClock:
    """The time as the operating system tells it."""

    def now(self) -> datetime:
        """The time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        """Seconds from some fixed point, never going back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds`; at once, giving others their turn, where that is not more than 0."""
        await asyncio.sleep(max(0.0, seconds))
