"""The steps of triage: read the issue, find its earlier brief or write one, ask what is open, keep it."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import IssueBrief
from agentos.domain.event import EventKind
from agentos.domain.issue import IntakePart
from agentos.domain.naming import branch_name
from agentos.domain.pipeline import Stage
from agentos.workflows.kit.board import INTAKE_COMMENT, keep_comment
from agentos.workflows.kit.branch import branch_taken
from agentos.workflows.kit.drafting import kept_before
from agentos.workflows.kit.edits import after_rereading, what_changed
from agentos.workflows.kit.file_texts import listed
from agentos.workflows.kit.markdown import brief_markdown, bullets
from agentos.workflows.kit.scope import scope_text
from agentos.workflows.kit.state import RunState, one_more, used, with_item
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import passed
from agentos.workflows.triage import rules
from agentos.workflows.triage.doubts import Ground, with_doubts
from agentos.workflows.triage.given import read_brief
from agentos.workflows.triage.reply import BriefReply

BRIEFS = "draft.triage"


async def read_issue(state: RunState, step: Step) -> RunState:
    """What is wanted, by digest, and the commit and branch the work starts from."""
    issue = await step.ctx.ports.tracker.get(step.ctx.issue.number)
    await step.ctx.store.plans.relate(step.ctx.fence, issue.ref, issue.relations)
    base_branch = state.get("base_branch") or await step.ctx.repo.default_branch()
    branch = state.get("branch") or branch_name(issue.ref.number, issue.title)
    read: RunState = {
        "issue_number": issue.ref.number,
        "issue_digest": issue.digest,
        "branch": branch,
        "base_branch": base_branch,
        "base_sha": await step.ctx.repo.fetch_base(base_branch),
    }
    return {**read, **(await branch_taken(step, branch) or {})}


async def recall_brief(state: RunState, step: Step) -> RunState:
    """The brief a person gave, or the one an earlier run wrote for the same issue text; nothing where triage has
    something new to work in."""
    if state.get("answers") or state.get("feedback"):
        return {}
    given = step.ctx.given_brief
    if given and ArtifactKind.BRIEF not in state.get("artifacts", {}):
        return await _take(state, step, given)
    if state.get("resumed_from") == Stage.TRIAGE:
        return {}
    kept = await kept_before(step, f"{ArtifactKind.BRIEF}.json")
    if kept is None:
        return {}
    digest = kept.ref.sha256
    if not rules.can_be_reused(await step.document(IssueBrief, digest), state["issue_digest"]):
        return {}
    reason = f"already triaged: brief {digest[:12]} answers to the issue as it is"
    return await _skipped(state, step, digest, reason)


async def _take(state: RunState, step: Step, given: str) -> RunState:
    """The brief a person wrote, bound to the issue as it is now."""
    issue = await step.ctx.ports.tracker.get(step.ctx.issue.number)
    brief = with_doubts(read_brief(given).to_brief(issue, ()), await _ground(state, step))
    ref = await step.keep_record(ArtifactKind.BRIEF, brief, name=f"{ArtifactKind.BRIEF}-given")
    update = await _skipped(state, step, ref.sha256, f"the brief was given: {ref.sha256[:12]} (--from-brief)")
    return {**update, "issue_digest": issue.digest}


async def _skipped(state: RunState, step: Step, digest: str, reason: str) -> RunState:
    await step.emit(EventKind.STAGE_SKIPPED, reason=reason)
    artifacts = with_item(state.get("artifacts"), ArtifactKind.BRIEF, digest)
    return {"artifacts": artifacts, "skipped": with_item(state.get("skipped"), Stage.TRIAGE, reason)}


async def check_intake(state: RunState, step: Step) -> RunState:
    """Questions about what the issue lacks; what else it does not say is named on it. Answers already given are left to
    the drafter to judge."""
    issue = await step.ctx.ports.tracker.get(step.ctx.issue.number)
    heard = bool(state.get("answers") or state.get("feedback"))
    missing = () if heard else rules.missing_parts(issue.title, issue.body, step.ctx.settings.intake.required)
    unstated = () if heard else rules.missing_parts(issue.title, issue.body, tuple(IntakePart))
    if missing:
        return rules.ask_for(missing, unstated)
    if unstated or await step.ctx.store.effects.get(step.ctx.issue, INTAKE_COMMENT) is not None:
        await keep_comment(step, INTAKE_COMMENT, rules.intake_comment(unstated))
    return {}


async def write_brief(state: RunState, step: Step) -> RunState:
    """A brief of the issue with the answers and feedback so far."""
    tracker, round_ = step.ctx.ports.tracker, used(state, BRIEFS) + 1
    issue, former = await tracker.get(step.ctx.issue.number), await _former(state, step)
    answers = tuple(state.get("answers", []))
    asked = former.open_questions if former is not None else ()
    comments = await tracker.comments(issue.ref)
    reply = await step.ask(
        "drafter",
        "triage/brief",
        BriefReply,
        round_=round_,
        issue_text=f"{issue.title}\n\n{issue.body}",
        comments=[f"{item.author} ({item.at}): {item.body}" for item in comments if not item.is_bot],
        questions_answers=rules.conversation(asked, answers),
        workflow=step.ctx.workflow.body,
        scope=scope_text(step.ctx.settings),
        repo_files=listed(list((await _ground(state, step)).files), about=f"{issue.title} {issue.body}"),
        previous_brief=brief_markdown(former) if former is not None else "",
        edit=await what_changed(state, step),
        feedback=bullets(state.get("feedback", []), empty=""),
    )
    brief = with_doubts(reply.to_brief(issue, answers), await _ground(state, step), settled=asked if answers else ())
    ref = await step.keep_record(ArtifactKind.BRIEF, brief, name=f"{ArtifactKind.BRIEF}-draft-{round_}")
    artifacts = with_item(state.get("artifacts"), ArtifactKind.BRIEF, ref.sha256)
    return {"artifacts": artifacts, "rounds": one_more(state, BRIEFS), "issue_digest": issue.digest}


async def judge_brief(state: RunState, step: Step) -> RunState:
    """What keeps the brief from being worked on: open questions, nothing to measure, too large."""
    digest = state["artifacts"][ArtifactKind.BRIEF]
    return rules.judge(await step.document(IssueBrief, digest), digest)


async def keep_brief(state: RunState, step: Step) -> RunState:
    """The brief is this run's, for the next stages and for people; what people asked for is worked in."""
    brief = await step.document(IssueBrief, state["artifacts"][ArtifactKind.BRIEF])
    await step.keep_record(ArtifactKind.BRIEF, brief)
    ref = await step.keep(ArtifactKind.BRIEF, brief_markdown(brief).encode(), suffix=".md")
    update: RunState = {"issue_brief_path": ref.path, "route": brief.route, "feedback": []}
    return {**update, **await after_rereading(state, step, brief)}


async def authorise(state: RunState, step: Step) -> RunState:
    """Whether the work may begin: what no standing rule may start waits for a person's word on this brief."""
    digest = state["artifacts"][ArtifactKind.BRIEF]
    reason = rules.consent_needed(await step.document(IssueBrief, digest), step.ctx.settings)
    if reason and not state.get("return_to"):
        return rules.ask_consent(reason, digest)
    return passed()


async def _ground(state: RunState, step: Step) -> Ground:
    entries = await step.ctx.repo.list_paths(state["base_sha"])
    return Ground(tuple(entry.path for entry in entries), step.ctx.settings.scope.paths)


async def _former(state: RunState, step: Step) -> IssueBrief | None:
    digest = state.get("artifacts", {}).get(ArtifactKind.BRIEF)
    return await step.document(IssueBrief, digest) if digest else None
