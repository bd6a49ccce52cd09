"""A native agent on a scripted conversation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agentos.adapters.agent.native.agent import NativeAgent
from agentos.adapters.model.script import ReplyTable, ScriptedReply
from agentos.adapters.model.scripted import ScriptedModels
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentActed, AgentFinished, AgentLimits, AgentTask
from agentos.ports.chat_model import CallRef
from agentos.store import Store
from agentos.store.fence import Fence
from agentos.workflows.kit.recorded_model import RecordedModels


@dataclass
class Played:
    """What a session came to; `results` are what the agent read of each tool call."""

    acted: list[AgentActed]
    finished: AgentFinished
    results: list[str]


class Bench:
    """Plays conversations with one native agent."""

    def __init__(self, store: Store, fence: Fence, folder: Path) -> None:
        self.store = store
        self.fence = fence
        self.tree = folder / "tree"
        self.scratch = folder / "scratch"
        for each in (self.tree, self.scratch):
            each.mkdir()
        self.task = AgentTask(
            "Work.",
            "Do it.",
            self.tree,
            self.scratch,
            "scripted:x",
            CallRef(fence.run_id, "task-1", Stage.IMPL, "implementer", 1),
            AgentLimits(),
            ("AC-1",),
        )

    def agent(self, turns: tuple[Mapping[str, Any], ...]) -> NativeAgent:
        replies = {
            (Stage.IMPL, "implementer", 1, turn): ScriptedReply.model_validate(reply)
            for turn, reply in enumerate(turns)
        }
        models = RecordedModels(
            ScriptedModels(source=ReplyTable(replies, origin="the test")), self.store.exchanges, self.fence
        )
        return NativeAgent(models=models, exchanges=self.store.exchanges, sandbox=ProcessSandbox(), fence=self.fence)

    async def play(self, *turns: Mapping[str, Any], limits: AgentLimits | None = None) -> Played:
        task = replace(self.task, limits=limits or self.task.limits)
        events = [event async for event in self.agent(turns).run(task)]
        last = events[-1]
        assert isinstance(last, AgentFinished)
        rows = await self.store.db.rows("SELECT result FROM tool_calls ORDER BY started_at")
        return Played(
            [e for e in events if isinstance(e, AgentActed)], last, [row["result"]["content"] for row in rows]
        )


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> Bench:
    run = await store.runs.create(IssueRef("example.org/a/b", 1), target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=600)
    assert fence is not None
    return Bench(store, fence, tmp_path)
