"""Where commands of an agent or of a target repository run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ANYWHERE = ("*",)
"""The network of a command that may reach every host."""


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """What the processes of one command may use together. `files`: how many files and folders may lie in the folders it
    may write, `disk_bytes` their size; `open_files` bounds each process."""

    memory_bytes: int = 4 * 1024**3
    processes: int = 512
    cpu_s: float = 3600.0
    disk_bytes: int = 10 * 1024**3
    files: int = 500_000
    open_files: int = 4096


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `shell` is a line for `/bin/sh -c`. `writable` are the only folders it may change (`cwd` is one of
    them unless it only reads); `readable` are files and folders it may read besides
    them, the system's and the tools'; what lies inside a writable folder it may then only read. `env` is
    added to the sandbox's own small environment; nothing is inherited but PATH. `network` are the hosts it may reach,
    as `host` or `host:port`; ANYWHERE for all."""

    shell: str
    cwd: Path
    writable: tuple[Path, ...]
    timeout_s: float
    env: Mapping[str, str] = field(default_factory=dict)
    network: tuple[str, ...] = ()
    output_limit_bytes: int = 1_000_000
    readable: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What the command did. `exit_code` None: it was stopped (by time, or by the limit that `exceeded` names). `output`
    is stdout and stderr as they came, head and tail with a note in between where it was longer than the limit."""

    exit_code: int | None
    output: str
    duration_s: float
    timed_out: bool = False
    truncated: bool = False
    exceeded: str = ""


class Sandbox(Protocol):
    """A box around commands; the whole process tree is gone when `run` returns."""

    @property
    def name(self) -> str:
        """The backend's name as `doctor` and each run show it."""
        ...

    @property
    def confines(self) -> bool:
        """Whether the backend itself keeps commands inside `writable`."""
        ...

    async def run(self, command: Command) -> CommandResult:
        """The result of `command`. Raises OutsideError where the box could not be made."""
        ...
