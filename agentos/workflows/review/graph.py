"""The review stage: ask; on feedback work, deploy again, and ask again."""

from agentos.domain.pipeline import Stage
from agentos.workflows.kit.pause import wait_for_person
from agentos.workflows.kit.stage import Compiled, StageGraph
from agentos.workflows.kit.state import RunState
from agentos.workflows.review import nodes

INTAKE, WORK, REDEPLOY = "review-intake", "feedback-implementation", "redeploy-review"
ASK = wait_for_person.__name__


def build(*, feedback_implementation: Compiled, redeploy: Compiled) -> Compiled:
    """The stage's subgraph, around the two it is given: stages do not know each other."""
    graph = StageGraph(Stage.REVIEW, first="intake")
    graph.add(INTAKE, nodes.intake, then=(_after_intake, [WORK, REDEPLOY, ASK]))
    graph.add_wait(then="settle")
    graph.add(INTAKE, nodes.settle, then=(_after_settle, [WORK, ASK]))
    graph.add_graph(WORK, feedback_implementation, then=REDEPLOY)
    graph.add_graph(REDEPLOY, redeploy, then="intake")
    return graph.compile()


def _after_intake(state: RunState) -> str:
    """Feedback first; then a commit nobody was shown yet; else the question."""
    if state.get("feedback"):
        return WORK
    return ASK if state.get("wait") else REDEPLOY


def _after_settle(state: RunState) -> str:
    return WORK if state.get("feedback") else ASK
