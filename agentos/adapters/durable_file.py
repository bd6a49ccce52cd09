"""Files that appear and change in one step, so that a reader never sees half of one and a crash leaves the old or the new.

Everything happens under a lock on the folder itself, so neither lock files nor temporary files stay behind.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agentos.domain.error import OutsideError, refusal_of_machine
from agentos.domain.failure import FailureKind

_TEMPORARY = ".agentos-writing"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else of ours writes in `folder` meanwhile. Effect: what a crash left half written there is gone."""
    with translated(folder, "opened"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with translated(folder, "cleaned"):
            _sweep(folder)
        yield
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes, *, still: Callable[[], bool] = lambda: True) -> bool:
    """Whether `path` holds `content` now, on disk; mode and owner of a file that was there stay. Call it under the lock.

    `still`: whether it is to be replaced after all, asked at the last moment, for the way to the disk takes time.
    """
    with translated(path, "written"):
        temporary = _temporary(path, content)
        with suppress(FileNotFoundError):
            stat = path.stat(follow_symlinks=False)
            temporary.chmod(stat.st_mode & 0o7777)
            with suppress(PermissionError):
                os.chown(temporary, stat.st_uid, stat.st_gid)
        if not still():
            temporary.unlink()
            return False
        temporary.replace(path)
        _sync(path.parent)
    return True


def create_file(path: Path, content: bytes) -> None:
    """Effect: `path`, which was not there, holds `content`. Raises: FileExistsError where it was. Call it under the lock."""
    with translated(path, "written"):
        temporary = _temporary(path, content)
    try:
        os.link(temporary, path)  # unlike a rename, it never replaces what somebody put there meanwhile
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with translated(path, "written"):
            if path.exists():
                raise FileExistsError(path) from None
            temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def create_folder(path: Path, files: dict[str, bytes]) -> None:
    """Effect: the folder `path`, which was not there, holds `files`, all of them at once. Call it under the lock."""
    with translated(path, "made"):
        temporary = path.with_name(f".{path.name}{_TEMPORARY}")
        temporary.mkdir()
        for name, content in files.items():
            _temporary(temporary / name, content).replace(temporary / name)
        _sync(temporary)
        temporary.rename(path)
        _sync(path.parent)


@contextmanager
def translated(path: Path, verb: str) -> Iterator[None]:
    """What the operating system refuses about `path` becomes an OutsideError that says so."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as exc:
        raise OutsideError(f"{path} cannot be {verb}: {exc.strerror or exc}", kind=refusal(exc)) from exc


def refusal(exc: OSError) -> FailureKind:
    """The kind of a refusal: room may come back, rights are mended by a person, anything else is final."""
    known = refusal_of_machine(exc)
    return FailureKind.PERMANENT if known is None else known.kind


def _sweep(folder: Path) -> None:
    with os.scandir(folder) as found:
        left = [Path(entry) for entry in found if entry.name.startswith(".") and entry.name.endswith(_TEMPORARY)]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _temporary(path: Path, content: bytes) -> Path:
    """A synced file beside `path`; its name is fixed, so a crash leaves one at most."""
    temporary = path.with_name(f".{path.name}{_TEMPORARY}")
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk must not keep half a file
        raise
    return temporary


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
