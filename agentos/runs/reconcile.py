"""What people did outside while a run waited, read as their word: they merged by hand, or edited the issue."""

from typing import TYPE_CHECKING

from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.pipeline import Stage
from agentos.domain.status import WaitKind
from agentos.ports.forge import PullRequest
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.edits import MAX_EDITS, reopened
from agentos.workflows.kit.records import load
from agentos.workflows.kit.state import RunState

if TYPE_CHECKING:
    from langgraph.types import Interrupt


async def noticed(ctx: RunContext, state: RunState, asked: "Interrupt") -> Decision | None:
    """What stands for a person's word at the wait `asked`; None where nothing happened that answers it. Reads only."""
    wait = load(Wait, asked.value)
    looks = state.get("pr_number") and not state.get("merge_sha")
    found = await ctx.ports.forge.find_pr(state["branch"]) if looks else None
    kind = meant_by(found, wait)
    if kind is None or found is None:
        # At its bound the edit is what the run waits with: only a person lets it go on.
        return await reopened(ctx, state, asked.id) if wait.code != MAX_EDITS else None
    source = f"merged:{found.merge_sha[:12]}"
    return Decision(kind, "agentos", source, "it was merged by hand", subject=wait.subject, wait_id=asked.id)


def meant_by(found: PullRequest | None, wait: Wait) -> DecisionKind | None:
    """What a merge by hand says at `wait`: yes, in a review of exactly that commit; look again, where merging is due."""
    if found is None or not found.merge_sha:
        return None
    if wait.kind is WaitKind.REVIEW:
        return DecisionKind.APPROVE if found.head_sha == wait.subject else None
    return DecisionKind.RETRY if wait.stage is Stage.FINALIZE else None
