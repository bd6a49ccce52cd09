"""The first steps of the finalize stage: who merges, whether it is still what was approved, and the merge."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import DecisionKind
from agentos.domain.document import Finding
from agentos.domain.error import OutsideError
from agentos.domain.event import EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.package import ReviewPackage
from agentos.domain.pipeline import Outcome, Stage
from agentos.workflows.finalize import rules
from agentos.workflows.finalize.rules import Way
from agentos.workflows.finalize.verifying import failures_at
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.board import say
from agentos.workflows.kit.commits import commit_time, keep_commits
from agentos.workflows.kit.edits import notice_edit
from agentos.workflows.kit.package import package_markdown
from agentos.workflows.kit.pause import awaited, decided
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.state import RunState, one_more, used
from agentos.workflows.kit.step import Found, Step
from agentos.workflows.kit.verdict import blocked, findings_as_evidence, retry
from agentos.workspace.merging import bring_onto, change_id
from agentos.workspace.worktree import open_worktree

REFUSALS = frozenset({FailureKind.CONFLICT, FailureKind.INVALID})
"""A forge that does not take the merge as it is."""
DIFF_LIMIT_BYTES = 20_000


async def authority(state: RunState, step: Step) -> RunState:
    """Whether the change is merged already, may be merged, or is handed to a person as a dossier."""
    forge = step.ctx.ports.forge
    found = await forge.find_pr(state["branch"])
    there = await forge.branch_head(state["branch"])
    heads = rules.Heads(state.get("approved_sha", ""), state["good_sha"], there or "")
    priority = (await step.ctx.ports.tracker.get(step.ctx.issue.number)).priority
    held = step.ctx.settings.merging(priority).authority
    match rules.way(held, found, heads):
        case Way.MERGED:
            assert found is not None
            await step.emit(EventKind.NOTE, text="the pull request is merged already", merge_sha=found.merge_sha)
            return {"merge_sha": found.merge_sha}
        case Way.HALT:
            return _head_moved(step, heads)
        case Way.ASK:
            package, may_merge = await package_of(state, step), held != "none"
            await _keep_dossier(step, package, may_merge=may_merge)
            return {"wait": dump(rules.dossier_wait(package, may_merge=may_merge))}
        case Way.MERGE:
            return {}


def _head_moved(step: Step, heads: rules.Heads) -> RunState:
    title = "what was approved is not what is on the branch now, so it was not merged"
    needs = ("put the branch back to the approved commit, or go back to the review: --resume-from review",)
    return blocked(step.stage, "head_moved", title, evidence=heads.told(), needs=needs)


async def _keep_dossier(step: Step, package: ReviewPackage, *, may_merge: bool) -> None:
    steps = rules.dossier_steps(package, may_merge=may_merge)
    text = package_markdown(package, heading=rules.DOSSIER, what_now=steps)
    await step.keep(ArtifactKind.DOSSIER, defused(text).encode(), suffix=".md")
    await step.keep_record(ArtifactKind.DOSSIER, package)


async def hand_over(state: RunState, step: Step) -> RunState:
    """The dossier is on the issue, once for each commit."""
    package = await package_of(state, step)
    text = rules.dossier_comment(package, may_merge=_may_merge(state))
    await say(step, f"dossier:{step.ctx.run.number}.{package.sha[:12]}", text)
    return {"current_stage": state["current_stage"]}


async def notify(state: RunState, step: Step) -> RunState:
    """The person is told that the change can be merged, at most once for each commit."""
    package = await package_of(state, step)
    key = f"notify:dossier:{step.ctx.run.number}.{package.sha[:12]}"
    notice = rules.dossier_notice(package, may_merge=_may_merge(state))
    await step.at_most_once(key, lambda: step.ctx.ports.notifier.notify(notice))
    return {"current_stage": state["current_stage"]}


def _may_merge(state: RunState) -> bool:
    """Whether the dossier lets AgentOS merge when a person says so."""
    wait = awaited(state)
    return wait is not None and DecisionKind.APPROVE in wait.accepts


async def settle_dossier(state: RunState, step: Step) -> RunState:
    """What the person's word means: merge, look again, or end."""
    decision = decided(state)
    counts = decision.kind is not DecisionKind.APPROVE or rules.lets_merge(state)
    await step.emit(EventKind.DECISION_TAKEN, **dump(decision), counts=counts)
    if decision.kind in (DecisionKind.REJECT, DecisionKind.CANCEL):
        return {"outcome": Outcome.CANCELLED}
    edit = await notice_edit(state, step)
    if edit:  # the word was about a change for another text
        return edit
    if decision.kind is DecisionKind.APPROVE and counts:
        return {"approved_sha": decision.subject}
    return {}


async def sync(state: RunState, step: Step) -> RunState:
    """Whether what would be merged now is what was approved and passes; where the base did not move on, it is."""
    branch = state["base_branch"]
    base = await step.ctx.repo.fetch_base(branch)
    if base in (state["base_sha"], state.get("synced_sha")):
        return {"synced_sha": base, "findings": []}
    limit = step.ctx.settings.limit(Stage.FINALIZE, "max_merge_syncs")
    if used(state, rules.SYNCS) >= limit:
        title = f"{branch} moved on {limit + 1} times while the change was about to be merged (max_merge_syncs {limit})"
        evidence = (f"{branch} is at {base[:12]} now",)
        needs = ("retry, which allows it as often again",)
        return blocked(step.stage, "max_merge_syncs", title, evidence=evidence, needs=needs)
    findings = await _against_merging(state, step, base)
    await step.emit(EventKind.NOTE, text=rules.synced(branch, base, clean=not findings))
    return {
        "synced_sha": base,
        "rounds": one_more(state, rules.SYNCS),
        "findings": [dump(item) for item in findings],
    }


async def _against_merging(state: RunState, step: Step, base: str) -> tuple[Finding, ...]:
    """What keeps the approved commit from being merged into `base` as it was approved. Moves nothing."""
    repo, good, branch = step.ctx.repo, state["good_sha"], state["base_branch"]
    onto = await bring_onto(repo, base, good)
    if onto.conflicts:
        return rules.conflicting(onto.conflicts, branch)
    merged = await repo.commit_tree(onto.tree, [base, good], "as it would be merged", await commit_time(step))
    if await change_id(repo, state["base_sha"], good) != await change_id(repo, base, merged):
        return rules.other_than_approved(branch)
    _, failures = await failures_at(state, step, merged, base)
    return rules.breaking(failures, branch)


async def rework(state: RunState, step: Step) -> RunState:
    """The branch holds the base as it is now with the change on top, to be worked in again; the approval is void.

    Its files go there by the one effect of this step; the commits are kept right after, since only then a ref holds them.
    """
    ctx, base, good, branch = step.ctx, state["synced_sha"], state["good_sha"], state["branch"]
    onto = await bring_onto(ctx.repo, base, good)
    message = f"Merge {state['base_branch']} into {branch}\n"
    head = await ctx.repo.commit_tree(onto.tree, [good, base], message, await commit_time(step))
    lost = ""
    if onto.conflicts:
        lost = await ctx.repo.diff(state["base_sha"], good, limit_bytes=DIFF_LIMIT_BYTES, paths=onto.conflicts)
    tree = await open_worktree(ctx.repo, ctx.home, str(ctx.issue.number), branch, base)

    async def find() -> Found | None:
        return {"branch": tree.branch} if await tree.stands_at(head) else None

    version = f"{ctx.run.number}:{head} on {base}"
    await step.once("worktree", find=find, act=lambda: tree.restore(head), version=version, consent=False)
    await keep_commits(step, branch, base, name="change")
    asked = rules.asked_again(state["base_branch"], base, lost)
    return {**rules.opened_again(state, asked), "base_sha": base, "head_sha": head}


async def tell_rework(state: RunState, step: Step) -> RunState:
    """The issue is told why the change was not merged and goes round once more, once a time."""
    findings = tuple(load(Finding, item) for item in state["findings"])
    text = rules.not_merged(state["base_branch"], state["good_sha"], findings)
    await say(step, f"not-merged:{step.ctx.run.number}.{state['cycle']}", text)
    why = "; ".join(findings_as_evidence(findings, most=3))
    return retry(state, step.stage, f"{state['base_branch']} moved on: {why}")


async def merge(state: RunState, step: Step) -> RunState:
    """The merge commit of exactly the approved commit."""
    forge, sha, branch = step.ctx.ports.forge, state["good_sha"], state["branch"]
    message = rules.merge_message(await package_of(state, step), step.ctx.settings)

    async def find() -> Found | None:
        found = await forge.find_pr(branch)
        return {"sha": found.merge_sha} if found is not None and found.merge_sha else None

    async def act() -> None:
        await forge.merge(state["pr_number"], expected_head=sha, message=message)

    try:
        merged = await step.once("merge", find=find, act=act, version=sha)
    except OutsideError as exc:
        if exc.kind not in REFUSALS:
            raise
        return await _refused(state, step, exc)
    return {"merge_sha": merged["sha"]}


async def _refused(state: RunState, step: Step, exc: OutsideError) -> RunState:
    """Nothing where the base moved on meanwhile, which is looked at again; else the block with what was refused."""
    there = await step.ctx.ports.forge.branch_head(state["branch"])
    heads = rules.Heads(state.get("approved_sha", ""), state["good_sha"], there or "")
    if not heads.agree:
        return _head_moved(step, heads)
    base = state["base_branch"]
    if await step.ctx.repo.fetch_base(base) != state["synced_sha"]:
        return {}
    needs = (f"clear that, or merge {state['branch']} into {base} yourself; then retry",)
    return blocked(step.stage, "merge_refused", f"the merge into {base} was refused: {exc}", needs=needs)


async def package_of(state: RunState, step: Step) -> ReviewPackage:
    """The package the person was shown."""
    return await step.document(ReviewPackage, state["artifacts"][ArtifactKind.PACKAGE])
