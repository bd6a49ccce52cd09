"""Where commands of an agent or of a target repository run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `shell` is a line for `/bin/sh -c`. `writable` are the only folders it may change (`cwd` is one of
    them unless it only reads). `env` is added to the sandbox's own small environment; nothing is inherited but PATH."""

    shell: str
    cwd: Path
    writable: tuple[Path, ...]
    timeout_s: float
    env: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    output_limit_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What the command did. `exit_code` None: it was stopped (time, output). `output` is stdout and stderr as they
    came, head and tail with a note in between where it was longer than the limit."""

    exit_code: int | None
    output: str
    duration_s: float
    timed_out: bool = False
    truncated: bool = False


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
