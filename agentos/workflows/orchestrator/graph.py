"""The outer graph: one node per stage, edges read off the table, one place where people are asked."""

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeAlias

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from agentos.domain.pipeline import Stage
from agentos.workflows.finalize import graph as finalize
from agentos.workflows.implementation import graph as implementation
from agentos.workflows.kit import cleanup
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.pause import wait_for_person
from agentos.workflows.kit.stage import Compiled
from agentos.workflows.kit.step import StepFunction, StepNode
from agentos.workflows.lld import graph as lld
from agentos.workflows.orchestrator import decomposing, nodes, rules
from agentos.workflows.orchestrator.state import OrchestrationState
from agentos.workflows.pr import graph as pr
from agentos.workflows.review import graph as review
from agentos.workflows.spec import graph as spec
from agentos.workflows.triage import graph as triage

Outer: TypeAlias = CompiledStateGraph[OrchestrationState, RunContext, OrchestrationState, OrchestrationState]
Draft: TypeAlias = StateGraph[OrchestrationState, RunContext, OrchestrationState, OrchestrationState]

ASKING: tuple[StepFunction, ...] = (nodes.prepare_wait, nodes.announce, nodes.notify)
CLEANING: tuple[StepFunction, ...] = (
    cleanup.keep_work,
    cleanup.teardown,
    cleanup.close_pr,
    cleanup.delete_branch,
    cleanup.remove_worktree,
    nodes.close_unchanged,
    nodes.say_goodbye,
)
PARTS: tuple[StepFunction, ...] = (decomposing.count_parts, decomposing.file_part, decomposing.close_decomposed)
SPECIAL = {
    rules.DECOMPOSE: PARTS[0].__name__,
    rules.ANNOUNCE: ASKING[0].__name__,
    rules.STOP: nodes.stop_here.__name__,
    rules.WIND_UP: CLEANING[0].__name__,
    rules.FINISHED: END,
}
TARGETS: dict[Hashable, str] = {str(stage): str(stage) for stage in Stage}
TARGETS.update(SPECIAL)
"""What a rule may answer -> the node it means."""


@cache
def stage_graphs() -> dict[Stage, Compiled]:
    """Every stage's subgraph, each callable alone with its own inputs; built once, for it takes a tenth of a second."""
    loop, redeploy = implementation.build_feedback_loop(), pr.build_redeploy()
    return {
        Stage.TRIAGE: triage.build(),
        Stage.LLD: lld.build(),
        Stage.SPEC: spec.build(),
        Stage.IMPL: implementation.build(),
        Stage.PR: pr.build(),
        Stage.REVIEW: review.build(feedback_implementation=loop, redeploy=redeploy),
        Stage.FINALIZE: finalize.build(),
    }


def build(saver: BaseCheckpointSaver[Any] | None = None) -> Outer:
    """The graph of a whole run, checkpointed by `saver`."""
    return _outer().copy({"checkpointer": saver})


@cache
def _outer() -> Outer:
    graph: Draft = StateGraph(OrchestrationState, context_schema=RunContext)
    for stage, subgraph in stage_graphs().items():
        graph.add_node(stage, subgraph)
        graph.add_conditional_edges(stage, _after_stage, TARGETS)
    graph.add_conditional_edges(START, _entry, TARGETS)
    graph.add_node(wait_for_person)
    graph.add_node("settle", StepNode(None, "settle", nodes.settle))
    graph.add_node("stop_here", StepNode(None, "stop_here", nodes.stop_here))
    _chain(graph, ASKING, then=wait_for_person.__name__)
    graph.add_edge(wait_for_person.__name__, "settle")
    graph.add_conditional_edges("settle", rules.after_decision, TARGETS)
    graph.add_edge("stop_here", END)
    _decompose(graph)
    _chain(graph, CLEANING, then=END)
    return graph.compile(name="orchestrator")


def _decompose(graph: Draft) -> None:
    """One visit a part: each is an effect of its own."""
    count, file, close = (function.__name__ for function in PARTS)
    for function in PARTS:
        graph.add_node(function.__name__, StepNode(None, function.__name__, function))
    for name in (count, file):
        graph.add_conditional_edges(name, decomposing.next_part, [file, close])
    graph.add_edge(close, CLEANING[0].__name__)


def _chain(graph: Draft, functions: tuple[StepFunction, ...], *, then: str) -> None:
    names = [function.__name__ for function in functions]
    for name, function, following in zip(names, functions, [*names[1:], then], strict=True):
        graph.add_node(name, StepNode(None, name, function))
        graph.add_edge(name, following)


def _entry(state: OrchestrationState, *, runtime: Runtime[RunContext]) -> str:
    """The stage a run begins with; one that begins behind a stage goes where that stage's conclusion leads."""
    return _after_stage(state, runtime=runtime) if state.get("current_stage") else state["entry_stage"]


def _after_stage(state: OrchestrationState, *, runtime: Runtime[RunContext]) -> str:
    settings = runtime.context.settings
    visits = settings.visits(Stage(state["current_stage"]))
    return rules.after_stage(state, settings.gates_on(), settings.until, visits)
