"""What the reviewer expects of a change, written down before it sees anybody's solution: once for a brief and a base."""

from pydantic import Field

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import Foresight, IssueBrief
from agentos.workflows.kit.drafting import REVIEWER, kept_before
from agentos.workflows.kit.edits import said_by
from agentos.workflows.kit.file_texts import show_repository
from agentos.workflows.kit.markdown import brief_markdown, bullets
from agentos.workflows.kit.records import load_json
from agentos.workflows.kit.reply import Lines, Reply, Text
from agentos.workflows.kit.scope import scope_text
from agentos.workflows.kit.state import RunState, with_item
from agentos.workflows.kit.step import Step

FORESIGHT = "foresight"
"""The role that writes it (the model is the reviewer's), the name of the document, and its place in `artifacts`."""


class ForesightReply(Reply):
    """What somebody who will judge a change expects of it."""

    cause: Text = Field(description="where the behaviour originates in this repository, by path and name, and why")
    approach: Text = Field(description="how you would change it: where, what, proved how")
    cases: Lines = Field(default_factory=list, description="cases that are easily missed, each with its right result")


async def foresee(state: RunState, step: Step, brief: IssueBrief) -> tuple[Foresight, RunState]:
    """What the reviewer expects by `brief` and the repository at the base commit alone, and the state that keeps it.

    Asked once: what an earlier round, stage or run of the issue wrote for the same two is taken again.
    """
    sources = (said_by(brief), state["base_sha"])
    known = await _known(state, step)
    if known is not None and known[0].sources == sources:
        foresight, digest = known
    else:
        foresight = await _asked(state, step, brief, sources)
        digest = (await step.keep_record(ArtifactKind.REVIEW, foresight, name=FORESIGHT)).sha256
    return foresight, {"artifacts": with_item(state.get("artifacts"), FORESIGHT, digest)}


def foresight_markdown(foresight: Foresight) -> str:
    """A foresight as the reviewer reads it again."""
    cases = bullets(foresight.cases, empty="none")
    return f"Cause: {foresight.cause}\n\nApproach: {foresight.approach}\n\nCases:\n{cases}"


async def _known(state: RunState, step: Step) -> tuple[Foresight, str] | None:
    digest = state.get("artifacts", {}).get(FORESIGHT)
    if digest is None and step.ctx.run.number > 1:
        kept = await kept_before(step, f"{FORESIGHT}.json")
        digest = kept.ref.sha256 if kept is not None else None
    return None if digest is None else (load_json(Foresight, await step.ctx.store.artifacts.get(digest)), digest)


async def _asked(state: RunState, step: Step, brief: IssueBrief, sources: tuple[str, ...]) -> Foresight:
    told = brief_markdown(brief)
    shown = await show_repository(state, step, about=told + brief.source)
    reply = await step.ask(
        FORESIGHT,
        "review/foresight",
        ForesightReply,
        round_=1,
        by=REVIEWER,
        brief=told,
        workflow=step.ctx.workflow.body,
        scope=scope_text(step.ctx.settings, brief),
        repo_files=shown.repo_files,
        file_texts=shown.file_texts,
    )
    return Foresight(reply.cause, reply.approach, tuple(reply.cases), sources)
