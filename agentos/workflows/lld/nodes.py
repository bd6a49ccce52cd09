"""The steps of lld: draft, check by code, review, keep what was approved, post it."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import Finding, Lld
from agentos.domain.pipeline import Stage
from agentos.workflows.kit.drafting import REVIEWER, Drafting, brief_of
from agentos.workflows.kit.edits import said_by
from agentos.workflows.kit.existing import Wanted, stand_in
from agentos.workflows.kit.file_changes import Tree
from agentos.workflows.kit.file_texts import show_repository
from agentos.workflows.kit.foresight import foresee, foresight_markdown
from agentos.workflows.kit.markdown import brief_markdown, bullets, lld_markdown
from agentos.workflows.kit.plan import expect_files
from agentos.workflows.kit.reading import read_lld
from agentos.workflows.kit.reviewing import ReviewReply
from agentos.workflows.kit.scope import scope_text, scopes_of
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import passed
from agentos.workflows.lld.reply import LldReply
from agentos.workflows.lld.rules import check_lld

DESIGN = Drafting(Stage.LLD, ArtifactKind.LLD, Lld, lld_markdown, "Low-level design")


async def skip(state: RunState, step: Step) -> tuple[str, RunState] | None:
    """Why no design is drafted: an approved one is there and fits the base commit, or a person wants none."""
    wanted = step.ctx.settings.orchestrator
    brief = await brief_of(state, step)

    async def check(lld: Lld) -> tuple[Finding, ...]:
        return await _findings(state, step, lld)

    sources = (said_by(brief),)
    options = (wanted.skip_existing_lld, wanted.skip_lld, "orchestrator.skip_lld")
    return await stand_in(DESIGN, Wanted(*options, sources, read_lld, check), state, step)


async def draft(state: RunState, step: Step) -> RunState:
    """A design; where there was one, it is edited with what was found and asked for."""
    brief, former = await brief_of(state, step), await DESIGN.latest(state, step)
    paths = [item.path for item in former.files] if former is not None else []
    shown = await show_repository(state, step, about=brief_markdown(brief) + brief.source, first=paths)
    reply = await step.ask(
        "drafter",
        "lld/draft",
        LldReply,
        round_=DESIGN.round(state) + 1,
        brief=brief_markdown(brief),
        workflow=step.ctx.workflow.body,
        scope=scope_text(step.ctx.settings, brief),
        repo_files=shown.repo_files,
        file_texts=shown.file_texts,
        previous_draft=lld_markdown(former) if former is not None else "",
        findings=await DESIGN.last_findings(state, step),
        feedback=bullets(state.get("feedback", []), empty=""),
    )
    return await DESIGN.keep_draft(state, step, reply.to_lld())


async def check(state: RunState, step: Step) -> RunState:
    """What code holds against the draft; a flawed one goes back before a reviewer is paid."""
    lld = await step.document(Lld, state["artifacts"][ArtifactKind.LLD])
    return DESIGN.checked(state, step, await _findings(state, step, lld))


async def review(state: RunState, step: Step) -> RunState:
    """The judgement of another model, which first wrote down what it expects; bound to the draft's digest."""
    brief = await brief_of(state, step)
    lld = await step.document(Lld, state["artifacts"][ArtifactKind.LLD])
    paths = [item.path for item in lld.files]
    foresight, update = await foresee(state, step, brief)
    shown = await show_repository(state, step, about=brief_markdown(brief), first=paths)
    reply = await step.ask(
        REVIEWER,
        "lld/review",
        ReviewReply,
        round_=DESIGN.round(state),
        brief=brief_markdown(brief),
        workflow=step.ctx.workflow.body,
        scope=scope_text(step.ctx.settings, brief),
        repo_files=shown.repo_files,
        file_texts=shown.file_texts,
        foresight=foresight_markdown(foresight),
        lld=lld_markdown(lld),
        findings=await DESIGN.last_findings(state, step),
        feedback=bullets(state.get("feedback", []), empty=""),
    )
    return await DESIGN.keep_review({**state, **update}, step, reply)


async def keep(state: RunState, step: Step) -> RunState:
    """The approved design, for people and for a later run; what people asked for is worked in."""
    lld = await step.document(Lld, state["artifacts"][ArtifactKind.LLD])
    await expect_files(step, (item.path for item in lld.files))
    ref = await DESIGN.keep_approved(state, step, (said_by(await brief_of(state, step)),))
    return {"lld_path": ref.path, "feedback": []}


async def publish(state: RunState, step: Step) -> RunState:
    """The design is on the issue before a gate asks about it."""
    await DESIGN.post(state, step)
    return passed()


async def _findings(state: RunState, step: Step, lld: Lld) -> tuple[Finding, ...]:
    brief = await brief_of(state, step)
    tree = Tree.of(entry.path for entry in await step.ctx.repo.list_paths(state["base_sha"]))
    return (*check_lld(lld, brief, tree, scopes_of(brief, step.ctx.settings)), *DESIGN.too_long(lld))
