"""A coding agent: one task in one worktree."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, TypeAlias

from agentos.domain.budget import Spend
from agentos.domain.document import Evidence
from agentos.ports.chat_model import CallRef


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """Bounds of one session."""

    steps: int = 60
    wall_s: float = 1800.0
    idle_s: float = 300.0
    command_s: float = 300.0
    wrap_up: float = 0.8
    """The share of steps or wall time after which the agent is told to come to an end."""


@dataclass(frozen=True, slots=True)
class Guideline:
    """What the owners of a repository tell whoever works below `folder` (relative, no slash at the end): the file `path`
    as it is at the base commit."""

    folder: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class AgentTask:
    """What the agent is told. `prompt` is rendered Markdown; `system` the standing instructions."""

    system: str
    prompt: str
    cwd: Path
    scratch: Path
    model: str
    call: CallRef
    limits: AgentLimits = AgentLimits()
    criteria: tuple[str, ...] = ()
    """Ids of the acceptance criteria and requirements the agent must answer with evidence."""
    readable: tuple[Path, ...] = ()
    """What its commands may read besides `cwd` and `scratch`, and must not change."""
    base_sha: str = ""
    """The commit that the whole change is told against; empty where `cwd` is no worktree."""
    guidelines: tuple[Guideline, ...] = ()
    """What holds in folders below the top, to be read on entering them; what holds everywhere is in `prompt`."""


class AgentStatus(StrEnum):
    """How a session ended."""

    SUBMITTED = "submitted"
    NO_CHANGE = "no_change"
    LIMIT = "limit"
    STALLED = "stalled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class AgentActed:
    """One thing the agent did, for people: the tool and one line about it."""

    tool: str
    line: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class AgentFinished:
    """The last event of every session. `evidence` is what the agent claims; it proves nothing by itself."""

    status: AgentStatus
    summary: str
    evidence: tuple[Evidence, ...]
    spend: Spend
    reason: str = ""


AgentEvent: TypeAlias = AgentActed | AgentFinished


class CodingAgent(Protocol):
    """An interchangeable agent backend."""

    @property
    def name(self) -> str:
        """The backend's name."""
        ...

    def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        """Events of one session, the last one `AgentFinished`. Effect: files below `task.cwd` change.

        Run again for the same `task.call` after a crash, it goes on where it stood and pays for no reply twice.
        """
        ...
