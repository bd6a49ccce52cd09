"""The steps of spec: draft, check by code, review, keep what was approved, post it."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import Finding, Lld, Spec
from agentos.domain.event import EventKind
from agentos.domain.naming import clean_text
from agentos.domain.pipeline import Stage
from agentos.workflows.kit.drafting import REVIEWER, Drafting, brief_of
from agentos.workflows.kit.edits import said_by
from agentos.workflows.kit.existing import Wanted, stand_in
from agentos.workflows.kit.file_changes import Tree
from agentos.workflows.kit.file_texts import Shown, show_repository
from agentos.workflows.kit.markdown import brief_markdown, bullets, lld_markdown, spec_markdown
from agentos.workflows.kit.plan import expect_files
from agentos.workflows.kit.reading import read_spec
from agentos.workflows.kit.reviewing import ReviewReply
from agentos.workflows.kit.scope import scope_text, scopes_of
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import passed
from agentos.workflows.spec.reply import SpecReply
from agentos.workflows.spec.rules import Grounds, check_spec, files_to_read, unchecked_signatures

PLAN = Drafting(Stage.SPEC, ArtifactKind.SPEC, Spec, spec_markdown, "Implementation spec")


async def skip(state: RunState, step: Step) -> tuple[str, RunState] | None:
    """Why no spec is drafted: an approved one is there and fits LLD and base commit, or a person wants none."""
    wanted = step.ctx.settings.orchestrator

    async def check(spec: Spec) -> tuple[Finding, ...]:
        return await _findings(state, step, spec)

    options = (wanted.skip_existing_spec, wanted.skip_spec, "orchestrator.skip_spec")
    return await stand_in(PLAN, Wanted(*options, await _sources(state, step), read_spec, check), state, step)


async def draft(state: RunState, step: Step) -> RunState:
    """A spec; where there was one, it is edited with what was found and asked for."""
    brief, former = await brief_of(state, step), await PLAN.latest(state, step)
    shown = await _shown(state, step, former)
    reply = await step.ask(
        "drafter",
        "spec/draft",
        SpecReply,
        round_=PLAN.round(state) + 1,
        brief=brief_markdown(brief),
        lld=await _lld_text(state, step),
        workflow=step.ctx.workflow.body,
        scope=scope_text(step.ctx.settings, brief),
        repo_files=shown.repo_files,
        file_texts=shown.file_texts,
        previous_draft=spec_markdown(former) if former is not None else "",
        findings=await PLAN.last_findings(state, step),
        feedback=bullets(state.get("feedback", []), empty=""),
    )
    return await PLAN.keep_draft(state, step, reply.to_spec())


async def check(state: RunState, step: Step) -> RunState:
    """What code holds against the draft; a flawed one goes back before a reviewer is paid."""
    spec = await step.document(Spec, state["artifacts"][ArtifactKind.SPEC])
    unchecked = unchecked_signatures(spec)
    if unchecked:
        text = f"not checked by code, for it reads signatures of Python alone: {'; '.join(unchecked)}"
        await step.emit(EventKind.NOTE, text=text)
    return PLAN.checked(state, step, await _findings(state, step, spec))


async def review(state: RunState, step: Step) -> RunState:
    """The judgement of another model, bound to the draft's digest."""
    spec, brief = await step.document(Spec, state["artifacts"][ArtifactKind.SPEC]), await brief_of(state, step)
    shown = await _shown(state, step, spec)
    reply = await step.ask(
        REVIEWER,
        "spec/review",
        ReviewReply,
        round_=PLAN.round(state),
        brief=brief_markdown(brief),
        lld=await _lld_text(state, step),
        workflow=step.ctx.workflow.body,
        scope=scope_text(step.ctx.settings, brief),
        repo_files=shown.repo_files,
        file_texts=shown.file_texts,
        spec=spec_markdown(spec),
        unchecked=bullets(unchecked_signatures(spec), empty=""),
        findings=await PLAN.last_findings(state, step),
        feedback=bullets(state.get("feedback", []), empty=""),
    )
    return await PLAN.keep_review(state, step, reply)


async def keep(state: RunState, step: Step) -> RunState:
    """The approved spec, for people and for a later run; what people asked for is worked in."""
    spec = await step.document(Spec, state["artifacts"][ArtifactKind.SPEC])
    await expect_files(step, (item.path for item in spec.files))
    ref = await PLAN.keep_approved(state, step, await _sources(state, step))
    return {"spec_path": ref.path, "feedback": []}


async def publish(state: RunState, step: Step) -> RunState:
    """The spec is on the issue before a gate asks about it."""
    await PLAN.post(state, step)
    return passed()


async def _sources(state: RunState, step: Step) -> tuple[str, ...]:
    """What the spec answers to: what the brief says, and the design."""
    return (said_by(await brief_of(state, step)), state["artifacts"].get(ArtifactKind.LLD, ""))


async def _lld(state: RunState, step: Step) -> Lld | None:
    digest = state["artifacts"].get(ArtifactKind.LLD)
    return await step.document(Lld, digest) if digest else None


async def _lld_text(state: RunState, step: Step) -> str:
    lld = await _lld(state, step)
    return lld_markdown(lld) if lld is not None else ""


async def _shown(state: RunState, step: Step, spec: Spec | None) -> Shown:
    """The repository, the files of LLD and spec before all others."""
    brief, lld = await brief_of(state, step), await _lld(state, step)
    paths = [item.path for document in (lld, spec) if document is not None for item in document.files]
    return await show_repository(state, step, about=brief_markdown(brief) + brief.source, first=paths)


async def _findings(state: RunState, step: Step, spec: Spec) -> tuple[Finding, ...]:
    repo, base = step.ctx.repo, state["base_sha"]
    tree = Tree.of(entry.path for entry in await repo.list_paths(base))
    raw = await repo.read_files(base, (path for path in files_to_read(spec) if path in tree.files))
    contents = {path: clean_text(content.decode("utf-8", "replace")) for path, content in raw.items()}
    brief = await brief_of(state, step)
    grounds = Grounds(brief, await _lld(state, step), tree, contents, scopes_of(brief, step.ctx.settings))
    return (*check_spec(spec, grounds), *PLAN.too_long(spec))
