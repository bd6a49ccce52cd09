"""An undisturbed run in parts, from wait to wait: a cell begins with the part it disturbs and repeats none before it."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from tests.conftest import fresh_database

if TYPE_CHECKING:
    from tests.crash.conftest import World

Enter: TypeAlias = "Callable[[Part], World]"
DATABASE = "AGENTOS_DATABASE_URL"


@dataclass(frozen=True)
class Part:
    """How all lay when this part began, and what a process of its own did in it."""

    files: Path
    database: str
    asked: Counter[str]
    points: frozenset[str] = frozenset()
    statements: int = 0


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody killed leaves behind, how often it asked for each reply, and its parts."""

    world: "World"
    server: str
    outside: dict[str, Any]
    asked: Counter[str]
    parts: tuple[Part, ...]

    def part_of(self, point: str) -> Part:
        """The part in which the run passes `point` for the first time."""
        return next(part for part in self.parts if point in part.points)

    def part_at(self, share: float) -> tuple[Part, int]:
        """The part that sends the statement at this share of all (0 to 1), and its number there, from 1."""
        nth = 1 + int(share * sum(part.statements for part in self.parts))
        for part in self.parts:
            if nth <= part.statements:
                return part, nth
            nth -= part.statements
        raise ValueError(f"a run has no statement behind its last: {share}")

    @contextmanager
    def entered(self, part: Part) -> "Iterator[World]":
        """The world as it was when `part` began, in the same folders, on a database of its own."""
        for name in ("target", "home"):
            _copy(part.files / name, self.world.home.parent / name)
        self.world.server.asked.clear()
        self.world.server.asked.update(part.asked)
        with fresh_database(self.server, part.database) as url:
            yield replace(self.world, environment=self.world.environment | {DATABASE: url})


@contextmanager
def in_parts(world: "World", server: str) -> "Iterator[Undisturbed]":
    """The run in `world`, driven undisturbed from wait to wait."""
    parts: list[Part] = []
    with ExitStack() as databases:
        ended = "waiting"
        while ended == "waiting":
            begin = _kept(world, len(parts))
            copy = databases.enter_context(fresh_database(server, _name(world.environment[DATABASE])))
            trace = begin.files / "trace"
            driven = world.drive(most_waits=1 if parts else 0, trace=trace)
            ended = driven.ended
            points = frozenset(line.partition("#")[0] for line in trace.read_text("utf-8").split())
            parts.append(replace(begin, database=_name(copy), points=points, statements=driven.statements))
        assert ended == "succeeded merged", ended
        yield Undisturbed(world, server, world.picture(), Counter(world.asked), tuple(parts))


def _kept(world: "World", number: int) -> Part:
    folder = world.home.parent / f"part-{number}"
    folder.mkdir()
    for name in ("target", "home"):
        _copy(world.home.parent / name, folder / name)
    return Part(folder, "", Counter(world.asked))


def _copy(source: Path, place: Path) -> None:
    """Effect: `place` is as `source` is, not there where that is not there."""
    shutil.rmtree(place, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, place, symlinks=True)


def _name(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")
