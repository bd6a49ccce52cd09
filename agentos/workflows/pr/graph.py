"""The pr stage: publish, then put the commit where a person can judge it."""

from agentos.domain.pipeline import Stage
from agentos.workflows.kit.ci import Edge, after_look, rerun_checks, to_checks
from agentos.workflows.kit.permission import permit
from agentos.workflows.kit.stage import LEAVE, Compiled, StageGraph
from agentos.workflows.pr import checking, nodes, threads


def build() -> Compiled:
    """The stage's subgraph."""
    return _steps(StageGraph(Stage.PR, first="permit"), "publish", "deploy-review").compile()


def build_redeploy() -> Compiled:
    """The same steps as one step of the review stage: a new commit replaces the one that was looked at."""
    graph = StageGraph(Stage.REVIEW, first="permit", framed=False)
    step = "redeploy-review"
    more = ["answer_thread", "mark_ready", "invite"]
    graph.add(step, threads.find_threads, then=(threads.next_thread, more))
    graph.add(step, threads.answer_thread, then="resolve_thread")
    graph.add(step, threads.resolve_thread, then=(threads.next_thread, more))
    behind = (threads.after_package, ["find_threads", "mark_ready", "invite"])
    return _steps(graph, step, step, behind_package=behind).compile()


def _steps(
    graph: StageGraph,
    publish: str,
    deploy: str,
    *,
    behind_package: Edge = (threads.after_threads, ["mark_ready", "invite"]),
) -> StageGraph:
    graph.add(publish, permit, then="push")
    graph.add(publish, nodes.push, then="open_pr")
    graph.add(publish, nodes.open_pr, then="edit_pr")
    graph.add(publish, nodes.edit_pr, then=to_checks("deploy"))
    graph.add(deploy, checking.watch_checks, then=after_look("deploy"))
    graph.add(deploy, rerun_checks, then="watch_checks")
    graph.add(deploy, nodes.deploy, then="package")
    graph.add(deploy, nodes.package, then=behind_package)
    graph.add(deploy, nodes.mark_ready, then="invite")
    graph.add(deploy, nodes.invite, then="notify")
    return graph.add(deploy, nodes.notify, then=LEAVE)
