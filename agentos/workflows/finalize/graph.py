"""The finalize stage: merge, verify, follow up, close out."""

from agentos.domain.pipeline import Stage
from agentos.workflows.finalize import checking, merging, nodes, reverting, rules, verifying
from agentos.workflows.kit import cleanup
from agentos.workflows.kit.ci import after_look, rerun_checks, to_checks
from agentos.workflows.kit.pause import wait_for_person
from agentos.workflows.kit.stage import LEAVE, Compiled, StageGraph
from agentos.workflows.kit.state import RunState, used

MERGE, VERIFY, CAPTURE, CLOSE = "merge", "post-merge-verify", "follow-up-capture", "closeout"
ASK = wait_for_person.__name__


def build() -> Compiled:
    """The stage's subgraph."""
    graph = StageGraph(Stage.FINALIZE, first="authority")
    graph.add(MERGE, merging.authority, then=(_after_authority, ["file_revert", "verify", "hand_over", "sync"]))
    graph.add(MERGE, merging.hand_over, then="notify")
    graph.add(MERGE, merging.notify, then=ASK)
    graph.add_wait(then="settle_dossier")
    graph.add(MERGE, merging.settle_dossier, then=(_after_dossier, ["authority", "sync"]))
    graph.add(MERGE, merging.sync, then=(_after_sync, ["rework", *to_checks("merge")[1]]))
    graph.add(MERGE, merging.rework, then="tell_rework")
    graph.add(MERGE, merging.tell_rework, then=LEAVE)
    graph.add(MERGE, checking.watch_checks, then=after_look("merge"))
    graph.add(MERGE, rerun_checks, then="watch_checks")
    graph.add(MERGE, merging.merge, then=(_after_merge, ["verify", "sync"]))
    graph.add(VERIFY, verifying.verify, then=(_after_verify, ["consider_verify", "propose_follow_ups"]))
    graph.add(VERIFY, verifying.consider_verify, then="verify")
    graph.add(VERIFY, reverting.file_revert, then="push_revert")
    graph.add(VERIFY, reverting.push_revert, then=(_after_push, ["open_revert", "verify"]))
    graph.add(VERIFY, reverting.open_revert, then="verify")
    graph.add(CAPTURE, nodes.propose_follow_ups, then=(_filing, ["file_follow_up", "report"]))
    graph.add(CAPTURE, nodes.file_follow_up, then=(_filing, ["file_follow_up", "report"]))
    graph.add(CLOSE, nodes.report, then="close")
    graph.add(CLOSE, nodes.close, then="teardown")
    graph.add(CLOSE, cleanup.teardown, then="delete_branch")
    graph.add(CLOSE, cleanup.delete_branch, then="remove_worktree")
    graph.add(CLOSE, cleanup.remove_worktree, then="finish")
    return graph.add(CLOSE, nodes.finish, then=LEAVE).compile()


def _after_authority(state: RunState) -> str:
    if state.get("merge_sha"):
        wanted = state.get("revert_of") == state["merge_sha"] and "revert_pr" not in state
        return "file_revert" if wanted else "verify"
    return "hand_over" if state.get("wait") else "sync"


def _after_push(state: RunState) -> str:
    return "verify" if "revert_pr" in state else "open_revert"


def _after_dossier(state: RunState) -> str:
    """Whatever else the person says, the forge is looked at again: it may be merged by now."""
    return "sync" if rules.lets_merge(state) else "authority"


def _after_sync(state: RunState) -> str:
    return "rework" if state.get("findings") else to_checks("merge")[0](state)


def _after_merge(state: RunState) -> str:
    """Not merged and not blocked: the base moved on at the last moment."""
    return "verify" if state.get("merge_sha") else "sync"


def _after_verify(state: RunState) -> str:
    return "consider_verify" if state.get("findings") else "propose_follow_ups"


def _filing(state: RunState) -> str:
    return "file_follow_up" if used(state, rules.UNFILED) > 0 else "report"
