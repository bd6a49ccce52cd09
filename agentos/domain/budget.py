"""What work has used and what it may use."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from agentos.domain.error import UsageError
from agentos.domain.event import Event, EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage

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
FIRST_TOKENS = 1_000_000
"""The least token ceiling that is proposed where money cannot be counted."""


class Scope(StrEnum):
    """What a ceiling is about: all runs of the issue, the present stage in all of them, or all work of this day (UTC)."""

    ISSUE = "issue"
    STAGE = "stage"
    DAY = "day"


_OF = {Scope.ISSUE: "", Scope.STAGE: " of this stage", Scope.DAY: " of this day"}
_NEXT_DAY = "retry does where the configuration raises it, and once the day is over (midnight UTC)"
_SETTING = {Scope.ISSUE: "budget", Scope.STAGE: "budget.stage", Scope.DAY: "budget.day"}


@dataclass(frozen=True, slots=True)
class Spend:
    """Use of models so far. `usd` is None where a price is unknown, never 0 by mistake."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "Spend") -> "Spend":
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Spend(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            usd,
        )

    def times(self, number: int) -> "Spend":
        """So many of it."""
        usd = None if self.usd is None else self.usd * number
        return Spend(self.calls * number, self.input_tokens * number, self.output_tokens * number, usd)


@dataclass(frozen=True, slots=True)
class Costs:
    """What models cost, altogether and by part. `unsettled` is how much of it is only reserved: calls that are under way, or
    whose answer was lost. Days are dates in UTC, stages in the order of the pipeline."""

    total: Spend
    unsettled: Spend
    by_issue: Mapping[IssueRef, Spend]
    by_stage: Mapping[str, Spend]
    by_model: Mapping[str, Spend]
    by_day: Mapping[str, Spend]


@dataclass(frozen=True, slots=True)
class Used:
    """What counts against the ceilings of a scope: a call that is under way, or whose answer was lost, at its worst case.

    `usd` is the sum of the prices that are known, `unpriced` the number of calls without one.
    """

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Ceilings of one scope; None means no ceiling of that kind."""

    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None
    wall_s: float | None = None


@dataclass(frozen=True, slots=True)
class Budgets:
    """All ceilings of a run. `call`: what one call may come to at its worst; only its `usd` and `tokens` count."""

    issue: Budget = Budget()
    stage: Budget = Budget()
    day: Budget = Budget()
    call: Budget = Budget()

    def of(self, scope: Scope) -> Budget:
        """The ceilings of `scope`."""
        return {Scope.ISSUE: self.issue, Scope.STAGE: self.stage, Scope.DAY: self.day}[scope]

    @property
    def hold(self) -> bool:
        """Whether there is any ceiling for which use has to be counted."""
        return any(self.of(scope) != Budget() for scope in Scope)

    @property
    def hold_time(self) -> bool:
        """Whether there is any ceiling of time."""
        return any(self.of(scope).wall_s is not None for scope in Scope)

    @property
    def hold_tokens(self) -> bool:
        """Whether tokens are bounded, which also bounds the use of a model whose price is unknown."""
        return any(self.of(scope).tokens is not None for scope in Scope)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A ceiling that was reached: the sentence for people, the setting (`budget.usd=10`) with which work goes on, and what
    else lets it go on."""

    sentence: str
    raised: str
    otherwise: str = "retry does where the configuration raises it"


class BudgetSpent(UsageError):
    """The run reached `ceiling`: nothing more is paid for until a person raises it."""

    def __init__(self, ceiling: Ceiling) -> None:
        super().__init__(ceiling.sentence)
        self.ceiling = ceiling


def reached(budgets: Budgets, used: Mapping[Scope, Used]) -> Ceiling | None:
    """The first ceiling that what was used before reached; None while all hold."""
    for scope in Scope:
        found = _reached(scope, budgets, used.get(scope, Used()))
        if found is not None:
            return replace(found, otherwise=_NEXT_DAY) if scope is Scope.DAY else found
    return None


def _reached(scope: Scope, budgets: Budgets, used: Used) -> Ceiling | None:
    budget, of, setting = budgets.of(scope), _OF[scope], _SETTING[scope]
    if budget.usd is not None and used.unpriced and not budgets.hold_tokens:
        sentence = f"the cost of a model call{of} is unknown, so the money ceiling cannot be kept"
        return Ceiling(sentence, f"{setting}.tokens={max(2 * used.tokens, FIRST_TOKENS)}")
    if budget.usd is not None and used.usd >= budget.usd:
        sentence = f"the cost{of} reached ${used.usd:.2f} of ${budget.usd:.2f}"
        return Ceiling(sentence, f"{setting}.usd={_cents(2 * used.usd):.2f}")
    if budget.tokens is not None and used.tokens >= budget.tokens:
        sentence = f"the tokens{of} reached {used.tokens} of {budget.tokens}"
        return Ceiling(sentence, f"{setting}.tokens={2 * used.tokens}")
    if budget.calls is not None and used.calls >= budget.calls:
        sentence = f"the model calls{of} reached {used.calls} of {budget.calls}"
        return Ceiling(sentence, f"{setting}.calls={2 * used.calls}")
    if budget.wall_s is not None and used.elapsed_s >= budget.wall_s:
        sentence = f"the time at work{of} reached {used.elapsed_s:.0f} s of {budget.wall_s:.0f} s"
        return Ceiling(sentence, f"{setting}.wall_s={math.ceil(2 * used.elapsed_s)}")
    return None


def refused(budgets: Budgets, model: str, worst: Spend) -> Ceiling | None:
    """Why a call of `model` that may come to `worst` is not made, whatever was used before; None where it may be."""
    if worst.usd is None and not budgets.hold_tokens:
        return Ceiling(unpriced(model), f"budget.tokens={FIRST_TOKENS}")
    call = budgets.call
    if call.usd is not None and worst.usd is not None and worst.usd > call.usd:
        sentence = f"a call of {model} could cost ${worst.usd:.2f}, and one call may cost ${call.usd:.2f}"
        return Ceiling(sentence, f"budget.call.usd={_cents(worst.usd):.2f}")
    if call.tokens is not None and worst.tokens > call.tokens:
        sentence = f"a call of {model} could take {worst.tokens} tokens, and one call may take {call.tokens}"
        return Ceiling(sentence, f"budget.call.tokens={worst.tokens}")
    return None


def unpriced(model: str) -> str:
    """The sentence for a model that no budget can count."""
    return (
        f"the price of {model} is unknown, and unknown is not free: say it under models.prices (0 where it costs "
        "nothing), or bound its use with budget.tokens"
    )


def _cents(usd: float) -> float:
    return math.ceil(100 * usd) / 100


def worked_s(
    events: Iterable[Event], now: datetime, *, stage: Stage | None = None, since: datetime | None = None
) -> float:
    """The seconds a run was at work by its `events`, oldest first: waiting for people or for a time does not count.

    `stage`: only in that stage; `since`: only from then on. Of a process that died without a word, the time up to its
    last event counts.
    """

    def counted_s(last: Event, end: datetime) -> float:
        start = datetime.fromisoformat(last.at)
        start = start if since is None else max(start, since)
        return max(0.0, (end - start).total_seconds()) if stage in (None, last.stage) else 0.0

    total, last, is_at_work = 0.0, None, False
    for event in events:
        if is_at_work and last is not None and event.kind not in AT_WORK:
            total += counted_s(last, datetime.fromisoformat(event.at))
        is_at_work = event.kind in AT_WORK or (is_at_work and event.kind not in AT_REST)
        last = event
    return total + counted_s(last, now) if is_at_work and last is not None else total
