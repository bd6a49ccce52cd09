"""Telling a person that something ended or waits."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Notice:
    """One message: `title` a line, `body` Markdown, `how` the command that answers it."""

    title: str
    body: str
    how: str = ""


class Notifier(Protocol):
    """One way to reach a person. At most once: a notice cannot be read back."""

    async def notify(self, notice: Notice) -> None:
        """Effect: the notice was handed over, or its loss was logged; never raises."""
        ...
