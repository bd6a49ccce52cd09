"""A native agent on a scripted conversation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from agentos.adapters.agent.native.agent import NativeAgent
from agentos.adapters.agent.native.submission import LOOK
from agentos.adapters.clock.system import SystemClock
from agentos.adapters.model.script import ReplyTable, ScriptedReply
from agentos.adapters.model.scripted import ScriptedModels
from agentos.adapters.model.scripted_model import ScriptedChatModel
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.budget import Budgets
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentActed, AgentFinished, AgentLimits, AgentTask
from agentos.ports.chat_model import CallRef, ChatModels
from agentos.store import Store
from agentos.store.fence import Fence
from agentos.workflows.kit.budget import NO_CEILINGS, Purse
from agentos.workflows.kit.recorded_model import RecordedModels
from tests.agents.model_server import SUBMIT


@dataclass
class Played:
    """What a session came to; `results` are what the agent read of each tool call but submit, `heard` the messages of the last
    call that was not answered from the store."""

    acted: list[AgentActed]
    finished: AgentFinished
    results: list[str]
    heard: list[str]


class Heard(ScriptedChatModel):
    """Tells its script, and remembers what it was asked."""

    heard: Any

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kw: Any
    ) -> ChatResult:
        self.heard.append(messages)
        return super()._generate(messages, stop, run_manager, **kw)


class HeardModels(ScriptedModels):
    """Scripted models that remember what they were asked."""

    def __init__(self, source: ReplyTable, heard: list[list[BaseMessage]]) -> None:
        super().__init__(source=source)
        self._replies, self._heard = source, heard

    def open(self, model: str, call: CallRef) -> Heard:
        return Heard(source=self._replies, call=call, model_name=model, heard=self._heard)


class Bench:
    """Plays conversations with one native agent."""

    def __init__(self, store: Store, fence: Fence, folder: Path) -> None:
        self.store = store
        self.fence = fence
        self.heard: list[list[BaseMessage]] = []
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
        """An agent that is told `turns`; a last submit is repeated, for the first is only answered with the difference."""
        told = (*turns, SUBMIT) if turns[-1] is SUBMIT else turns
        replies = {
            (Stage.IMPL, "implementer", 1, turn): ScriptedReply.model_validate(reply) for turn, reply in enumerate(told)
        }
        scripted = HeardModels(ReplyTable(replies, origin="the test"), self.heard)
        models = self.recorded(scripted)
        return NativeAgent(models=models, exchanges=self.store.exchanges, sandbox=ProcessSandbox(), fence=self.fence)

    def recorded(self, models: ChatModels, budgets: Budgets = NO_CEILINGS) -> RecordedModels:
        return RecordedModels(models, self.store.exchanges, self.fence, Purse(self.store, SystemClock(), budgets))

    async def play(self, *turns: Mapping[str, Any], limits: AgentLimits | None = None) -> Played:
        task = replace(self.task, limits=limits or self.task.limits)
        events = [event async for event in self.agent(turns).run(task)]
        last = events[-1]
        assert isinstance(last, AgentFinished)
        rows = await self.store.db.rows("SELECT result FROM tool_calls WHERE call_id ~ '^[0-9]' ORDER BY started_at")
        return Played(
            [e for e in events if isinstance(e, AgentActed)],
            last,
            [text for row in rows if row["result"] and not (text := row["result"]["content"]).startswith(LOOK[:40])],
            [message.text for message in self.heard[-1]] if self.heard else [],
        )


@pytest.fixture
async def bench(store: Store, tmp_path: Path) -> Bench:
    run = await store.runs.create(IssueRef("example.org/a/b", 1), target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=600)
    assert fence is not None
    return Bench(store, fence, tmp_path)
