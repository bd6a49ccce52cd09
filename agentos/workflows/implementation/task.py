"""What the coding agent is told to do in one session."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import Finding, IssueBrief, Lld, Spec
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentTask
from agentos.prompting.library import Rendered
from agentos.workflows.implementation.guidelines import guidelines_of
from agentos.workflows.kit.file_texts import listed
from agentos.workflows.kit.markdown import brief_markdown, findings_markdown, lld_markdown, spec_markdown
from agentos.workflows.kit.records import load
from agentos.workflows.kit.scope import scope_text
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workspace.worktree import Worktree


async def coding_task(state: RunState, step: Step, tree: Worktree, round_: int) -> tuple[AgentTask, Rendered]:
    """The task of session `round_` in `tree`, and the prompt it was made of. Effect: the run's scratch folder is there."""
    brief = await brief_of(state, step)
    lld, spec = await documents_of(state, step)
    findings = tuple(load(Finding, item) for item in state.get("findings", []))
    guidelines = await guidelines_of(step.ctx.repo, state["base_sha"])
    checklist = [{"id": item.id, "text": item.text} for item in brief.criteria]
    checklist += [{"id": item.id, "text": item.text} for item in (lld.requirements if lld else ())]
    rendered = step.ctx.prompts.render(
        "impl/code",
        brief=brief_markdown(brief),
        lld=lld_markdown(lld) if lld else "",
        spec=spec_markdown(spec) if spec else "",
        workflow=step.ctx.workflow.body,
        guidelines="\n\n".join(f"=== {each.path}\n{each.text}" for each in guidelines if not each.folder),
        scope=scope_text(step.ctx.settings, brief),
        repo_files=await _files(state, step, brief),
        commands=[f"{item.name}: {item.run}" for item in step.ctx.settings.command_matrix()],
        criteria=checklist,
        findings=findings_markdown(findings) if findings else "",
        feedback=state.get("feedback", []),
    )
    scratch = step.ctx.folder / "agent"
    scratch.mkdir(parents=True, exist_ok=True)
    task = AgentTask(
        rendered.system,
        rendered.text,
        tree.path,
        scratch,
        step.ctx.choice.of(Stage.IMPL, "implementer"),
        step.call("implementer", round_),
        step.ctx.settings.agent.limits(),
        tuple(item["id"] for item in checklist),
        readable=(tree.path / ".git", tree.repository.path),
        base_sha=state["base_sha"],
        guidelines=tuple(each for each in guidelines if each.folder),
    )
    return task, rendered


async def _files(state: RunState, step: Step, brief: IssueBrief) -> str:
    paths = [entry.path for entry in await step.ctx.repo.list_paths(state["base_sha"])]
    return listed(paths, about=brief_markdown(brief))


async def brief_of(state: RunState, step: Step) -> IssueBrief:
    """The issue brief of the run."""
    return await step.document(IssueBrief, state["artifacts"][ArtifactKind.BRIEF])


async def documents_of(state: RunState, step: Step) -> tuple[Lld | None, Spec | None]:
    """The approved design and spec, where the run has them."""
    kept = state.get("artifacts", {})
    lld, spec = kept.get(ArtifactKind.LLD), kept.get(ArtifactKind.SPEC)
    return (await step.document(Lld, lld) if lld else None, await step.document(Spec, spec) if spec else None)
