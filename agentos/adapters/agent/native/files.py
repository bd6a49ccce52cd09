"""Files below one folder, read and written without ever following a symbolic link out of it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FILE_LIMIT_BYTES = 10_000_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(Exception):
    """The file cannot be had; the message is meant for the agent."""


@dataclass(frozen=True, slots=True)
class Place:
    """A checked place: `parts` below `root`."""

    root: Path
    parts: tuple[str, ...]
    writable: bool

    def __str__(self) -> str:
        return "/".join(self.parts) or "."


@dataclass(frozen=True, slots=True)
class Files:
    """The files of `tree`, to read and write, and of `shown`, to read alone. Every method raises Refused."""

    tree: Path
    shown: Path

    def locate(self, path: str) -> Place:
        """The place that `path` names: relative to the tree, or absolute below one of the two folders."""
        if "\0" in path or not path.strip():
            raise Refused("give the path of a file")
        pure = PurePosixPath(path.strip())
        root, writable = self.tree, True
        if pure.is_absolute():
            for known, may_write in ((self.tree, True), (self.shown, False)):
                for spelling in (known, known.resolve()):
                    if pure.is_relative_to(PurePosixPath(spelling)):
                        root, writable, pure = known, may_write, pure.relative_to(PurePosixPath(spelling))
                        break
        if pure.is_absolute() or ".." in pure.parts:
            raise Refused(f"{path} is outside the working folder")
        if any(part.casefold() == ".git" for part in pure.parts):
            raise Refused(f"{path} belongs to git, which is not yours to touch; committing is done for you")
        return Place(root, pure.parts, writable)

    def read(self, path: str) -> bytes:
        """The content of the regular file `path`."""
        place = self.locate(path)
        if not place.parts:
            raise Refused(f"{path} is a folder")
        with _parent(place, make=False) as folder:
            # Without O_NONBLOCK, a named pipe in the tree would hang us.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = _opened(place, flags, folder)
        try:
            _require_readable(place, os.fstat(descriptor))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)

    def entries(self, path: str) -> list[str] | None:
        """The names in the folder `path`, sorted, folders with a slash at the end; None where it is no folder."""
        place = self.locate(path)
        try:
            with _folder(place) as folder, os.scandir(folder) as found:
                names = [each.name + ("/" if each.is_dir(follow_symlinks=False) else "") for each in found]
        except Refused:
            return None
        return sorted(name for name in names if name != ".git" and name != ".git/")

    def write(self, path: str, content: bytes) -> None:
        """Effect: the file `path` holds `content`, its folders made as needed; whole or not at all. Repeating is safe."""
        place = self.locate(path)
        if not place.writable:
            raise Refused(f"{path} may be read but not changed")
        if not place.parts:
            raise Refused(f"{path} is a folder")
        if len(content) > FILE_LIMIT_BYTES:
            raise Refused(f"{len(content)} bytes are too many for one file; the limit is {FILE_LIMIT_BYTES}")
        with _parent(place, make=True) as folder:
            mode = _mode_of(place, folder)
            # The name follows from the path: what a kill leaves here is overwritten when the call is repeated.
            draft = f".{place.parts[-1][:200]}.agentos-draft"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with os.fdopen(os.open(draft, flags, 0o666, dir_fd=folder), "wb") as file:
                    file.write(content)
                    if mode is not None:
                        os.fchmod(file.fileno(), mode)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(draft, place.parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
            except OSError as error:
                raise Refused(f"{place} cannot be written: {error.strerror}") from error


def _require_readable(place: Place, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise Refused(f"{place} is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{place} is no regular file")
    if status.st_size > FILE_LIMIT_BYTES:
        raise Refused(f"{place} has {status.st_size} bytes; look at parts of it with bash")


def _mode_of(place: Place, folder: int) -> int | None:
    try:
        status = os.stat(place.parts[-1], dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refused(f"{place} cannot be written: {error.strerror}") from error
    if stat.S_ISLNK(status.st_mode):
        raise Refused(f"{place} is a symbolic link; name the file itself")
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{place} is no regular file")
    return stat.S_IMODE(status.st_mode)


@contextmanager
def _parent(place: Place, *, make: bool) -> Iterator[int]:
    with _folder(Place(place.root, place.parts[:-1], place.writable), make=make) as folder:
        yield folder


@contextmanager
def _folder(place: Place, *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder `place`, reached name by name so that no link on the way is followed."""
    try:
        current = os.open(place.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"there is no folder {place.root.name}") from error
    try:
        for depth, part in enumerate(place.parts, start=1):
            if make:
                _make_folder(place, part, current)
            below = _opened(Place(place.root, place.parts[:depth], place.writable), _FOLDER, current)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _make_folder(place: Place, part: str, parent: int) -> None:
    try:
        os.mkdir(part, 0o777, dir_fd=parent)
    except FileExistsError:
        return
    except OSError as error:
        raise Refused(f"the folder of {place} cannot be made: {error.strerror}") from error


def _opened(place: Place, flags: int, folder: int) -> int:
    try:
        return os.open(place.parts[-1], flags, dir_fd=folder)
    except FileNotFoundError as error:
        raise Refused(f"{place} does not exist") from error
    except OSError as error:
        if _is_link(place, folder):
            raise Refused(f"{place} is a symbolic link; name the file itself") from error
        raise Refused(f"{place} cannot be opened: {error.strerror}") from error


def _is_link(place: Place, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(place.parts[-1], dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
