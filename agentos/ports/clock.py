"""Time, so that tests can jump it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time of this process; leases and timers use the database's time instead."""

    def now(self) -> datetime:
        """The time, aware, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from some fixed point, never going back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds`."""
        ...
