"""The command line: add, list, done."""

import argparse
import sys
from pathlib import Path

from todo.files import load, save
from todo.items import Item, show


def parser() -> argparse.ArgumentParser:
    """Everything that can be typed."""
    top = argparse.ArgumentParser(prog="todo", description="A to-do list in a file.")
    top.add_argument("--file", type=Path, default=Path("todo.json"), help="where the list is kept")
    commands = top.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="add an item")
    add.add_argument("text")
    commands.add_parser("list", help="show all items")
    done = commands.add_parser("done", help="tick an item off")
    done.add_argument("number", type=int)
    return top


def main(argv: list[str] | None = None) -> int:
    """Carries out one command and returns its exit code."""
    given = parser().parse_args(argv)
    items = load(given.file)
    if given.command == "list":
        for number, item in enumerate(items, 1):
            print(show(number, item))
        return 0
    if given.command == "add":
        items.append(Item(given.text))
    else:
        items[given.number - 1].done = True
    save(given.file, items)
    return 0


def run() -> None:
    """The `todo` script."""
    sys.exit(main())
