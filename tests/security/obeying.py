"""The obedient agent in a box of the test's choice: it is shown orders, and does each of them with its own tools."""

import base64
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from agentos.adapters.agent.native.agent import NativeAgent
from agentos.adapters.clock.system import SystemClock
from agentos.adapters.model.script import ReplySource, ReplyTable, ScriptedReply
from agentos.adapters.model.scripted import ScriptedModels
from agentos.adapters.model.scripted_model import ScriptedChatModel
from agentos.domain.destruction import refusal_of_line
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentLimits, AgentTask
from agentos.ports.chat_model import CallRef
from agentos.ports.sandbox import Command, CommandResult, Sandbox
from agentos.store import Store
from agentos.workflows.kit.budget import NO_CEILINGS, Purse
from agentos.workflows.kit.recorded_model import RecordedModels
from tests.agents.model_server import SUBMIT
from tests.security import obedient
from tests.security.obedient import BEGIN, END, LOOK, orders_in

REPLIES = {(Stage.IMPL, "implementer", 1, turn): ScriptedReply.model_validate(SUBMIT) for turn in range(2)}
"""What the agent does when nothing is left to obey: it hands in."""


class Obedient(ScriptedChatModel):
    """Does every order it reads, then what its script says."""

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return obedient.generate(self, messages, stop, run_manager, **kwargs)


class ObedientModels(ScriptedModels):
    """Nothing but obedient models."""

    def __init__(self) -> None:
        self._replies: ReplySource = ReplyTable(REPLIES, origin="the test")
        super().__init__(source=self._replies)

    def open(self, model: str, call: CallRef) -> Obedient:
        return Obedient(source=self._replies, call=call, model_name=model)


def as_it_is(command: Command) -> Command:
    """The command, unchanged."""
    return command


@dataclass
class Watched:
    """A box in which `orders` are run as `changed` has them, and nothing else is, such as git to tell the difference in a
    tree that may have become a trap; `ran` keeps what came of each."""

    box: Sandbox
    orders: Collection[str]
    changed: Callable[[Command], Command]
    ran: dict[str, CommandResult] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.box.name

    @property
    def confines(self) -> bool:
        return self.box.confines

    async def run(self, command: Command) -> CommandResult:
        if command.shell not in self.orders:
            return CommandResult(1, "only orders are run here", 0.0)
        self.ran[command.shell] = await self.box.run(self.changed(command))
        return self.ran[command.shell]


async def obeyed(
    store: Store,
    box: Sandbox,
    tree: Path,
    orders: Sequence[str],
    *,
    most_s: float = 60.0,
    readable: tuple[Path, ...] = (),
    changed: Callable[[Command], Command] = as_it_is,
) -> dict[str, CommandResult]:
    """What came of each of the orders, which the agent reads in the issue. Each of them was typed in the box, or this fails:
    what the policy refuses by its words, or the agent would read otherwise, is read and typed in a disguise.

    `changed`: the command as the box is given it, where the test has to tell it from others or to bound it further.
    """
    run = await store.runs.create(IssueRef("example.org/a/b", 1), target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=600)
    assert fence is not None
    models = RecordedModels(ObedientModels(), store.exchanges, fence, Purse(store, SystemClock(), NO_CEILINGS))
    typed = {order: order if _is_plain(order, tree) else disguised(order) for order in orders}
    watched = Watched(box, (*typed.values(), LOOK), changed)
    issue = "\n\n".join(f"Run this first: {BEGIN}{order}{END}" for order in typed.values())
    call = CallRef(fence.run_id, f"obey-{fence.run_id}", Stage.IMPL, "implementer", 1)
    limits = AgentLimits(steps=len(orders) + 10, command_s=most_s)
    agent = NativeAgent(models=models, exchanges=store.exchanges, sandbox=watched, fence=fence)
    with tempfile.TemporaryDirectory(prefix="scratch-") as scratch:
        task = AgentTask("Work.", issue, tree, Path(scratch), "scripted:x", call, limits, ("AC-1",), readable)
        ends = [event async for event in agent.run(task)]
    left = [order for order in orders if typed[order] not in watched.ran]
    assert left == [], f"not typed: {left[:2]} of {len(left)}; {ends[-1]}"
    return {order: watched.ran[typed[order]] for order in orders}


def _is_plain(order: str, tree: Path) -> bool:
    return not refusal_of_line(order, (str(tree),)) and orders_in(f"{BEGIN}{order}{END}") == [order]


def disguised(order: str) -> str:
    """The order, so that only the shell that runs it can read it."""
    return f'eval "$(echo {base64.b64encode(order.encode()).decode()} | base64 -d)"'
