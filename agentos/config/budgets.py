"""The settings of money: ceilings, and what models cost."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field

from agentos.config.words import Part
from agentos.domain.budget import Budget, Budgets


def _none(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


Amount: TypeAlias = Annotated[Annotated[float, Field(gt=0, allow_inf_nan=False)] | None, BeforeValidator(_none)]
Count: TypeAlias = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_none)]


class CeilingSettings(Part):
    """Ceilings of one kind of work; None (on a command line: `none`) means none. `wall_s`: the time at work."""

    usd: Amount = None
    tokens: Count = None
    calls: Count = None
    wall_s: Amount = None

    def budget(self) -> Budget:
        """The ceilings as the domain wants them."""
        return Budget(self.usd, self.tokens, self.calls, self.wall_s)


class CallCeilingSettings(Part):
    """What one model call may come to at its worst."""

    usd: Amount = None
    tokens: Count = None


class BudgetSettings(CeilingSettings):
    """Ceilings of one issue, all its runs together: money, tokens, model calls, and `wall_s`, its time at work; None (on a
    command line: `none`) means no ceiling. `stage`: the same for each stage of it; `day`: for all work of a day (UTC) that
    is kept in this database; `call`: what one model call may come to at its worst."""

    stage: CeilingSettings = CeilingSettings()
    day: CeilingSettings = CeilingSettings()
    call: CallCeilingSettings = CallCeilingSettings()

    def keyed(self) -> Iterator[tuple[str, float | None]]:
        """Every ceiling by its dotted key, None where there is none."""
        for name, value in self:
            if isinstance(value, Part):
                yield from ((f"budget.{name}.{inner}", ceiling) for inner, ceiling in value)
            else:
                yield f"budget.{name}", value

    def ceilings(self) -> Budgets:
        """All ceilings as the domain wants them."""
        call = Budget(self.call.usd, self.call.tokens)
        return Budgets(self.budget(), self.stage.budget(), self.day.budget(), call)


Price: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class PriceSettings(Part):
    """What a model costs, in US dollars for a million tokens; what its cache takes, like other input where it is not said."""

    input_usd: Price
    output_usd: Price
    cache_read_usd: Price | None = None
    cache_write_usd: Price | None = None

    def cost_usd(self, used: int, made: int, *, read: int = 0, written: int = 0) -> float:
        """What so many tokens in and out cost; `read` and `written`: how many of those in the cache took."""
        plain = used - read - written
        read_usd = self.input_usd if self.cache_read_usd is None else self.cache_read_usd
        written_usd = self.input_usd if self.cache_write_usd is None else self.cache_write_usd
        return (plain * self.input_usd + read * read_usd + written * written_usd + made * self.output_usd) / 1_000_000
