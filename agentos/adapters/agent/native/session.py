"""Where one session of the agent stands."""

import asyncio
from dataclasses import dataclass, field, replace

from agentos.domain.budget import Spend
from agentos.ports.agent import AgentActed, AgentFinished, AgentStatus, AgentTask


class SessionOver(Exception):
    """The session ends here; how, stands in the session."""


@dataclass
class Session:
    """What a session has come to. After a crash it comes to the same by the same replies and results.

    `place` names the tool call at hand; `again` is whether it was begun before and nobody knows how far it came.
    """

    task: AgentTask
    spend: Spend = field(default_factory=Spend)
    place: str = ""
    again: bool = False
    fresh: bool | None = None
    """Whether nothing of it was recorded before, so that nothing need be looked up; None until that is known."""
    offered: AgentFinished | None = None
    """What the first submit would have handed in: it is shown to the agent once more before it counts."""
    entered: set[str] = field(default_factory=set)
    """The guideline files the agent was shown on its way."""
    finished: AgentFinished | None = None
    acted: "asyncio.Queue[AgentActed | None]" = field(default_factory=asyncio.Queue)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the tool call that runs: calls of one reply run one after the other, in their order."""

    def submit(self) -> None:
        """Effect: the session is handed in as it was offered last."""
        self.finished = self.offered

    def stop(self, status: AgentStatus, reason: str) -> None:
        """Effect: the session ended without being handed in; an earlier end stays.

        At a limit, what was offered counts: all that is missing then is a second look.
        """
        if self.finished is not None:
            return
        if status is AgentStatus.LIMIT and self.offered is not None:
            self.finished = replace(self.offered, reason=reason)
        else:
            self.finished = AgentFinished(status, "", (), self.spend, reason)
