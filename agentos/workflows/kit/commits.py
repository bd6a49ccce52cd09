"""The issue's commits beyond this machine: kept as a bundle after each one, brought back where they are missing."""

from datetime import datetime

from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step


async def keep_commits(step: Step, branch: str, base_sha: str, *, name: str) -> ArtifactRef:
    """The bundle of `branch` since `base_sha`, in the artifact store."""
    bundle = step.ctx.folder / f"{name}.bundle"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    await step.ctx.repo.bundle(f"refs/heads/{branch}", bundle, since=base_sha)
    ref = await step.keep(ArtifactKind.BUNDLE, bundle.read_bytes(), suffix=".bundle", name=name)
    bundle.unlink()
    return ref


async def commit_time(step: Step) -> datetime:
    """The time of the run's commits: the same however often a step is repeated, so that it makes the same commit."""
    return datetime.fromisoformat((await step.ctx.store.runs.get(step.ctx.run.id)).created_at)


async def bring_commits(ctx: RunContext, state: RunState) -> None:
    """Effect: the commits the run stands on are in the repository of this machine, whoever made them. Repeatable."""
    base = state.get("base_sha", "")
    if base and await ctx.repo.resolve(base) is None:
        await ctx.repo.fetch_base(state["base_branch"])
    heads = {state.get("head_sha", ""), state.get("good_sha", "")} - {"", base}
    if all([await ctx.repo.resolve(head) for head in heads]):
        return
    kept = await ctx.store.artifacts.latest(ctx.issue, ArtifactKind.BUNDLE)
    if kept is not None:
        bundle = ctx.folder / "brought.bundle"
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_bytes(await ctx.store.artifacts.get(kept.sha256))
        await ctx.repo.unbundle(bundle)
        bundle.unlink()
