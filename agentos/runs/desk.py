"""What the use cases work with: the stores, the clock, and the way a run gets its equipment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agentos.domain.issue import IssueRef
from agentos.ports.clock import Clock
from agentos.ports.tracker import Tracker
from agentos.store import Store

if TYPE_CHECKING:  # a RunContext brings LangGraph with it, which `status` and `show` do not need
    from agentos.domain.run import Run
    from agentos.store.fence import Fence
    from agentos.workflows.kit.context import RunContext


GIVEN_BRIEF, ENTRY, QUEUED_BY = "from_brief", "entry", "queued_by"
"""Options of a run that are no settings by dotted key: a brief a person wrote, the state the run starts with where that is
not at triage, and the comment that asked for it."""
NO_SETTINGS = frozenset({GIVEN_BRIEF, ENTRY, QUEUED_BY})


@dataclass(frozen=True)
class Desk:
    """Everything a use case may reach. `equip` makes a run's context."""

    store: Store
    clock: Clock
    home: Path
    equip: "Callable[[Run, Fence], Awaitable[RunContext]]"


@dataclass(frozen=True)
class Target:
    """The repository a command is about: its folder, its repo-key and its issues.

    `require_means` raises UsageError where no run could end well there, for want of a test command, a key or a box.
    """

    folder: Path
    repo: str
    tracker: Tracker
    profile: str = "cli"
    options: dict[str, object] = field(default_factory=dict)
    """What the command line set, by dotted key; kept with the run so that it goes on the same way later."""
    require_means: Callable[[], None] = lambda: None

    def issue(self, number: int) -> IssueRef:
        """The issue of that number here."""
        return IssueRef(self.repo, number)
