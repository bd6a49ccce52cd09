"""The subgraph of lld."""

from agentos.domain.pipeline import Stage
from agentos.workflows.kit.stage import Compiled, StageGraph
from agentos.workflows.kit.state import RunState
from agentos.workflows.lld import nodes


def build() -> Compiled:
    """Design and design review, ready to be a node of the pipeline."""
    graph = StageGraph(Stage.LLD, first="draft", skip=nodes.skip)
    graph.add("design", nodes.draft, then="check")
    graph.add("design", nodes.check, then=(_after_check, ["draft", "review"]))
    graph.add("design-review", nodes.review, then=(_after_review, ["draft", "keep"]))
    graph.add("design-review", nodes.keep, then="publish")
    graph.add("design-review", nodes.publish)
    return graph.compile()


def _after_check(state: RunState) -> str:
    return "draft" if state.get("findings") else "review"


def _after_review(state: RunState) -> str:
    return "draft" if state.get("findings") else "keep"
