"""What a request weighs at GitHub: points, of which an account has so many a minute (its page on secondary limits)."""

from agentos.domain.requests import Requests

CHANGE_POINTS = 5


def counted(*, changes: bool, status: int | None) -> Requests:
    """One request that was sent. `status`: of its answer, None where that was lost. What did not change since it was asked
    for last is free; a query weighs at least one point, and tells how much more."""
    unchanged = status == 304
    return Requests(1, int(unchanged), int(changes), 0 if unchanged else CHANGE_POINTS if changes else 1)
