"""The last steps of the finalize stage: follow-ups, the last words, the end."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import FollowUp, IssueBrief
from agentos.domain.package import CloseOut, FiledFollowUp
from agentos.domain.pipeline import Outcome
from agentos.workflows.finalize import rules
from agentos.workflows.finalize.merging import package_of
from agentos.workflows.finalize.reply import FollowUpsReply
from agentos.workflows.finalize.reverting import VERIFICATION
from agentos.workflows.finalize.rules import FollowUps
from agentos.workflows.kit.board import close_issue, say
from agentos.workflows.kit.checks import Measured
from agentos.workflows.kit.markdown import brief_markdown, checks_markdown, findings_markdown
from agentos.workflows.kit.state import RunState, used, with_item
from agentos.workflows.kit.step import Found, Step
from agentos.workflows.kit.verdict import passed

DIFF_LIMIT_BYTES = 100_000
FOLLOW_UPS = "follow-ups"


async def propose_follow_ups(state: RunState, step: Step) -> RunState:
    """What is left to do, as a model sees it; usually nothing."""
    if FOLLOW_UPS in state["artifacts"]:  # the stage is visited again: what was proposed stands, and is not paid twice
        return _unfiled(state, await _follow_ups(state, step))
    package = await package_of(state, step)
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
    package = await package_of(state, step)
    numbers, proposed = state.get("follow_ups", []), await _follow_ups(state, step)
    filed = tuple(FiledFollowUp(number, item.title) for number, item in zip(numbers, proposed, strict=True))
    revert = state.get("revert_ticket", 0)
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
        follow_ups=(*filed, FiledFollowUp(revert, "the revert of this merge")) if revert else filed,
        cycles=state.get("cycle", 0),
        spend=await step.ctx.store.costs.spend(step.ctx.run.id),
    )


async def close(state: RunState, step: Step) -> RunState:
    """The issue is closed, with what became of it."""
    record = await step.document(CloseOut, state["artifacts"][ArtifactKind.CLOSEOUT])
    await close_issue(step, rules.resolution(record), version=record.merge_sha)
    return {}


async def finish(state: RunState, step: Step) -> RunState:
    """The run ends with a merged change."""
    now = step.ctx.ports.clock.now().isoformat()
    return {**passed(), "outcome": Outcome.MERGED, "completed_at": now}
