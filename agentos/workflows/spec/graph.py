"""The subgraph of spec."""

from agentos.domain.pipeline import Stage
from agentos.workflows.kit.stage import Compiled, StageGraph
from agentos.workflows.kit.state import RunState
from agentos.workflows.spec import nodes


def build() -> Compiled:
    """Plan and plan review, ready to be a node of the pipeline."""
    graph = StageGraph(Stage.SPEC, first="draft", skip=nodes.skip)
    graph.add("plan", nodes.draft, then="check")
    graph.add("plan", nodes.check, then=(_after_check, ["draft", "review"]))
    graph.add("plan-review", nodes.review, then=(_after_review, ["draft", "keep"]))
    graph.add("plan-review", nodes.keep, then="publish")
    graph.add("plan-review", nodes.publish)
    return graph.compile()


def _after_check(state: RunState) -> str:
    return "draft" if state.get("findings") else "review"


def _after_review(state: RunState) -> str:
    return "draft" if state.get("findings") else "keep"
