"""Lists as JSON files."""

import json
from dataclasses import asdict
from pathlib import Path

from todo.items import Item


def load(path: Path) -> list[Item]:
    """The items in the file; none if it is not there yet."""
    if not path.exists():
        return []
    return [Item(**entry) for entry in json.loads(path.read_text("utf-8"))]


def save(path: Path, items: list[Item]) -> None:
    """Writes the items, one entry each."""
    path.write_text(json.dumps([asdict(item) for item in items], indent=2) + "\n", "utf-8")
