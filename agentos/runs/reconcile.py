"""What people did outside while a run waited, read as their word: they closed or edited the issue, merged, or pushed.

What is no word but stands in the way (the issue is gone, the pull request closed, the branch deleted) stops the run.
"""

from typing import TYPE_CHECKING

from agentos.domain.decision import OF_A_PUSH, Decision, DecisionKind, Wait
from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import Stage
from agentos.domain.status import WaitKind
from agentos.ports.forge import PullRequest
from agentos.runs.decide import decide
from agentos.runs.desk import Desk
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.edits import MAX_EDITS, reopened
from agentos.workflows.kit.records import load
from agentos.workflows.kit.state import RunState

if TYPE_CHECKING:
    from langgraph.types import Interrupt


CLOSED = "issue-closed"
"""The source of the word of whoever closed the issue; nobody says it twice."""


def ends(decision: Decision) -> bool:
    """Whether a run ends with it wherever it stands: a cancel, and a refusal to go on after the world stopped it."""
    return decision.kind is DecisionKind.CANCEL or (decision.kind is DecisionKind.REJECT and not decision.wait_id)


async def heed_issue(desk: Desk, ctx: RunContext, state: RunState) -> None:
    """Effect: where a person closed the issue, that is recorded as their cancel.

    Raises: OutsideError, kind GONE, where the issue is not there any more.
    """
    if any(ends(row.decision) for row in await ctx.store.decisions.pending(ctx.run.id)):
        return
    if (await ctx.ports.tracker.get(ctx.issue.number)).is_open or await _ends_itself(ctx, state):
        return
    text = "The issue was closed by hand. Open it again and move it to Ready to begin anew."
    run = await ctx.store.runs.get(ctx.run.id)
    await decide(desk, run, Decision(DecisionKind.CANCEL, "agentos", CLOSED, text))


async def _ends_itself(ctx: RunContext, state: RunState) -> bool:
    """Whether the issue may be closed because of what the run did or is about to be told: its end, or a merge."""
    if state.get("merge_sha") or state.get("outcome"):
        return True
    begun = await ctx.store.effects.get(ctx.issue, EffectKey("close"))
    if begun is not None and begun.run_id == ctx.run.id:
        return True
    found = await ctx.ports.forge.find_pr(state["branch"]) if state.get("pr_number") else None
    return found is not None and found.state == "merged"


async def noticed(ctx: RunContext, state: RunState, asked: "Interrupt") -> Decision | None:
    """What stands for a person's word at the wait `asked`; None where nothing happened that answers it. Reads only."""
    wait = load(Wait, asked.value)
    looks = state.get("pr_number") and not state.get("merge_sha")
    found = await ctx.ports.forge.find_pr(state["branch"]) if looks else None
    kind = meant_by(found, wait)
    if found is not None and found.state != "merged" and wait.kind is WaitKind.REVIEW:
        head = _reviewable(found, await ctx.ports.forge.branch_head(found.branch))
        if await _is_pushed(ctx, state, head):
            source = f"{OF_A_PUSH}{head}"
            return Decision(DecisionKind.FEEDBACK, "agentos", source, "", subject=wait.subject, wait_id=asked.id)
    if kind is None or found is None:
        # At its bound the edit is what the run waits with: only a person lets it go on.
        return await reopened(ctx, state, asked.id) if wait.code != MAX_EDITS else None
    source = f"merged:{found.merge_sha[:12]}"
    return Decision(kind, "agentos", source, "it was merged by hand", subject=wait.subject, wait_id=asked.id)


def _reviewable(pr: PullRequest, head: str | None) -> str:
    """The `head` of the branch that is reviewed.

    Raises: OutsideError where a person closed the pull request or deleted its branch.
    """
    if head is not None and pr.state == "open":
        return head
    if head is None:
        what, mend = f"the branch {pr.branch} was deleted by hand", f"restore it, and see that {pr.url} is open"
    else:
        what, mend = f"pull request {pr.number} was closed by hand", f"reopen {pr.url}"
    raise OutsideError(
        f"{what}, so there is nothing to review: {mend}, then retry; or reject", kind=FailureKind.CONFLICT
    )


async def _is_pushed(ctx: RunContext, state: RunState, head: str) -> bool:
    """Whether a person pushed `head`: the run made neither it nor anything that holds it."""
    if head == state["good_sha"]:
        return False
    return await ctx.repo.resolve(head) is None or not await ctx.repo.is_ancestor(head, state["good_sha"])


def meant_by(found: PullRequest | None, wait: Wait) -> DecisionKind | None:
    """What a merge by hand says at `wait`: yes, in a review of exactly that commit; look again, where merging is due."""
    if found is None or not found.merge_sha:
        return None
    if wait.kind is WaitKind.REVIEW:
        return DecisionKind.APPROVE if found.head_sha == wait.subject else None
    return DecisionKind.RETRY if wait.stage is Stage.FINALIZE else None
