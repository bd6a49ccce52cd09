"""The items of a list, and how they look."""

from dataclasses import dataclass


@dataclass
class Item:
    """One thing to do."""

    text: str
    done: bool = False


def show(number: int, item: Item) -> str:
    """The line that `todo list` prints for an item."""
    mark = "x" if item.done else " "
    return f"{number} [{mark}] {item.text}"
