"""The frame around every stage's subgraph: it enters, runs its steps as its rules say, and leaves with a verdict."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agentos.domain.error import Crowded
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage, Verdict
from agentos.store.runs import Change
from agentos.workflows.kit.board import show_board, show_timeline
from agentos.workflows.kit.budget import require_budget
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.edits import notice_edit
from agentos.workflows.kit.pause import awaited, wait_for_person
from agentos.workflows.kit.state import RunState, with_item
from agentos.workflows.kit.step import Step, StepFunction, StepNode
from agentos.workflows.kit.verdict import passed, with_error

LEAVE = "leave"
Router: TypeAlias = Callable[[RunState], str]
SkipRule: TypeAlias = Callable[[RunState, Step], Awaitable[tuple[str, RunState] | None]]
Compiled: TypeAlias = CompiledStateGraph[RunState, RunContext, RunState, RunState]


class StageGraph:
    """Builds one stage's subgraph.

    Nodes carry their function's name; `then` is the next node, or a router with the nodes it may choose. A node that
    sets a verdict other than PASS leaves the stage at once.
    """

    def __init__(self, stage: Stage, *, first: str, skip: SkipRule | None = None, framed: bool = True) -> None:
        """`framed` False: a part of another stage, which has entered and will leave for itself."""
        self.stage = stage
        self._graph: StateGraph[RunState, RunContext, RunState, RunState] = StateGraph(
            RunState, context_schema=RunContext
        )
        self._skip = skip
        self._graph.add_node("enter", StepNode(stage, "enter", self._enter if framed else _begin))
        self._graph.add_node(LEAVE, StepNode(stage, LEAVE, self._leave if framed else _finish))
        self._graph.add_edge(START, "enter")
        self._graph.add_conditional_edges("enter", _unless_decided(lambda _: first), [first, LEAVE])
        self._graph.add_edge(LEAVE, END)

    def add(self, step: str, function: StepFunction, *, then: str | tuple[Router, list[str]] = LEAVE) -> "StageGraph":
        """The graph with one more node, shown to people as `step`."""
        self._graph.add_node(function.__name__, StepNode(self.stage, step, function))
        self._connect(function.__name__, then)
        return self

    def add_graph(self, name: str, graph: Compiled, *, then: str | tuple[Router, list[str]]) -> "StageGraph":
        """The graph with another compiled subgraph as one of its steps."""
        self._graph.add_node(name, graph)
        self._connect(name, then)
        return self

    def add_wait(self, *, then: str | tuple[Router, list[str]]) -> "StageGraph":
        """The graph with the node `wait_for_person`, which pauses the run until a decision comes."""
        self._graph.add_node(wait_for_person.__name__, wait_for_person)
        self._connect(wait_for_person.__name__, then)
        return self

    def compile(self) -> Compiled:
        """The subgraph, to be added as a node: called inside a node it would run again from its top on resume."""
        return self._graph.compile(name=self.stage)

    def _connect(self, name: str, then: str | tuple[Router, list[str]]) -> None:
        router, targets = (then[0], then[1]) if isinstance(then, tuple) else (_always(then), [then])
        self._graph.add_conditional_edges(name, _unless_decided(router), sorted({*targets, LEAVE}))

    async def _enter(self, state: RunState, step: Step) -> RunState:
        tries = state.get("stage_attempts", {}).get(self.stage, 0) + 1
        await step.move(Change(stage=self.stage, step="enter"), EventKind.STAGE_STARTED, tries=tries)
        with suppress(Crowded):
            await show_board(step)
        update: RunState = {
            "current_stage": self.stage,
            "stage_attempts": with_item(state.get("stage_attempts"), self.stage, tries),
            "stage_started_at": step.ctx.ports.clock.now().isoformat(),
            "verdict": "",
            "skipped": {name: why for name, why in state.get("skipped", {}).items() if name != self.stage},
        }
        edit = await notice_edit(state, step)
        if edit.get("verdict"):  # nothing was tried on a text nobody wants any more
            return {"current_stage": self.stage, **edit}
        update.update(edit)
        await require_budget(step.ctx, self.stage)
        skip = await self._skip(state, step) if self._skip is not None else None
        if skip is not None:
            reason, extra = skip
            await step.emit(EventKind.STAGE_SKIPPED, reason=reason)
            skipped = with_item(update["skipped"], self.stage, reason)
            return {**update, **extra, **passed(), "skipped": skipped}
        return update

    async def _leave(self, state: RunState, step: Step) -> RunState:
        verdict = state.get("verdict", "")
        wait = awaited(state)
        why = wait.title if wait is not None and verdict == Verdict.BLOCK else ""
        if verdict == Verdict.RETRY:
            errors = state.get("stage_errors", {}).get(self.stage, [])
            why = "the issue was edited" if state.get("edited") else "".join(errors[-1:])
        await step.emit(EventKind.STAGE_ENDED, verdict=verdict, why=why, outcome=state.get("outcome", ""))
        with suppress(Crowded):
            await show_timeline(step)
        failed = why and verdict == Verdict.BLOCK
        return {"stage_errors": with_error(state, self.stage, why)} if failed else {"current_stage": self.stage}


async def _begin(state: RunState, step: Step) -> RunState:
    return {"verdict": ""}


async def _finish(state: RunState, step: Step) -> RunState:
    """A part that passed decides nothing for the stage around it; one that blocked does."""
    return {"verdict": "" if state.get("verdict") == Verdict.PASS else state.get("verdict", "")}


def _always(name: str) -> Router:
    return lambda _: name


def _unless_decided(router: Router) -> Router:
    """`router`, but leaving the stage as soon as a verdict stands."""

    def route(state: RunState) -> str:
        return LEAVE if state.get("verdict") or state.get("outcome") else router(state)

    return route
