"""The subgraph of triage."""

from agentos.domain.pipeline import Stage
from agentos.workflows.kit.stage import Compiled, StageGraph
from agentos.workflows.kit.state import RunState
from agentos.workflows.triage import nodes


def build() -> Compiled:
    """Triage, ready to be a node of the pipeline."""
    graph = StageGraph(Stage.TRIAGE, first="read_issue")
    graph.add("kickoff", nodes.read_issue, then="recall_brief")
    graph.add("kickoff", nodes.recall_brief, then=(_after_recall, ["judge_brief", "check_intake"]))
    graph.add("kickoff", nodes.check_intake, then="write_brief")
    graph.add("clarification", nodes.write_brief, then="judge_brief")
    graph.add("clarification", nodes.judge_brief, then="keep_brief")
    graph.add("clarification", nodes.keep_brief, then="authorise")
    graph.add("clarification", nodes.authorise)
    return graph.compile()


def _after_recall(state: RunState) -> str:
    return "judge_brief" if Stage.TRIAGE in state.get("skipped", {}) else "check_intake"
