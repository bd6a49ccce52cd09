"""Removing folders whose content is hostile: too deep for recursion, unwritable, full of symlinks."""

import itertools
import os
import stat
import tempfile
from pathlib import Path

TRASH = ".trash-"


def discard(path: Path, *, trash_in: Path | None = None) -> None:
    """Effect: nothing is left at `path`. Repeating is safe; a kill leaves at most a `.trash-*` folder.

    That folder is made beside `path`, or in `trash_in` (on the same file system). Symlinks are removed, never followed.
    Works at any depth and on folders without write permission.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    trash = Path(tempfile.mkdtemp(prefix=TRASH, dir=trash_in or path.parent))
    if stat.S_ISDIR(mode):
        path.chmod(0o700)  # a folder that we may not write cannot be moved
    path.rename(trash / "first")
    empty_trash(trash)


def empty_trash(trash: Path) -> None:
    """Effect: the trash folder `trash` is gone.

    Every folder inside is moved up to the top before it is emptied, so no path gets long, however deep the tree was.
    """
    top = Path(tempfile.mkdtemp(dir=trash))
    numbers = itertools.count()
    pending = [trash]
    while pending:
        folder = pending.pop()
        for entry in _entries(folder):
            path = Path(entry.path)
            if path == top:
                continue
            if entry.is_dir(follow_symlinks=False):
                path.chmod(0o700)
                pending.append(path.rename(top / str(next(numbers))))
            else:
                path.unlink()
        if folder != trash:
            folder.rmdir()
    top.rmdir()
    trash.rmdir()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)
