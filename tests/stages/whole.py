"""The outer graph over a stand: taken to its next wait, and on from there with a person's word."""

from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.pipeline import Stage
from agentos.workflows.kit.edits import reopened
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.state import RunState
from agentos.workflows.orchestrator.graph import Outer, build
from agentos.workflows.orchestrator.state import initial
from tests.stages.conftest import Stand


@dataclass
class Whole:
    """One run of the outer graph; `state` is what its last checkpoint holds."""

    stand: Stand
    graph: Outer = field(default_factory=lambda: build(InMemorySaver()))
    state: RunState = field(default_factory=lambda: RunState())
    said: int = 0

    async def begin(self, **state: Any) -> Wait | None:
        """What the run waits for first."""
        return await self._go({**initial(self.stand.ctx.issue.number, started_at="2026-01-01T00:00:00+00:00"), **state})

    async def says(self, kind: DecisionKind, text: str = "") -> Wait | None:
        """What the run waits for after a person's word."""
        self.said += 1
        asked, wait = await self._asked()
        decision = Decision(kind, "ann", f"test:{self.said}", text, subject=wait.subject, wait_id=asked)
        return await self._go(Command(resume={asked: dump(decision)}))

    async def looks(self) -> Wait | None:
        """What the run waits for after the program was called again, with nothing said."""
        asked, wait = await self._asked()
        answer = await reopened(self.stand.ctx, self.state, asked)
        return wait if answer is None else await self._go(Command(resume={asked: dump(answer)}))

    def visited(self) -> list[str]:
        """Stages with their number of visits, of those that were tried."""
        return [f"{stage} {count}" for stage, count in self.state["stage_attempts"].items()]

    async def _go(self, given: Any) -> Wait | None:
        await self.graph.ainvoke(given, self._config, context=self.stand.ctx)
        snapshot = await self.graph.aget_state(self._config)
        values: Any = snapshot.values
        self.state = values
        return load(Wait, snapshot.interrupts[0].value) if snapshot.interrupts else None

    async def _asked(self) -> tuple[str, Wait]:
        snapshot = await self.graph.aget_state(self._config)
        return snapshot.interrupts[0].id, load(Wait, snapshot.interrupts[0].value)

    @property
    def _config(self) -> Any:
        return {"configurable": {"thread_id": "whole"}, "recursion_limit": 500}


def entry(stage: Stage) -> dict[str, Any]:
    """The part of a first state that enters at `stage`."""
    return {"entry_stage": stage}
