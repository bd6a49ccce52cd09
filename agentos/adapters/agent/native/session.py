"""Where one session of the agent stands."""

import asyncio
from dataclasses import dataclass, field

from agentos.domain.budget import Spend
from agentos.domain.document import Evidence
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
    reminded: bool = False
    finished: AgentFinished | None = None
    acted: "asyncio.Queue[AgentActed | None]" = field(default_factory=asyncio.Queue)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the tool call that runs: calls of one reply run one after the other, in their order."""

    def submit(self, summary: str, evidence: tuple[Evidence, ...], *, no_change: bool) -> None:
        """Effect: the session is handed in."""
        status = AgentStatus.NO_CHANGE if no_change else AgentStatus.SUBMITTED
        self.finished = AgentFinished(status, summary, evidence, self.spend)

    def stop(self, status: AgentStatus, reason: str) -> None:
        """Effect: the session ended without being handed in; an earlier end stays."""
        if self.finished is None:
            self.finished = AgentFinished(status, "", (), self.spend, reason)
