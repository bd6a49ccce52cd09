"""What every coding agent promises, each told the same work in its own way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentos.adapters.agent.native.agent import NativeAgent
from agentos.adapters.agent.scripted import ScriptedAgent, ScriptedSession
from agentos.adapters.clock.system import SystemClock
from agentos.adapters.model.script import Key, ReplyTable, ScriptedReply
from agentos.adapters.model.scripted import ScriptedModels
from agentos.adapters.registry import BACKENDS
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.document import Evidence
from agentos.domain.error import UsageError
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentActed, AgentEvent, AgentFinished, AgentStatus, AgentTask, CodingAgent
from agentos.ports.chat_model import CallRef
from agentos.store import Store
from agentos.store.fence import Fence
from agentos.workflows.kit.budget import Purse
from agentos.workflows.kit.recorded_model import RecordedModels

EVIDENCE = (Evidence("AC-1", ("tests/test_a.py::test_a",)),)


@pytest.fixture
async def fence(store: Store) -> Fence:
    run = await store.runs.create(IssueRef("example.org/a/b", 1), target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=600)
    assert fence is not None
    return fence


Make = Callable[[dict[str, str], AgentStatus], CodingAgent]


@pytest.fixture(params=sorted(BACKENDS["agent"]))
def make(request: pytest.FixtureRequest, store: Store, fence: Fence) -> Make:
    """An agent whose one session writes the given files and hands in with the given status."""
    made: Make = {"scripted": scripted, "native": lambda files, status: native(store, fence, files, status)}[
        request.param
    ]
    return made


def scripted(files: dict[str, str], status: AgentStatus) -> CodingAgent:
    session = ScriptedSession(files, summary="what was done", evidence=EVIDENCE, status=status)
    return ScriptedAgent(sessions={(Stage.IMPL, 1): session})


def native(store: Store, fence: Fence, files: dict[str, str], status: AgentStatus) -> CodingAgent:
    writes = [{"name": "write", "args": {"path": path, "content": text}} for path, text in files.items()]
    submit = {
        "summary": "what was done",
        "evidence": [{"criterion": item.criterion, "proofs": list(item.proofs)} for item in EVIDENCE],
        "no_change": status is AgentStatus.NO_CHANGE,
    }
    turns: list[dict[str, Any]] = [{"tool_calls": writes}] if writes else []
    turns += [{"tool_calls": [{"name": "submit", "args": submit}]}] * 2  # the first is answered with the difference
    replies: dict[Key, ScriptedReply] = {
        (Stage.IMPL, "implementer", 1, turn): ScriptedReply.model_validate(reply) for turn, reply in enumerate(turns)
    }
    models = RecordedModels(
        ScriptedModels(source=ReplyTable(replies, origin="the test")),
        store.exchanges,
        fence,
        Purse(store, SystemClock()),
    )
    return NativeAgent(models=models, exchanges=store.exchanges, sandbox=ProcessSandbox(), fence=fence)


@pytest.fixture
def task(tmp_path: Path) -> AgentTask:
    for name in ("tree", "scratch"):
        (tmp_path / name).mkdir()
    call = CallRef(1, "task-1", Stage.IMPL, "implementer", 1)
    return AgentTask("Work.", "Do it.", tmp_path / "tree", tmp_path / "scratch", "scripted:x", call, criteria=("AC-1",))


async def told(agent: CodingAgent, task: AgentTask) -> list[AgentEvent]:
    return [event async for event in agent.run(task)]


async def test_a_session_ends_with_what_it_did_and_its_files_are_there(make: Make, task: AgentTask) -> None:
    events = await told(make({"a.txt": "one\n", "b/c.txt": "two\n"}, AgentStatus.SUBMITTED), task)
    last = events[-1]
    assert isinstance(last, AgentFinished)
    assert (last.status, last.summary, last.evidence) == (AgentStatus.SUBMITTED, "what was done", EVIDENCE)
    assert last.spend.calls > 0
    assert (task.cwd / "a.txt").read_text() == "one\n"
    assert (task.cwd / "b" / "c.txt").read_text() == "two\n"
    assert [event.line for event in events if isinstance(event, AgentActed)][:2] == ["a.txt", "b/c.txt"]


async def test_only_the_last_event_ends_the_session(make: Make, task: AgentTask) -> None:
    events = await told(make({"a.txt": "one\n"}, AgentStatus.SUBMITTED), task)
    assert [isinstance(event, AgentFinished) for event in events] == [False] * (len(events) - 1) + [True]


async def test_a_session_run_again_tells_the_same_and_leaves_the_same_files(make: Make, task: AgentTask) -> None:
    agent = make({"a.txt": "one\n"}, AgentStatus.SUBMITTED)
    first = await told(agent, task)
    assert await told(agent, task) == first
    assert [path.name for path in task.cwd.iterdir()] == ["a.txt"]


async def test_an_agent_that_finds_nothing_to_change_says_so(make: Make, task: AgentTask) -> None:
    last = (await told(make({}, AgentStatus.NO_CHANGE), task))[-1]
    assert isinstance(last, AgentFinished)
    assert last.status is AgentStatus.NO_CHANGE
    assert list(task.cwd.iterdir()) == []


async def test_a_session_nobody_wrote_down_is_refused(make: Make, task: AgentTask) -> None:
    other = AgentTask("", "", task.cwd, task.scratch, "scripted:x", CallRef(1, "t", Stage.REVIEW, "implementer", 4))
    with pytest.raises(UsageError, match="review"):
        await told(make({"a.txt": "x"}, AgentStatus.SUBMITTED), other)
