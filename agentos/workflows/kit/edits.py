"""An issue that people edited while its run works: noticed, shown, and sent back to triage."""

import difflib
from collections.abc import Mapping
from typing import Any

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.document import IssueBrief
from agentos.domain.event import EventKind
from agentos.domain.issue import Issue
from agentos.domain.naming import text_digest
from agentos.domain.pipeline import Route, Stage, Verdict
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.board import say
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.markdown import brief_markdown, fenced
from agentos.workflows.kit.state import BEST, RunState, one_more, used
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import blocked

MAX_EDITS = "max_edits"
EDITS = "edits"
"""The loop of edits in the rounds table; a person's decision starts it anew, an edit does not."""
SOURCE = "issue-edit:"
MOST_SHOWN, MOST_LINES = 6_000, 4_000


def as_read(issue: Issue) -> str:
    """The issue's text as its brief keeps it."""
    return f"{issue.title}\n\n{issue.body}"


def said_by(brief: IssueBrief) -> str:
    """A digest of what later stages read of `brief`: it changes exactly when what they work from does."""
    return text_digest(brief_markdown(brief))


def difference(before: str, after: str) -> str:
    """What changed, as a unified diff that people read to its end: bounded, without the lines around."""
    old, new = (text.split("\n")[:MOST_LINES] for text in (before, after))
    text = "\n".join(difflib.unified_diff(old, new, "before", "now", n=2, lineterm=""))
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN].rpartition("\n")[0] + "\n(and more)"


async def reopened(ctx: RunContext, state: Mapping[str, Any], wait_id: str) -> Decision | None:
    """What stands for a person's word where they edited the issue that the run at the wait `wait_id` works on."""
    issue = await _edited(ctx, state)
    if issue is None:
        return None
    source = f"{SOURCE}{issue.digest[:12]}"
    return Decision(DecisionKind.RETRY, "agentos", source, "the issue was edited", wait_id=wait_id)


def is_edit(decision: Decision) -> bool:
    """Whether nobody decided: the issue was edited, and the wait ended for it."""
    return decision.source.startswith(SOURCE)


async def notice_edit(state: RunState, step: Step) -> RunState:
    """The update of a stage that is entered after the issue was edited; empty where it was not.

    Triage goes on with the new text; every other stage ends as RETRY and leaves it to triage. Effect: one event and one
    comment with the difference. More edits than `max_edits` without a person's decision block.
    """
    issue = await _edited(step.ctx, state)
    if issue is None:
        return {}
    limit, count = step.ctx.settings.limit(Stage.TRIAGE, MAX_EDITS), used(state, EDITS) + 1
    if count > limit:
        title = f"the issue was edited {count} times while the run worked on it (max_edits {limit})"
        return blocked(step.stage, MAX_EDITS, title, needs=("retry, once the issue says what is wanted",))
    brief = await _brief(state, step)
    diff = difference(brief.source, as_read(issue)) if brief is not None else ""
    ref = await step.keep(ArtifactKind.DIFF, diff.encode(), suffix=".patch", name=f"issue-edit-{count}")
    await step.emit(EventKind.ISSUE_EDITED, before=state["issue_digest"], after=issue.digest, diff=diff)
    await say(step, f"edited:{step.ctx.run.number}.{count}", edited_comment(step.stage, diff), consent=False)
    former = state.get("edited") or {
        "stage": step.stage,
        "brief": state.get("artifacts", {}).get(ArtifactKind.BRIEF, ""),
        "feedback": state.get("feedback", []) if step.stage is not Stage.TRIAGE else [],
    }
    update: RunState = {
        "issue_digest": issue.digest,
        "edited": {**former, "diff": ref.sha256},
        "rounds": one_more(state, EDITS),
    }
    if step.stage is Stage.TRIAGE:
        return update
    return {**update, "feedback": [], "verdict": Verdict.RETRY}


async def what_changed(state: RunState, step: Step) -> str:
    """The difference that triage is to work in; empty where the issue was not edited."""
    digest = state.get("edited", {}).get("diff", "")
    return (await step.ctx.store.artifacts.get(digest)).decode() if digest else ""


async def after_rereading(state: RunState, step: Step, brief: IssueBrief) -> RunState:
    """Where an edited issue leads once `brief` is written: back to the stage that noticed, where that reads the same as
    before; else on through the stages, which read it anew, with the approval of the change void."""
    edited = state.get("edited") or {}
    if not edited:
        return {"return_to": ""}
    update: RunState = {"edited": {}, "feedback": edited["feedback"], "return_to": ""}
    former = await step.document(IssueBrief, edited["brief"]) if edited["brief"] else None
    if former is not None and said_by(former) == said_by(brief) and edited["stage"] != Stage.TRIAGE:
        await step.emit(EventKind.NOTE, text=f"the edit changes nothing that was read: on with {edited['stage']}")
        return {**update, "return_to": edited["stage"]}
    # A design is the draft the next one starts from, but on the trivial way nobody would look at it again.
    stale = {ArtifactKind.LLD, ArtifactKind.SPEC} if brief.route is Route.TRIVIAL else set[ArtifactKind]()
    kept = {kind: sha for kind, sha in state.get("artifacts", {}).items() if kind not in {*stale, BEST}}
    # What a person was shown of the change answered to the former text, so they are shown it anew.
    cycle = state.get("cycle", 0) + (1 if ArtifactKind.PACKAGE in kept else 0)
    return {**update, "artifacts": kept, "approved_sha": "", "cycle": cycle}


async def _edited(ctx: RunContext, state: Mapping[str, Any]) -> Issue | None:
    """The issue, where it says something else than what the run read; None after the merge, which no edit undoes."""
    if not state.get("issue_digest") or state.get("merge_sha"):
        return None
    issue = await ctx.ports.tracker.get(ctx.issue.number)
    return issue if issue.digest != state["issue_digest"] else None


async def _brief(state: RunState, step: Step) -> IssueBrief | None:
    digest = state.get("artifacts", {}).get(ArtifactKind.BRIEF)
    return await step.document(IssueBrief, digest) if digest else None


def edited_comment(stage: Stage, diff: str) -> str:
    """What the issue is told of its edit; `diff` is empty where nothing was read before."""
    text = (
        f"**The issue was edited while its run was at {stage}.** Triage reads it again; what was made stays as far as "
    )
    text += "it answers to the new text."
    return defused(f"{text}\n\n{fenced(diff, 'diff')}" if diff else text)
