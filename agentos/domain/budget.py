"""What a run has used and what it may use."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agentos.domain.error import UsageError
from agentos.domain.event import Event, EventKind

AT_WORK = frozenset({EventKind.RUN_ACCEPTED, EventKind.RUN_RESUMED})
AT_REST = frozenset(
    {
        EventKind.RUN_WAITING,
        EventKind.RUN_BLOCKED,
        EventKind.RUN_PAUSED,
        EventKind.RUN_PARKED,
        EventKind.RUN_ENDED,
    }
)


@dataclass(frozen=True, slots=True)
class Spend:
    """Use of models so far. `usd` is None where a price is unknown, never 0 by mistake."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: "Spend") -> "Spend":
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Spend(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            usd,
        )


@dataclass(frozen=True, slots=True)
class Budget:
    """Ceilings of one run; None means no ceiling of that kind."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None
    wall_s: float | None = None


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A ceiling that was reached: the sentence for people, and the setting (`budget.usd=10`) with which work goes on."""

    sentence: str
    raised: str


class BudgetSpent(UsageError):
    """The run reached `ceiling`: nothing more is paid for until a person raises it."""

    def __init__(self, ceiling: Ceiling) -> None:
        super().__init__(ceiling.sentence)
        self.ceiling = ceiling


def reached(budget: Budget, spend: Spend, *, elapsed_s: float) -> Ceiling | None:
    """The first ceiling that `spend` or `elapsed_s` reached; None while all hold."""
    tokens = spend.input_tokens + spend.output_tokens
    if budget.usd is not None and spend.usd is None:
        sentence = "the cost of a model call is unknown, so the money ceiling cannot be kept"
        return Ceiling(sentence, "budget.usd=none")
    if budget.usd is not None and spend.usd is not None and spend.usd >= budget.usd:
        more = math.ceil(200 * max(spend.usd, budget.usd)) / 100
        return Ceiling(f"the cost reached ${spend.usd:.2f} of ${budget.usd:.2f}", f"budget.usd={more:.2f}")
    if budget.tokens is not None and tokens >= budget.tokens:
        return Ceiling(f"the tokens reached {tokens} of {budget.tokens}", f"budget.tokens={2 * tokens}")
    if budget.calls is not None and spend.calls >= budget.calls:
        return Ceiling(f"the model calls reached {spend.calls} of {budget.calls}", f"budget.calls={2 * spend.calls}")
    if budget.wall_s is not None and elapsed_s >= budget.wall_s:
        more_s = math.ceil(2 * elapsed_s)
        return Ceiling(
            f"the time at work reached {elapsed_s:.0f} s of {budget.wall_s:.0f} s", f"budget.wall_s={more_s}"
        )
    return None


def worked_s(events: Iterable[Event], now: datetime) -> float:
    """The seconds a run was at work by its `events`, oldest first: waiting for people or for a time does not count.

    Of a process that died without a word, the time up to its last event counts.
    """
    total, since, last = 0.0, None, None
    for event in events:
        at = datetime.fromisoformat(event.at)
        if event.kind in AT_WORK:
            if since is not None and last is not None:
                total += (last - since).total_seconds()
            since = at
        elif event.kind in AT_REST and since is not None:
            total, since = total + (at - since).total_seconds(), None
        last = at
    return total if since is None else total + max(0.0, (now - since).total_seconds())
