"""The folder of tickets on disk: finding files by number, reading them with limits, replacing them in one step.

A file changes by a new file put in its place, under a lock on the folder, so two writers of ours never lose each other's
change; one that a person saved meanwhile is read again.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agentos.adapters.durable_file import create_file, create_folder, locked, refusal, replace_file, translated
from agentos.adapters.tracker.front_matter import FrontMatter, FrontMatterError, split_front_matter
from agentos.adapters.tracker.ticket import Layout, Ticket, number_in, number_of
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind

TICKET_LIMIT_BYTES = 1_000_000
THREAD_LIMIT_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where one ticket lies. `number` None: a file that is no ticket yet."""

    layout: Layout
    file: Path
    thread: Path
    number: int | None

    @property
    def name(self) -> str:
        """What people call it: the file's or the directory's name."""
        return self.file.stem if self.layout is Layout.FLAT else self.file.parent.name


class TicketFolder:
    """The tickets in `folder`. Names that begin with `.` or `_` are passed over, as are threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def places(self) -> tuple[Place, ...]:
        """Every ticket with a number, by name. A file that cannot be read counts by its file name."""
        try:
            paths = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return ()
        except OSError as exc:
            raise OutsideError(
                f"the tickets' folder {self.folder} cannot be read: {exc.strerror}", kind=refusal(exc)
            ) from exc
        found = (_place(path) for path in paths if not path.name.startswith((".", "_")))
        return tuple(place for place in found if place is not None and place.number is not None)

    def find(self, number: int) -> Place:
        """The ticket with that number. Raises: UsageError where two have it, OutsideError GONE where none has."""
        found = [place for place in self.places() if place.number == number]
        if len(found) > 1:
            names = " and ".join(str(place.file.relative_to(self.folder)) for place in found)
            raise UsageError(f"ticket {number} exists twice in {self.folder}: {names}; give one of them another id")
        if not found:
            raise OutsideError(
                f'there is no ticket {number} in {self.folder}; make one with: `agentos new "title"`',
                kind=FailureKind.GONE,
            )
        return found[0]

    def ticket(self, place: Place) -> Ticket:
        """What the ticket's file says. Raises: OutsideError INVALID where that cannot be read."""
        return _ticket(place, read_text(place.file, limit_bytes=TICKET_LIMIT_BYTES))

    def layout(self) -> Layout:
        """How new tickets lie: as the ones that are there, flat in an empty folder."""
        layouts = [place.layout for place in self.places()]
        return Layout.DIRECTORY if layouts.count(Layout.DIRECTORY) * 2 > len(layouts) else Layout.FLAT

    def change(self, place: Place, decide: Callable[[Ticket], FrontMatter]) -> None:
        """Effect: the ticket's file is what `decide` makes of it; untouched where that is what it was."""

        def decided(text: str | None) -> str:
            try:
                return decide(_ticket(place, text)).text
            except FrontMatterError as exc:
                raise _unreadable(place.file, exc) from exc

        self._rewrite(place.file, decided, limit_bytes=TICKET_LIMIT_BYTES)

    def change_thread(self, place: Place, decide: Callable[[str], str]) -> None:
        """Effect: the ticket's thread is what `decide` makes of it; a missing one is made."""
        self._rewrite(place.thread, lambda text: decide(text or ""), limit_bytes=THREAD_LIMIT_BYTES)

    def add(self, name: str, layout: Layout, content: Callable[[int], str]) -> Place:
        """The place of a new ticket with the next number. Effect: one ticket, whole or not there at all."""
        self._make_folder()
        with locked(self.folder):
            number = max((place.number or 0 for place in self.places()), default=0) + 1
            suffix = ".md" if layout is Layout.FLAT else ""
            while (path := self.folder / f"{number:03d}-{name}{suffix}").exists():
                number += 1  # a file of that name which calls itself by another number
            if layout is Layout.DIRECTORY:
                create_folder(path, {"item.md": content(number).encode()})
                return Place(layout, path / "item.md", path / "thread.md", number)
            create_file(path, content(number).encode())
            return Place(layout, path, path.with_suffix(".thread.md"), number)

    def put(self, name: str, content: str) -> Path:
        """The path of a file beside the tickets. Effect: it is there; an existing one stays as it is."""
        self._make_folder()
        path = self.folder / name
        with locked(self.folder), suppress(FileExistsError):
            create_file(path, content.encode())
        return path

    def _make_folder(self) -> None:
        with translated(self.folder, "made"):
            self.folder.mkdir(parents=True, exist_ok=True)

    def _rewrite(self, path: Path, decide: Callable[[str | None], str], *, limit_bytes: int) -> None:
        with locked(self.folder):
            # An editor does not know our lock: where it saved while we decided or wrote, decide again on what it saved.
            for _ in range(3):
                before = version_of(path)
                old = read_text(path, limit_bytes=limit_bytes)
                new = decide(old)
                if new == old:
                    return
                raw = new.encode("utf-8", "surrogateescape")
                if replace_file(path, raw, still=partial(_is_still, path, before)):
                    return
        raise OutsideError(f"{path} keeps changing while it is written; try again", kind=FailureKind.TRANSIENT)


def read_text(path: Path, *, limit_bytes: int) -> str | None:
    """The text of `path`, line ends as they are; None where it is missing.

    Raises: OutsideError INVALID for a symbolic link, a file that is too large, or one that is not UTF-8.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            raw = file.read(limit_bytes + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        if path.is_symlink():
            raise OutsideError(
                f"{path} is a symbolic link; put the file itself there", kind=FailureKind.INVALID
            ) from exc
        raise OutsideError(f"{path} cannot be read: {exc.strerror}", kind=refusal(exc)) from exc
    if len(raw) > limit_bytes:
        raise OutsideError(f"{path} is larger than {limit_bytes:,} bytes; shorten it", kind=FailureKind.INVALID)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise OutsideError(
            f"{path} is not UTF-8 (byte {exc.start + 1}); save it as UTF-8", kind=FailureKind.INVALID
        ) from exc


def _place(path: Path) -> Place | None:
    if path.suffix == ".md" and not path.name.endswith(".thread.md") and not path.is_dir():
        return _numbered(Layout.FLAT, path, path.with_suffix(".thread.md"), path.stem)
    if path.is_dir() and not path.is_symlink() and (path / "item.md").is_file():
        return _numbered(Layout.DIRECTORY, path / "item.md", path / "thread.md", path.name)
    return None


def _numbered(layout: Layout, file: Path, thread: Path, name: str) -> Place:
    try:
        text = read_text(file, limit_bytes=TICKET_LIMIT_BYTES)
        number = number_of(split_front_matter(text or ""), name)
    except (OutsideError, FrontMatterError):
        # Said when this ticket is asked for; it must not keep people from the others.
        number = number_in(name)
    return Place(layout, file, thread, number)


def _ticket(place: Place, text: str | None) -> Ticket:
    if text is None:
        raise OutsideError(f"the ticket {place.file} is gone", kind=FailureKind.GONE)
    try:
        file = split_front_matter(text)
        file.check()
    except FrontMatterError as exc:
        raise _unreadable(place.file, exc) from exc
    return Ticket(place.number or 0, place.layout, place.name, file)


def _unreadable(path: Path, exc: FrontMatterError) -> OutsideError:
    return OutsideError(f"the front matter of {path} needs a hand: {exc}", kind=FailureKind.INVALID)


def _is_still(path: Path, version: tuple[int, ...]) -> bool:
    return version_of(path) == version


def version_of(path: Path) -> tuple[int, ...]:
    """What changes whenever the file does, by whatever hand; empty where it is missing."""
    try:
        stat = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return ()
    return stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size
