"""The issue's branch on the forge: whether its name is free for us, or holds what we did not make."""

from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import blocked


async def branch_taken(step: Step, branch: str) -> RunState | None:
    """The block where somebody else has `branch`, or a branch that leaves git no room for it; None where it is free.

    Looks only, before anything is paid for; the push looks again.
    """
    forge, repo = step.ctx.ports.forge, step.ctx.repo
    above = branch.rpartition("/")[0]
    if above and await forge.branch_head(above) is not None:
        title = f"the branch {above} leaves git no room for {branch}"
        return blocked(step.stage, "branch_taken", title, needs=(f"rename or delete the branch {above}, then retry",))
    there = await forge.branch_head(branch)
    if there is None or await repo.resolve(there) is not None:
        return None
    return foreign_commits(step, branch, there)


def foreign_commits(step: Step, branch: str, what: str) -> RunState:
    """The block for a branch with commits that no run of the issue made."""
    title = f"the branch {branch} holds commits that are not from this run, so it was left alone"
    needs = (f"delete {branch} on the forge, or move those commits to another branch, then retry",)
    return blocked(step.stage, "branch_moved", title, evidence=(what,), needs=needs)
