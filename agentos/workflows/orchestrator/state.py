"""The state of a whole run: what the stages share, and how it begins."""

from collections.abc import Mapping
from typing import Any

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import Decision
from agentos.domain.error import UsageError
from agentos.domain.pipeline import ROWS, TABLE, Outcome, Stage
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import GRAPH_VERSION, RunState


class OrchestrationState(RunState, total=False):
    """The outer graph's state; its fields are those of the stages, so that a subgraph is a plain node of it."""


_MADE_BY: dict[Stage, tuple[str, ...]] = {
    Stage.TRIAGE: (
        "issue_digest",
        "route",
        "issue_brief_path",
        "branch",
        "base_branch",
        "base_sha",
        "answers",
    ),
    Stage.LLD: ("lld_path",),
    Stage.SPEC: ("spec_path",),
    Stage.IMPL: ("head_sha", "good_sha", "permitted"),
    Stage.PR: ("pr_number", "pr_url", "no_draft", "no_ci", "deployment"),
    Stage.REVIEW: ("approved_sha", "cycle"),
    Stage.FINALIZE: ("merge_sha", "follow_ups"),
}
_DOCUMENTS_BY: dict[Stage, tuple[str, ...]] = {
    Stage.TRIAGE: (ArtifactKind.BRIEF,),
    Stage.LLD: (ArtifactKind.LLD,),
    Stage.SPEC: (ArtifactKind.SPEC,),
    Stage.IMPL: ("baseline", "session", "change"),
    Stage.PR: (ArtifactKind.PACKAGE,),
}
_NEEDED: dict[Stage, tuple[str, ...]] = {
    Stage.LLD: ("issue_brief_path",),
    Stage.SPEC: ("issue_brief_path",),
    Stage.IMPL: ("issue_brief_path",),
    Stage.PR: ("issue_brief_path", "good_sha"),
    Stage.REVIEW: ("issue_brief_path", "good_sha", "pr_url"),
    Stage.FINALIZE: ("issue_brief_path", "good_sha", "pr_url", "approved_sha"),
}


def initial(issue_number: int, *, started_at: str) -> OrchestrationState:
    """The state in which a run starts at triage."""
    return {
        "graph_version": GRAPH_VERSION,
        "issue_number": issue_number,
        "entry_stage": Stage.TRIAGE,
        "started_at": started_at,
    }


def resumed(former: Mapping[str, Any], stage: Stage, *, started_at: str) -> OrchestrationState:
    """The state in which a new run enters at `stage` with what the former run made before it.

    Raises UsageError where the former run never made something `stage` stands on.
    """
    missing = [key for key in _NEEDED.get(stage, ()) if not former.get(key)]
    if missing:
        words = ", ".join(missing)
        raise UsageError(f"--resume-from {stage} needs {words} of an earlier run, which is not there; start earlier")
    earlier = [row.stage for row in TABLE[: TABLE.index(ROWS[stage])]]
    kept = {key: former[key] for made in earlier for key in _MADE_BY[made] if key in former}
    documents = [name for made in earlier for name in _DOCUMENTS_BY.get(made, ())]
    artifacts = {name: sha for name, sha in former.get("artifacts", {}).items() if name in documents}
    state = initial(former["issue_number"], started_at=started_at)
    state.update(kept)  # type: ignore[typeddict-item]  # keys of `_MADE_BY`, which a test compares with the schema
    state.update({"entry_stage": stage, "resumed_from": stage, "artifacts": artifacts})
    if "good_sha" in state:
        state["head_sha"] = state["good_sha"]
    return state


def cancelled(entry: OrchestrationState, said: Decision) -> OrchestrationState:
    """`entry`, of a run that was told to leave before it began: it starts with the clean-up."""
    return {
        **entry,
        "current_stage": entry["entry_stage"],
        "decision": dump(said),
        "outcome": Outcome.CANCELLED,
    }
