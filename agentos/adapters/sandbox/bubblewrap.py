"""Commands under `bwrap`: namespaces of their own, in which the rest of the machine is not there at all."""

import base64
import shutil
from collections.abc import Iterable
from pathlib import Path

from agentos.adapters.sandbox import launching
from agentos.adapters.sandbox.order import Order
from agentos.adapters.sandbox.seccomp import refusing_filter
from agentos.adapters.sandbox.surroundings import Surroundings, split
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.sandbox import ANYWHERE, Command, CommandLimits, CommandResult

ARGUMENTS, FILTER = 60, 61
"""Descriptors: above those that a worker has open, below the least bound on them."""
SHARED_MEMORY_BYTES = 64 * 1024**2
"""Room for semaphores and small shared memory."""
ISOLATION = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
    *("--new-session", "--die-with-parent", "--clearenv"),
)
_OF_THE_KERNEL = (Path("/proc"), Path("/sys"))
_ONLY_SO_MANY = 'ulimit -u "$1" 2>/dev/null || ulimit -p "$1" 2>/dev/null; exec /bin/sh -c "$2"'
"""Counted inside the user namespace; the kernel counts nothing for root, whose processes are looked at from outside."""


class BubblewrapSandbox:
    """Shows a command the folders it was given and the system, read-only, and nothing else."""

    def __init__(self, limits: CommandLimits | None = None, surroundings: Surroundings | None = None) -> None:
        self._bounds = launching.bounds_of(limits or CommandLimits())
        self._surroundings = surroundings or Surroundings()
        self._filter = refusing_filter()
        self._program = find_program()

    @property
    def name(self) -> str:
        """The backend's name."""
        return "bubblewrap"

    @property
    def confines(self) -> bool:
        """Yes."""
        return True

    async def run(self, command: Command) -> CommandResult:
        """The result of `command`. When this returns, also by cancelling, every process it started is gone.

        Raises OutsideError, kind INVALID, where it cannot be started in a box.
        """
        if self._program is None or self._filter is None:
            message = "there is no bwrap on PATH" if self._program is None else "its system calls cannot be filtered"
            raise OutsideError(f"bubblewrap makes no box on this machine: {message}", kind=FailureKind.INVALID)
        if command.network and command.network != ANYWHERE:
            message = "bubblewrap cannot narrow the network to hosts; use sandlock, or give the command all of it"
            raise OutsideError(message, kind=FailureKind.INVALID)
        if not command.cwd.is_dir():
            message = f"a command could not be started in {command.cwd.name}: there is no such folder"
            raise OutsideError(message, kind=FailureKind.INVALID)
        return await launching.run(command, self._order)

    def _order(self, command: Command, scratch: Path, environment: dict[str, str]) -> Order:
        assert self._program is not None
        assert self._filter is not None
        writable = (*command.writable, scratch)
        given, protected = split(command.readable, command.writable)
        readable = self._surroundings.readable(environment.get("PATH", ""))
        options = [
            *ISOLATION,
            *(("--share-net",) if command.network else ()),
            *(option for name, value in environment.items() for option in ("--setenv", name, value)),
            *_view((*readable, command.cwd, *given), writable, scratch),
            *(option for path in protected for option in ("--ro-bind", str(path), str(path))),
            *("--remount-ro", "/", "--remount-ro", "/proc", "--remount-ro", "/dev"),
            *("--chdir", str(command.cwd), "--seccomp", str(FILTER)),
        ]
        arguments = b"".join(option.encode("utf-8", "surrogateescape") + b"\0" for option in options)
        limited = ("/bin/sh", "-c", _ONLY_SO_MANY, "sh", str(self._bounds.processes), command.shell)
        return Order(
            argv=(self._program, "--args", str(ARGUMENTS), "--", *limited),
            cwd="/",
            env={},  # its first process keeps what it is started with for everybody inside to read
            scratch=str(scratch),
            writable=tuple(map(str, writable)),
            bounds=self._bounds,
            rights="map",
            feeds={
                str(ARGUMENTS): base64.b64encode(arguments).decode(),
                str(FILTER): base64.b64encode(self._filter).decode(),
            },
        )


def find_program() -> str | None:
    """Where `bwrap` is, from the folders of the system alone."""
    return shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin:/usr/sbin:/sbin")


def _view(readable: Iterable[Path], writable: Iterable[Path], scratch: Path) -> list[str]:
    """The root folder as the command sees it. Later lines lie over earlier ones."""
    (scratch / "tmp").mkdir()
    options = ["--dev", "/dev", "--proc", "/proc", "--bind", str(scratch / "tmp"), "/tmp"]  # noqa: S108 - its own
    options += ["--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108
    for path in sorted(set(readable)):
        if any(path.is_relative_to(each) for each in _OF_THE_KERNEL):
            continue
        if path.parent == Path("/") and path.is_symlink():
            options += ["--symlink", str(path.readlink()), str(path)]  # /bin and its like on most systems
        else:
            options += ["--ro-bind", str(path), str(path)]
    for path in writable:
        options += ["--bind", str(path), str(path)]
    return options
