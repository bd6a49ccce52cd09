"""Commands as plain processes of this machine: bounded in what they use, gone when they should be, not confined."""

from pathlib import Path

from agentos.adapters.sandbox import launching
from agentos.adapters.sandbox.order import Order
from agentos.ports.sandbox import Command, CommandLimits, CommandResult


class ProcessSandbox:
    """Runs commands with a small environment of their own. It keeps nobody from writing elsewhere."""

    def __init__(self, limits: CommandLimits | None = None) -> None:
        self._bounds = launching.bounds_of(limits or CommandLimits())

    @property
    def name(self) -> str:
        """The backend's name."""
        return "process"

    @property
    def confines(self) -> bool:
        """No: a command may write wherever this user may."""
        return False

    async def run(self, command: Command) -> CommandResult:
        """The result of `command`. When this returns, also by cancelling, every process it started is gone.

        Raises OutsideError, kind INVALID, where the command cannot be started at all.
        """
        return await launching.run(command, self._order)

    def _order(self, command: Command, scratch: Path, environment: dict[str, str]) -> Order:
        return Order(
            argv=("/bin/sh", "-c", command.shell),
            cwd=str(command.cwd),
            env=environment,
            scratch=str(scratch),
            writable=tuple(map(str, (*command.writable, scratch))),
            bounds=self._bounds,
            rights="all",
        )


class ExternalSandbox(ProcessSandbox):
    """As `ProcessSandbox`, where the operator has said that this whole machine is the box."""

    @property
    def name(self) -> str:
        """The backend's name."""
        return "external"
