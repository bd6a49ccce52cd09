"""Leaving nothing behind: the steps that end a merged, cancelled or needless run. Every one may be repeated.

Commits are kept as a bundle before a branch goes; a branch that holds commits of somebody else stays.
"""

import asyncio
import shutil

from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.workflows.kit.commits import keep_commits
from agentos.workflows.kit.deployment import deploy_request
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Found, Step, StepFunction
from agentos.workspace.worktree import worktree_at

PR_CLOSED = EffectKey("pr-closed")
REFUSALS = frozenset({FailureKind.CONFLICT, FailureKind.INVALID})
"""A forge that will not give up a branch: somebody moved it, or has it checked out."""


async def keep_work(state: RunState, step: Step) -> RunState:
    """Commits that no passed change holds yet are in the artifact store."""
    branch, base, repo = state.get("branch", ""), state.get("base_sha", ""), step.ctx.repo
    head = await repo.resolve(f"refs/heads/{branch}") if branch else None
    if head is None or not base or await _reachable(step, head, (base, state.get("good_sha", ""))):
        return {}
    await keep_commits(step, branch, base, name="unfinished")
    return {}


async def _reachable(step: Step, head: str, kept: tuple[str, ...]) -> bool:
    """Whether one of the commits `kept` contains `head`."""
    repo = step.ctx.repo
    if await repo.resolve(head) is None:
        return False
    for sha in kept:
        if sha and await repo.resolve(sha) is not None and await repo.is_ancestor(head, sha):
            return True
    return False


async def teardown(state: RunState, step: Step) -> RunState:
    """Nothing of the issue is deployed any more."""
    request = deploy_request(step.ctx, state.get("good_sha", ""))
    done: Found = {}

    async def find() -> Found | None:
        # A deployer cannot say that nothing of a name runs, so taking down is repeated until it was recorded.
        return done or None

    async def act() -> None:
        await step.ctx.ports.deployer.teardown(request.name)
        await asyncio.to_thread(shutil.rmtree, request.folder.parent, ignore_errors=True)
        done["torn_down"] = request.name

    await step.once("teardown", find=find, act=act, version=_version(state, step), consent=False)
    return {}


async def close_pr(state: RunState, step: Step) -> RunState:
    """The branch's pull request is not open any more."""
    branch, forge = state.get("branch", ""), step.ctx.ports.forge
    found = await forge.find_pr(branch) if branch else None
    if found is None:
        return {}
    number = found.number

    async def find() -> Found | None:
        now = await forge.find_pr(branch)
        return {"number": number} if now is None or now.number != number or now.state != "open" else None

    async def act() -> None:
        await forge.close_pr(number)

    await step.once(PR_CLOSED, find=find, act=act, version=_version(state, step), consent=False)
    return {}


async def delete_branch(state: RunState, step: Step) -> RunState:
    """The branch is gone from the forge, unless it holds what the run record does not."""
    branch, forge = state.get("branch", ""), step.ctx.ports.forge
    ours = (state.get("good_sha", ""), state.get("merge_sha", ""))
    kept: Found = {}

    async def find() -> Found | None:
        head = await forge.branch_head(branch) if branch else None
        if head is None:
            return {"deleted": branch}
        if not await _reachable(step, head, ours):
            return {"kept": head, "why": "it holds commits that are not from this run"}
        return kept or None

    async def act() -> None:
        kept.update(await _delete(step, branch))

    await step.once("branch-deleted", find=find, act=act, version=_version(state, step), consent=False)
    return {}


async def _delete(step: Step, branch: str) -> Found:
    """What is left of the branch and why; nothing where it is gone."""
    forge = step.ctx.ports.forge
    head = await forge.branch_head(branch)
    try:
        if head is not None:
            await forge.delete_branch(branch, expected=head)
    except OutsideError as exc:
        if exc.kind not in REFUSALS:
            raise
        return {"kept": head, "why": str(exc)}
    return {}


async def remove_worktree(state: RunState, step: Step) -> RunState:
    """The worktree, its branch in our own repository and the run's scratch folder are gone."""
    ctx, branch = step.ctx, state.get("branch", "")
    tree = worktree_at(ctx.repo, ctx.home, str(ctx.issue.number), branch, state.get("base_sha", ""))

    async def find() -> Found | None:
        there = tree.path.exists() or ctx.folder.exists() or await ctx.repo.resolve(tree.ref) is not None
        return None if there else {"removed": branch}

    async def act() -> None:
        await tree.remove()
        head = await ctx.repo.resolve(tree.ref)
        if head is not None:
            await ctx.repo.delete_ref(tree.ref, head)
        await asyncio.to_thread(shutil.rmtree, ctx.folder, ignore_errors=True)

    if branch:
        await step.once("worktree-removed", find=find, act=act, version=_version(state, step), consent=False)
    return {}


def _version(state: RunState, step: Step) -> str:
    return f"{step.ctx.run.number}:{state.get('good_sha', '')}"


CLEANUP: tuple[StepFunction, ...] = (keep_work, teardown, close_pr, delete_branch, remove_worktree)
"""What a run that ends without a merge goes through, in this order."""
