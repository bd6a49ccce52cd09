"""Why something failed, who retries it, and how long to wait first (DESIGN §4, the table of owners)."""

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """What went wrong, as far as the decision to retry is concerned."""

    TRANSIENT = "transient"  # time-out, 5xx, rate limit: the adapter already retried
    CAPACITY = "capacity"  # provider down or quota gone: park the run until a time
    CRASH = "crash"  # an agent or a worker died
    DENIED = "denied"  # credentials or rights are missing
    GONE = "gone"  # the thing does not exist any more
    CONFLICT = "conflict"  # somebody else changed it first
    INVALID = "invalid"  # the other side refuses what we sent
    PERMANENT = "permanent"  # the world said no, for good


PASSING = frozenset({FailureKind.TRANSIENT, FailureKind.CAPACITY})
"""What goes by, so that the same may be asked again later."""


class Owner(StrEnum):
    """The one layer that retries a failure kind; nobody else may (I12)."""

    ADAPTER = "adapter"
    STEP = "step"
    RUN = "run"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often its owner tries again: `limit` tries in all, waits doubling from `first_s` to `most_s`."""

    owner: Owner
    limit: int
    first_s: float = 0.0
    most_s: float = 0.0


RETRY: dict[FailureKind, RetryRule] = {
    FailureKind.TRANSIENT: RetryRule(Owner.ADAPTER, limit=5, first_s=2.0, most_s=60.0),
    FailureKind.CAPACITY: RetryRule(Owner.RUN, limit=6, first_s=60.0, most_s=3600.0),
    FailureKind.CRASH: RetryRule(Owner.STEP, limit=2),
    FailureKind.DENIED: RetryRule(Owner.NOBODY, limit=1),
    FailureKind.GONE: RetryRule(Owner.NOBODY, limit=1),
    FailureKind.CONFLICT: RetryRule(Owner.NOBODY, limit=1),
    FailureKind.INVALID: RetryRule(Owner.NOBODY, limit=1),
    FailureKind.PERMANENT: RetryRule(Owner.NOBODY, limit=1),
}
WORKER_DEATHS = 3
"""How often one run is taken over from a dead worker before it blocks."""


def backoff_s(tries: int, *, first_s: float = 2.0, most_s: float = 60.0) -> float:
    """Seconds to wait after `tries` failed tries (counted from 1): doubles from `first_s`, stays at `most_s`.

    No jitter, so that tests are exact; adapters add it.
    """
    if tries < 1:
        raise ValueError(f"tries must be at least 1, not {tries}")
    return min(most_s, first_s * 2.0 ** min(tries - 1, 60))
