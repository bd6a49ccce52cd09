"""What an agent costs besides its model and its commands: the same small task by three of them, in turn, in one process.

Run as `python -m tests.bench.agents TRIES`; it prints {name: {"calls", "seconds": [...]}} as JSON;
of the native agent `boxed`, too: the seconds of them in which its commands ran.
"""

import asyncio
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from agentos.adapters.agent.native.agent import NativeAgent
from agentos.adapters.clock.system import SystemClock
from agentos.adapters.model.scripted import ReplyTable, ScriptedModels
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentFinished, AgentTask
from agentos.ports.chat_model import CallRef
from agentos.ports.sandbox import Command, CommandResult
from agentos.store import Store
from agentos.store.database import open_database
from agentos.workflows.kit.budget import Purse
from agentos.workflows.kit.recorded_model import RecordedModels

COMMANDS = tuple(f"echo line {n} >> notes.txt && cat notes.txt" for n in range(12))
SYSTEM, PROMPT = "You work in a folder.", "Write twelve lines to notes.txt."
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
Contestant = Callable[[Path], Awaitable[int]]
"""Does the task in a folder; the number of model calls it took."""


class Immediate(BaseChatModel):
    """Says the next thing at once: the commands one by one, then `last`."""

    last: tuple[AIMessage, ...]

    @property
    def _llm_type(self) -> str:
        return "immediate"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        turn = sum(isinstance(message, AIMessage) for message in messages)
        if turn < len(COMMANDS):
            answer = _call("bash", turn, command=COMMANDS[turn])
        else:
            answer = self.last[turn - len(COMMANDS)].model_copy()
        return ChatResult(generations=[ChatGeneration(message=answer)])

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return self._generate(messages)


def _call(tool: str, turn: int, **args: Any) -> AIMessage:
    called = [{"name": tool, "args": args, "id": f"c{turn}", "type": "tool_call"}]
    return AIMessage("", tool_calls=called, usage_metadata=USAGE)


async def bare(folder: Path) -> int:
    """The commands alone, by nobody."""
    for command in COMMANDS:
        await _shell(command, folder)
    return 0


async def plain(folder: Path) -> int:
    """LangChain's loop with one tool and nothing around it."""

    async def bash(command: str) -> str:
        """Run a shell command."""
        return await _shell(command, folder)

    agent = create_agent(Immediate(last=(AIMessage("done", usage_metadata=USAGE),)), tools=[bash], system_prompt=SYSTEM)
    done = await agent.ainvoke({"messages": [HumanMessage(PROMPT)]}, {"recursion_limit": 100})
    return sum(isinstance(message, AIMessage) for message in done["messages"])


async def _shell(command: str, folder: Path) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_shell(command, cwd=folder, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
    output, _ = await process.communicate()
    return output.decode()


class Clocked(ProcessSandbox):
    """Commands as processes, and the seconds one waited for them."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    async def run(self, command: Command) -> CommandResult:
        began = time.perf_counter()
        try:
            return await super().run(command)
        finally:
            self.seconds += time.perf_counter() - began


class Native:
    """The agent of AgentOS with its store in PostgreSQL, its commands as processes; `boxed`: how many seconds of each
    task its commands took."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._done = 0
        self.boxed: list[float] = []

    async def work(self, folder: Path) -> int:
        """The task, with both its submits."""
        self._done += 1
        store = self._store
        run = await store.runs.create(IssueRef("bench", self._done), target="t", profile="cli", options={})
        fence = await store.runs.acquire(run.ref.id, owner="bench", lease_s=600)
        assert fence is not None
        evidence = [{"criterion": "AC-1", "proofs": ["tests"]}]
        submits = tuple(_call("submit", 100 + n, summary="done", evidence=evidence) for n in range(2))

        class Models(ScriptedModels):
            def open(self, model: str, call: CallRef) -> BaseChatModel:
                return Immediate(last=submits)

        models = RecordedModels(
            Models(source=ReplyTable({}, origin="nothing")), store.exchanges, fence, Purse(store, SystemClock())
        )
        sandbox = Clocked()
        agent = NativeAgent(models=models, exchanges=store.exchanges, sandbox=sandbox, fence=fence)
        for name in ("tree", "scratch"):
            (folder / name).mkdir()
        call = CallRef(run.ref.id, f"task-{self._done}", Stage.IMPL, "implementer", 1)
        task = AgentTask(SYSTEM, PROMPT, folder / "tree", folder / "scratch", "x:y", call, criteria=("AC-1",))
        last = [event async for event in agent.run(task)][-1]
        assert isinstance(last, AgentFinished)
        assert last.status == "submitted", last
        self.boxed.append(sandbox.seconds)
        return last.spend.calls


async def mini(folder: Path) -> int:
    """mini-swe-agent with its own model for tests."""
    from minisweagent.agents.default import DefaultAgent
    from minisweagent.environments.local import LocalEnvironment
    from minisweagent.models.test_models import DeterministicModel, make_output

    commands = (*COMMANDS, "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT")
    outputs = [make_output("", [{"command": command}], cost=0.0) for command in commands]
    model = DeterministicModel(outputs=outputs, cost_per_call=0.0)  # type: ignore[no-untyped-call]
    agent = DefaultAgent(
        model,
        LocalEnvironment(cwd=str(folder)),
        system_template=SYSTEM,
        instance_template="{{task}}",
        output_path=folder / "trajectory.json",
    )
    agent.run(PROMPT)
    return agent.n_calls


async def compare(folder: Path, tries: int) -> dict[str, dict[str, Any]]:
    """Calls and seconds of each contestant, in turn, each once uncounted so that the process is warm."""
    async with open_database(folder / "home", None) as database:
        native = Native(Store.on(database, folder / "home"))
        contestants: dict[str, Contestant] = {
            "its commands alone": bare,
            "plain create_agent": plain,
            "native agent": native.work,
        }
        if importlib.util.find_spec("minisweagent") is not None:
            contestants["mini-swe-agent"] = mini
        taken: dict[str, dict[str, Any]] = {name: {"calls": 0, "seconds": []} for name in contestants}
        for number in range(1 + tries):
            for name, work in contestants.items():
                place = folder / f"{number}-{name.replace(' ', '-')}"
                place.mkdir()
                began = time.perf_counter()
                taken[name]["calls"] = await work(place)
                if number:
                    taken[name]["seconds"].append(time.perf_counter() - began)
        taken["native agent"]["boxed"] = native.boxed[1:]
        return taken


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="agentos-agents-") as name:
        # It would greet us and look for its settings.
        os.environ |= {"MSWEA_SILENT_STARTUP": "1", "MSWEA_GLOBAL_CONFIG_DIR": str(Path(name, "mini"))}
        print(json.dumps(asyncio.run(compare(Path(name), int(sys.argv[1])))))
