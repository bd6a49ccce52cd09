"""How fast we write: GitHub allows about 80 changes a minute and 500 an hour, and blocks an account that makes more."""

from collections import deque
from collections.abc import Sequence

from agentos.domain.error import OutsideError
from agentos.domain.failure import RETRY, FailureKind
from agentos.ports.clock import Clock

LIMITS = ((80, 60.0), (500, 3600.0))
"""So many changes in so many seconds, as GitHub's page about its limits has it."""


class Pace:
    """The changes of one account by this process, whoever makes them."""

    def __init__(self, clock: Clock, limits: Sequence[tuple[int, float]] = LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._times: deque[float] = deque(maxlen=max((number for number, _ in limits), default=0))

    async def turn(self, what: str) -> None:
        """Returns when one more change may be made. Raises: OutsideError TRANSIENT, with the wait, where that is long."""
        now = self._clock.monotonic_s()
        full = [self._times[-number] + seconds for number, seconds in self._limits if len(self._times) >= number]
        at = max([now, *full])
        if at - now > RETRY[FailureKind.TRANSIENT].most_s:
            raise OutsideError(
                f"GitHub takes {self._limits[-1][0]} changes an hour, and so many were made ({what}): "
                f"it goes on in {at - now:.0f} s",
                kind=FailureKind.TRANSIENT,
                retry_after_s=at - now,
            )
        self._times.append(at)  # taken before the wait, so that nobody else takes it meanwhile
        if at > now:
            await self._clock.sleep(at - now)
