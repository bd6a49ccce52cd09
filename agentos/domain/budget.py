"""What a run has used and what it may use."""

from dataclasses import dataclass


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


def reached(budget: Budget, spend: Spend, *, elapsed_s: float) -> str | None:
    """The sentence for the first ceiling that `spend` or `elapsed_s` reached; None while all hold."""
    if budget.usd is not None and spend.usd is None:
        return "the cost of a model call is unknown, so the money ceiling cannot be kept"
    if budget.usd is not None and spend.usd is not None and spend.usd >= budget.usd:
        return f"the cost reached ${spend.usd:.2f} of ${budget.usd:.2f}"
    tokens = spend.input_tokens + spend.output_tokens
    if budget.tokens is not None and tokens >= budget.tokens:
        return f"the tokens reached {tokens} of {budget.tokens}"
    if budget.calls is not None and spend.calls >= budget.calls:
        return f"the model calls reached {spend.calls} of {budget.calls}"
    if budget.wall_s is not None and elapsed_s >= budget.wall_s:
        return f"the time reached {elapsed_s:.0f} s of {budget.wall_s:.0f} s"
    return None
