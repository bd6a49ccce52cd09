"""A coding agent that writes files from a table: for tests of what surrounds an agent."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from agentos.domain.budget import Spend
from agentos.domain.document import Evidence
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentActed, AgentEvent, AgentFinished, AgentStatus, AgentTask


@dataclass(frozen=True, slots=True)
class ScriptedSession:
    """What one session leaves: `files` by path, None for a file that goes away, and what it says at the end."""

    files: Mapping[str, str | None] = field(default_factory=dict)
    summary: str = "done as scripted"
    evidence: tuple[Evidence, ...] = ()
    status: AgentStatus = AgentStatus.SUBMITTED
    reason: str = ""


class ScriptedAgent:
    """Plays the session written down for a stage and round."""

    def __init__(self, *, sessions: Mapping[tuple[Stage, int], ScriptedSession]) -> None:
        self._sessions = dict(sessions)

    @property
    def name(self) -> str:
        """The backend's name."""
        return "scripted"

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        """Events of the session for the stage and round of `task.call`. Repeating it leaves the same files."""
        session = self._sessions.get((task.call.stage, task.call.round))
        if session is None:
            known = ", ".join(f"{stage} round {number}" for stage, number in self._sessions) or "none"
            raise UsageError(
                f"no session is scripted for {task.call.stage} round {task.call.round}; there are: {known}"
            )
        for path, content in session.files.items():
            place = task.cwd / path
            if content is None:
                place.unlink(missing_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(content, encoding="utf-8")
            yield AgentActed("write", path)
        evidence = session.evidence or tuple(Evidence(criterion, ("tests",)) for criterion in task.criteria)
        spend = Spend(calls=1)
        yield AgentFinished(session.status, session.summary, evidence, spend, session.reason)
