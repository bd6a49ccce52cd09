"""Opening what an agent wrote: folders and plain files by name within an open folder, through no symlink."""

import hashlib
import os
import stat
from io import FileIO

# NONBLOCK: opening what became a fifo meanwhile does not hang.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_READ_BYTES = 1 << 20


def open_folder(name: str | os.PathLike[str], within: int | None = None) -> int:
    """A descriptor of the folder `name`; the caller closes it. Raises: OSError, also where it is a symlink."""
    return os.open(name, _FOLDER, dir_fd=within)


def open_file(name: str, within: int) -> FileIO:
    """The file `name`, of whatever type it is: look at its `fstat` before reading. Raises: OSError as `open_folder`."""
    return FileIO(os.open(name, _FILE, dir_fd=within), "rb")


def start_of_file(name: str, within: int, limit_bytes: int) -> bytes | None:
    """The first bytes of the plain file `name`; None if there is no such thing."""
    try:
        with open_file(name, within) as file:
            return file.read(limit_bytes) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    except OSError:
        return None


def blob_sha(content: bytes) -> str:
    """The name git gives to a file with this content."""
    digest = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def blob_sha_of(file: FileIO, size_bytes: int) -> str:
    """As `blob_sha`, of an open file read in pieces; a file that grows or shrinks meanwhile gives a name of nothing."""
    digest = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    left = size_bytes
    while left > 0 and (piece := file.read(min(_READ_BYTES, left))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest()
