"""Who of this machine works on a run right now, told by a kernel lock: it is free the moment its holder dies."""

import fcntl
import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from agentos.domain.error import refusal_of_machine


@contextmanager
def present(home: Path, run_id: int) -> Iterator[str | None]:
    """How owners of this machine and data folder are named, while this process is the one that may work on the run.

    None where another process of theirs does. Whoever gets a name may take over at once from an owner whose name
    starts with it: it died, or the lock would not be free. Other machines' owners are waited for by their lease.
    """
    with _opened(home / "presence", str(run_id)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield _place(home)


def has_died(home: Path, owner: str) -> bool:
    """Whether `owner` was a process of this machine and data folder that is there no more. A new process with the same
    number hides that, until the lease runs out."""
    import psutil  # asked only about runs that are at work

    place, _, pid = owner.rpartition("/")
    return f"{place}/" == _place(home) and not psutil.pid_exists(int(pid))


def _place(home: Path) -> str:
    folder = hashlib.sha256(str(home.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{socket.gethostname()}/{folder}/"


def _opened(folder: Path, name: str) -> TextIOWrapper:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return (folder / name).open("a")
    except OSError as exc:
        refusal = refusal_of_machine(exc, folder)
        if refusal is None:
            raise
        raise refusal from exc


def owner_name(place: str) -> str:
    """The name of this process as an owner at `place`."""
    return f"{place}{os.getpid()}"
