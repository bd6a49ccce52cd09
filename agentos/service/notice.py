"""What the service has to say to the person who runs it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence about a repository, or about one of its issues. `is_trouble`: something does not go as it should."""

    text: str
    repo: str = ""
    issue: int | None = None
    is_trouble: bool = False


Tell: TypeAlias = Callable[[Notice], None]
