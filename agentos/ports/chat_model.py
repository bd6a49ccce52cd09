"""Language models, as LangChain chat models behind one door."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agentos.domain.pipeline import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True, slots=True)
class CallRef:
    """Which conversation of which step: `task_id` is the graph task's id, the same across crash and resume;
    `round` counts from 1 within the stage; `role` is drafter, reviewer or implementer."""

    run_id: int
    task_id: str
    stage: Stage
    role: str
    round: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one call took: `input_tokens` altogether, and how many of them the provider read from its cache of the conversation
    or wrote to it, which cost less and more than others."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


class ChatModels(Protocol):
    """All models a run may use, by `provider:model`."""

    def require(self, model: str) -> None:
        """Raises UsageError where `model` cannot be asked here: an unknown provider, a missing package or key."""
        ...

    def open(self, model: str, call: CallRef) -> "BaseChatModel":
        """A chat model for one conversation. Raises UsageError for an unknown provider or a missing key."""
        ...

    def cost_usd(self, model: str, used: Tokens) -> float | None:
        """The price of one call in US dollars; None where the price is unknown (never 0 by mistake)."""
        ...

    def answering(self, model: str) -> tuple[str, ...]:
        """Who may answer a call of `model`: itself, then the model that is asked where it is out of reach."""
        ...

    def leftovers(self, asked: "Iterable[tuple[Stage, str, int, int]]") -> tuple[str, ...]:
        """What a finished run should have asked for and did not, as sentences; always empty for real providers.

        `asked`: (stage, role, round, turn counted from 0) of every call of the run.
        """
        ...
