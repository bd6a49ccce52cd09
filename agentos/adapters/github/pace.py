"""How fast we write: GitHub allows about 80 changes a minute and 500 an hour, and blocks an account that makes more.

What a person waits for goes first: of each limit, a share is kept from pictures of the work, which may be a little late.
"""

from collections import deque
from collections.abc import Sequence

from agentos.domain.error import Crowded, OutsideError
from agentos.domain.failure import RETRY, FailureKind
from agentos.ports.clock import Clock

LIMITS = ((80, 60.0), (500, 3600.0))
"""So many changes in so many seconds, as GitHub's page about its limits has it."""
KEPT = 5
"""One change in so many of each limit is kept from pictures."""


class Pace:
    """The changes of one account by this process, whoever makes them."""

    def __init__(self, clock: Clock, limits: Sequence[tuple[int, float]] = LIMITS) -> None:
        self._clock = clock
        self._limits = limits
        self._times: deque[float] = deque(maxlen=max((number for number, _ in limits), default=0))

    async def turn(self, what: str, *, picture: bool = False) -> None:
        """Returns when one more change may be made, and counts it. Raises: OutsideError TRANSIENT, with the wait, where that
        is long; `Crowded` for a `picture`.

        Nothing is set aside for whoever waits, so no picture that does is in the way of anything else.
        """
        until = self._clock.monotonic_s() + RETRY[FailureKind.TRANSIENT].most_s
        while (at := self._free_at(picture=picture)) > (now := self._clock.monotonic_s()):
            if at > until:
                raise self._refused(what, at - now, picture=picture)
            await self._clock.sleep(at - now)
        self._times.append(now)

    def _free_at(self, *, picture: bool) -> float:
        """When there is room for one more in every limit; a time that is over where there is room now."""
        allowed = [(number - number // KEPT if picture else number, seconds) for number, seconds in self._limits]
        return max((self._times[-n] + seconds for n, seconds in allowed if len(self._times) >= n), default=0.0)

    def _refused(self, what: str, wait_s: float, *, picture: bool) -> OutsideError:
        most = self._limits[-1][0]
        if picture:
            return Crowded(
                f"of the {most} changes an hour that GitHub takes, {most // KEPT} are kept for what people wait for, and the "
                f"others were made ({what}): there is room again in {wait_s:.0f} s",
                retry_after_s=wait_s,
            )
        return OutsideError(
            f"GitHub takes {most} changes an hour, and so many were made ({what}): it goes on in {wait_s:.0f} s",
            kind=FailureKind.TRANSIENT,
            retry_after_s=wait_s,
        )
