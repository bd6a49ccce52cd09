"""The pr stage: publish, then put the commit where a person can judge it."""

from agentos.domain.pipeline import Stage
from agentos.workflows.kit.ci import rerun_checks
from agentos.workflows.kit.permission import permit
from agentos.workflows.kit.stage import LEAVE, Compiled, StageGraph
from agentos.workflows.pr import checking, nodes


def build() -> Compiled:
    """The stage's subgraph."""
    return _steps(StageGraph(Stage.PR, first="permit"), "publish", "deploy-review").compile()


def build_redeploy() -> Compiled:
    """The same steps as one step of the review stage: a new commit replaces the one that was looked at."""
    graph = StageGraph(Stage.REVIEW, first="permit", framed=False)
    return _steps(graph, "redeploy-review", "redeploy-review").compile()


def _steps(graph: StageGraph, publish: str, deploy: str) -> StageGraph:
    graph.add(publish, permit, then="push")
    graph.add(publish, nodes.push, then="open_pr")
    graph.add(publish, nodes.open_pr, then="edit_pr")
    graph.add(publish, nodes.edit_pr, then="watch_checks")
    graph.add(deploy, checking.watch_checks, then=(checking.after_checks, ["watch_checks", "rerun_checks", "deploy"]))
    graph.add(deploy, rerun_checks, then="watch_checks")
    graph.add(deploy, nodes.deploy, then="package")
    graph.add(deploy, nodes.package, then="invite")
    graph.add(deploy, nodes.invite, then="notify")
    return graph.add(deploy, nodes.notify, then=LEAVE)
