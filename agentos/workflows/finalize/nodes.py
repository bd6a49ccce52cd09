"""The steps of the finalize stage: who merges, the merge, its verification, follow-ups, the last words."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import DecisionKind
from agentos.domain.document import Finding, FollowUp, IssueBrief, Severity
from agentos.domain.error import OutsideError
from agentos.domain.event import EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.package import CloseOut, FiledFollowUp, ReviewPackage
from agentos.domain.pipeline import Outcome, Stage
from agentos.workflows.finalize import rules
from agentos.workflows.finalize.reply import FollowUpsReply
from agentos.workflows.finalize.rules import FollowUps, Way
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.board import say
from agentos.workflows.kit.checks import Measured, measure, measured, regressions
from agentos.workflows.kit.edits import notice_edit
from agentos.workflows.kit.markdown import brief_markdown, checks_markdown, findings_markdown
from agentos.workflows.kit.package import package_markdown
from agentos.workflows.kit.pause import decided
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.state import RunState, one_more, used, with_item
from agentos.workflows.kit.step import Found, Step
from agentos.workflows.kit.verdict import blocked, passed

DIFF_LIMIT_BYTES = 100_000
FOLLOW_UPS, VERIFICATION = "follow-ups", "verification"


async def authority(state: RunState, step: Step) -> RunState:
    """Whether the change is merged already, may be merged, or is handed to a person as a dossier."""
    forge = step.ctx.ports.forge
    found = await forge.find_pr(state["branch"])
    there = await forge.branch_head(state["branch"])
    heads = rules.Heads(state.get("approved_sha", ""), state["good_sha"], there or "")
    match rules.way(step.ctx.settings.merge_authority, found, heads):
        case Way.MERGED:
            assert found is not None
            await step.emit(EventKind.NOTE, text="the pull request is merged already", merge_sha=found.merge_sha)
            return {"merge_sha": found.merge_sha}
        case Way.HALT:
            return _head_moved(step, heads)
        case Way.ASK:
            package = await _package(state, step)
            await _keep_dossier(step, package)
            return {"wait": dump(rules.dossier_wait(package))}
        case Way.MERGE:
            return {}


def _head_moved(step: Step, heads: rules.Heads) -> RunState:
    title = "what was approved is not what is on the branch now, so it was not merged"
    needs = ("put the branch back to the approved commit, or go back to the review: --resume-from review",)
    return blocked(step.stage, "head_moved", title, evidence=heads.told(), needs=needs)


async def _keep_dossier(step: Step, package: ReviewPackage) -> None:
    text = package_markdown(package, heading=rules.DOSSIER, what_now=rules.dossier_steps(package))
    await step.keep(ArtifactKind.DOSSIER, defused(text).encode(), suffix=".md")
    await step.keep_record(ArtifactKind.DOSSIER, package)


async def hand_over(state: RunState, step: Step) -> RunState:
    """The dossier is on the issue, once for each commit."""
    package = await _package(state, step)
    await say(step, f"dossier:{step.ctx.run.number}.{package.sha[:12]}", rules.dossier_comment(package))
    return {"current_stage": state["current_stage"]}


async def notify(state: RunState, step: Step) -> RunState:
    """The person is told that the change can be merged, at most once for each commit."""
    package = await _package(state, step)
    key = f"notify:dossier:{step.ctx.run.number}.{package.sha[:12]}"
    await step.at_most_once(key, lambda: step.ctx.ports.notifier.notify(rules.dossier_notice(package)))
    return {"current_stage": state["current_stage"]}


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


async def merge(state: RunState, step: Step) -> RunState:
    """The merge commit of exactly the approved commit."""
    forge, sha, branch = step.ctx.ports.forge, state["good_sha"], state["branch"]
    message = rules.merge_message(await _package(state, step))

    async def find() -> Found | None:
        found = await forge.find_pr(branch)
        return {"sha": found.merge_sha} if found is not None and found.merge_sha else None

    async def act() -> None:
        await forge.merge(state["pr_number"], expected_head=sha, message=message)

    try:
        merged = await step.once("merge", find=find, act=act, version=sha)
    except OutsideError as exc:
        if exc.kind is not FailureKind.CONFLICT:
            raise
        heads = rules.Heads(state.get("approved_sha", ""), sha, await forge.branch_head(branch) or "")
        if not heads.agree:
            return _head_moved(step, heads)
        needs = (f"bring {branch} and {state['base_branch']} together so that they merge cleanly, then retry",)
        return blocked(
            step.stage, "merge_conflict", "the change could not be merged", evidence=(str(exc),), needs=needs
        )
    return {"merge_sha": merged["sha"]}


async def verify(state: RunState, step: Step) -> RunState:
    """What the command matrix says at the merge commit, and what of it did not fail at the base."""
    repo, merged = step.ctx.repo, state["merge_sha"]
    head = await repo.fetch_base(state["base_branch"])
    if await repo.resolve(merged) is None or not await repo.is_ancestor(merged, head):
        title = f"the merge commit {merged[:12]} is not in {state['base_branch']}, so it was not verified"
        return blocked(step.stage, "verify_failed", title, needs=("put the merge back, then retry; or reject",))
    sha = rules.to_measure(state, head)
    base = state.get("artifacts", {}).get("baseline")
    before = await step.document(Measured, base) if base else Measured(())
    after = await measure(step, sha)
    ref = await step.keep_record(ArtifactKind.CHECKS, measured(after), name="checks-merge")
    failures = regressions(before, after)
    findings = [Finding(Severity.BLOCKER, failure, "fails at the merge commit") for failure in failures]
    return {
        "findings": [dump(item) for item in findings],
        "artifacts": with_item(state.get("artifacts"), VERIFICATION, ref.sha256),
    }


async def consider_verify(state: RunState, step: Step) -> RunState:
    """Whether a verification that failed is tried once more: what fails twice is no accident."""
    limit = step.ctx.settings.limit(Stage.FINALIZE, "max_verify_retries")
    if used(state, rules.VERIFY) < limit:
        return {"rounds": one_more(state, rules.VERIFY)}
    results = (await step.document(Measured, state["artifacts"][VERIFICATION])).results
    failures = tuple(load(Finding, item).where for item in state.get("findings", []))
    title = f"the merge commit {state['merge_sha'][:12]} fails checks that the base passed, {limit + 1} times"
    needs = (f"mend {state['base_branch']}, then retry; or revert {state['merge_sha'][:12]}, then reject",)
    evidence = rules.verify_evidence(failures, results)
    return blocked(step.stage, "verify_failed", title, evidence=evidence, needs=needs)


async def propose_follow_ups(state: RunState, step: Step) -> RunState:
    """What is left to do, as a model sees it; usually nothing."""
    if FOLLOW_UPS in state["artifacts"]:  # the stage is visited again: what was proposed stands, and is not paid twice
        return _unfiled(state, await _follow_ups(state, step))
    package = await _package(state, step)
    brief = await step.document(IssueBrief, state["artifacts"][ArtifactKind.BRIEF])
    diff = await step.ctx.repo.diff(state["base_sha"], state["good_sha"], limit_bytes=DIFF_LIMIT_BYTES)
    reply = await step.ask(
        "drafter",
        "finalize/follow_ups",
        FollowUpsReply,
        round_=1,
        brief=brief_markdown(brief),
        diff=diff,
        checks=checks_markdown(package.change.checks),
        findings=findings_markdown(rules.left_open(package)),
    )
    proposed = FollowUps(reply.to_follow_ups())
    ref = await step.keep_record(ArtifactKind.CLOSEOUT, proposed, name=FOLLOW_UPS)
    artifacts = with_item(state.get("artifacts"), FOLLOW_UPS, ref.sha256)
    return {"artifacts": artifacts, **_unfiled(state, proposed.items)}


def _unfiled(state: RunState, proposed: tuple[FollowUp, ...]) -> RunState:
    left = len(proposed) - len(state.get("follow_ups", []))
    return {"rounds": with_item(state.get("rounds"), rules.UNFILED, left)}


async def file_follow_up(state: RunState, step: Step) -> RunState:
    """The next follow-up is an issue of its own, not started."""
    tracker, issue, filed = step.ctx.ports.tracker, step.ctx.issue, state.get("follow_ups", [])
    item = (await _follow_ups(state, step))[len(filed)]
    key = rules.follow_up_key(issue, len(filed) + 1)

    async def find() -> Found | None:
        found = await tracker.find_issue(key)
        return None if found is None else {"number": found.number}

    async def act() -> None:
        await tracker.file_issue(rules.follow_up_draft(item, issue), key)

    made = await step.once(key, find=find, act=act, consent=False)
    left = with_item(state.get("rounds"), rules.UNFILED, used(state, rules.UNFILED) - 1)
    return {"follow_ups": [*filed, made["number"]], "rounds": left}


async def _follow_ups(state: RunState, step: Step) -> tuple[FollowUp, ...]:
    return (await step.document(FollowUps, state["artifacts"][FOLLOW_UPS])).items


async def report(state: RunState, step: Step) -> RunState:
    """The close-out, as a record, as a document, and on the issue."""
    record = await _close_out(state, step)
    text = rules.close_out_markdown(record)
    await step.keep(ArtifactKind.CLOSEOUT, text.encode(), suffix=".md")
    ref = await step.keep_record(ArtifactKind.CLOSEOUT, record)
    await say(step, f"close-out:{record.merge_sha[:12]}", text, consent=False)
    return {"artifacts": with_item(state.get("artifacts"), ArtifactKind.CLOSEOUT, ref.sha256)}


async def _close_out(state: RunState, step: Step) -> CloseOut:
    package = await _package(state, step)
    numbers, proposed = state.get("follow_ups", []), await _follow_ups(state, step)
    return CloseOut(
        issue_number=package.issue_number,
        run_number=step.ctx.run.number,
        title=package.title,
        summary=package.change.summary,
        place=package.place,
        approved_sha=state.get("approved_sha", ""),
        merge_sha=state["merge_sha"],
        criteria=package.change.criteria,
        checks=(await step.document(Measured, state["artifacts"][VERIFICATION])).results,
        follow_ups=tuple(FiledFollowUp(number, item.title) for number, item in zip(numbers, proposed, strict=True)),
        cycles=state.get("cycle", 0),
        spend=await step.ctx.store.exchanges.spend(step.ctx.run.id),
    )


async def close(state: RunState, step: Step) -> RunState:
    """The issue is closed, with what became of it."""
    tracker, issue = step.ctx.ports.tracker, step.ctx.issue
    record = await step.document(CloseOut, state["artifacts"][ArtifactKind.CLOSEOUT])

    async def find() -> Found | None:
        return None if (await tracker.get(issue.number)).is_open else {"closed": issue.number}

    async def act() -> None:
        await tracker.close(issue, rules.resolution(record))

    await step.once("close", find=find, act=act, version=record.merge_sha, consent=False)
    return {}


async def finish(state: RunState, step: Step) -> RunState:
    """The run ends with a merged change."""
    now = step.ctx.ports.clock.now().isoformat()
    return {**passed(), "outcome": Outcome.MERGED, "completed_at": now}


async def _package(state: RunState, step: Step) -> ReviewPackage:
    return await step.document(ReviewPackage, state["artifacts"][ArtifactKind.PACKAGE])
