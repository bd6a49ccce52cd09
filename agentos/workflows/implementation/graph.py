"""The implementation stage: plan in hand, code → commit → test → review, and back to the code until it passes."""

from agentos.domain.pipeline import Stage
from agentos.workflows.implementation import nodes
from agentos.workflows.kit.stage import LEAVE, Compiled, Router, StageGraph
from agentos.workflows.kit.state import RunState


def build() -> Compiled:
    """The stage's subgraph."""
    graph = StageGraph(Stage.IMPL, first="prepare")
    return _loop(graph, ("workspace", "code", "test", "change-review")).compile()


def build_feedback_loop() -> Compiled:
    """The same loop as one step of the review stage: it works in what the operator asked for."""
    graph = StageGraph(Stage.REVIEW, first="prepare", framed=False)
    return _loop(graph, ("feedback-implementation",) * 4).compile()


def _loop(graph: StageGraph, steps: tuple[str, str, str, str]) -> StageGraph:
    workspace, code, test, review = steps
    graph.add(workspace, nodes.prepare, then="baseline")
    graph.add(workspace, nodes.baseline, then=(_first, ["code", "test"]))
    graph.add(code, nodes.code, then="commit")
    graph.add(code, nodes.commit, then=(_found("consider_tests", "test"), ["consider_tests", "test"]))
    graph.add(test, nodes.test, then=(_found("keep_best", "review"), ["keep_best", "review"]))
    graph.add(test, nodes.keep_best, then="consider_tests")
    graph.add(test, nodes.consider_tests, then="code")
    graph.add(review, nodes.review, then=(_found("consider_review", "conclude"), ["consider_review", "conclude"]))
    graph.add(review, nodes.consider_review, then="code")
    return graph.add(review, nodes.conclude, then=LEAVE)


def _first(state: RunState) -> str:
    """What a person pushed is measured before anybody works on it."""
    return "test" if state.get("pushed") == state["head_sha"] and "session" in state["artifacts"] else "code"


def _found(some: str, none: str) -> Router:
    def route(state: RunState) -> str:
        return some if state.get("findings") else none

    return route
