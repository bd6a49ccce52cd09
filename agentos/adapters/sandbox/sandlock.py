"""Commands under `sandlock`: Landlock and seccomp rules of the kernel's own, without root, images or installation."""

from pathlib import Path

from agentos.adapters.sandbox import launching
from agentos.adapters.sandbox.order import Order
from agentos.adapters.sandbox.room import DEVICES
from agentos.adapters.sandbox.seccomp import refusing_filter
from agentos.adapters.sandbox.surroundings import Surroundings, split
from agentos.ports.sandbox import ANYWHERE, Command, CommandLimits, CommandResult

WEB_PORTS = "80,443"
REFUSED_CALLS = ("memfd_create", "memfd_secret")
"""Besides sandlock's own list: memory that belongs to no process and that nobody would count."""


class SandlockSandbox:
    """Keeps commands inside the folders they were given. The kernel enforces it on them and on all they start."""

    def __init__(self, limits: CommandLimits | None = None, surroundings: Surroundings | None = None) -> None:
        self._bounds = launching.bounds_of(limits or CommandLimits())
        self._surroundings = surroundings or Surroundings()

    @property
    def name(self) -> str:
        """The backend's name."""
        return "sandlock"

    @property
    def confines(self) -> bool:
        """Yes."""
        return True

    async def run(self, command: Command) -> CommandResult:
        """The result of `command`. When this returns, also by cancelling, every process it started is gone.

        Raises OutsideError, kind INVALID, where it cannot be started in a box.
        """
        return await launching.run(command, self._order)

    def _order(self, command: Command, scratch: Path, environment: dict[str, str]) -> Order:
        writable = tuple(map(str, (*command.writable, scratch)))
        around = self._surroundings.readable(environment.get("PATH", ""))
        given, protected = split(command.readable, command.writable)
        readable = tuple(map(str, (*around, command.cwd, *given)))
        hosts = () if command.network == ANYWHERE else command.network
        supervised = bool(hosts) or refusing_filter() is None
        temporary = scratch / "tmp"
        temporary.mkdir()
        return Order(
            argv=("/bin/sh", "-c", command.shell),
            cwd=str(command.cwd),
            env=environment,
            scratch=str(scratch),
            writable=writable,
            bounds=self._bounds,
            visible=readable,
            protected=tuple(map(str, protected)),
            temporary=str(temporary),
            network=bool(command.network),
            hosts=hosts,
            supervised=supervised,
            rules={
                "fs_readable": [*readable, *DEVICES],
                "fs_writable": [*writable, "/tmp", "/dev/shm", "/dev/null", "/dev/full"],  # noqa: S108 - its own
                **(self._watched(hosts) if supervised else {}),
            },
        )

    def _watched(self, hosts: tuple[str, ...]) -> dict[str, object]:
        """What only a supervisor can enforce."""
        return {
            "max_processes": self._bounds.processes,
            "max_open_files": self._bounds.open_files,
            "extra_deny_syscalls": list(REFUSED_CALLS),
            "net_allow": [host if ":" in host else f"tcp://{host}:{WEB_PORTS}" for host in hosts] or ["*"],
            **({} if hosts else {"net_allow_bind": ["*"]}),
        }
