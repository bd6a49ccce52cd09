"""A machine whose clock is set two days forward, and back again, each time it is looked at."""

from datetime import UTC, datetime, timedelta
from itertools import cycle

from agentos.adapters.clock.system import SystemClock

_days = cycle((0, 2))
SystemClock.now = lambda self: datetime.now(UTC) + timedelta(days=next(_days))  # type: ignore[method-assign]
