"""Ending a run that was not merged: what was made is kept, what belongs to others stays, nothing else is left."""

from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph

from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.domain.artifact import ArtifactKind
from agentos.domain.pipeline import Outcome
from agentos.workflows.kit.cleanup import CLEANUP
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import StepNode
from agentos.workflows.pr import graph as pr
from agentos.workspace.snapshot import snapshot
from agentos.workspace.worktree import open_worktree
from tests.stages.conftest import Equip, commit, run_git
from tests.stages.delivery import BRANCH, MENDED, WHEN, Delivery, delivered

pytestmark = pytest.mark.slow


async def clean(made: Delivery, state: RunState) -> None:
    """Effect: every clean-up step ran once, as the outer graph runs them."""
    graph: Any = StateGraph(RunState, context_schema=type(made.stand.ctx))
    names = [function.__name__ for function in CLEANUP]
    for function, following in zip(CLEANUP, [*names[1:], END], strict=True):
        graph.add_node(function.__name__, StepNode(None, "clean-up", function))
        graph.add_edge(function.__name__, following)
    graph.add_edge(START, names[0])
    await graph.compile().ainvoke(state, context=made.stand.ctx)


async def cancelled(equip: Equip) -> tuple[Delivery, RunState]:
    made = await delivered(equip)
    state = await made.stand.run_stage(pr.build(), made.state)
    return made, {**state, "outcome": Outcome.CANCELLED}


async def bundles(made: Delivery) -> list[Path]:
    kept = await made.stand.store.artifacts.of_run(made.stand.ctx.run.id)
    return [made.stand.ctx.home / ref.path for ref in kept if ref.kind is ArtifactKind.BUNDLE]


def debris(made: Delivery) -> list[Path]:
    home = made.stand.ctx.home
    return [path for pattern in ("worktrees/*/*", "trees/*", "scratch/*") for path in home.glob(pattern)]


async def test_a_cancelled_run_leaves_no_branch_pull_request_deployment_or_tree(equip: Equip) -> None:
    made, state = await cancelled(equip)
    await clean(made, state)
    assert (await made.pr()).state == "closed"
    assert made.stand.git("branch", "--list", "agentos/*") == ""
    assert made.stand.git("status", "--porcelain") == ""
    assert await made.stand.ctx.repo.resolve(f"refs/heads/{BRANCH}") is None
    assert made.deployer.running == {}
    assert debris(made) == []


async def test_cleaning_up_twice_is_harmless(equip: Equip) -> None:
    made, state = await cancelled(equip)
    await clean(made, state)
    await clean(made, state)
    assert debris(made) == []


async def test_commits_no_passed_change_holds_are_kept_as_a_bundle_before_the_branch_goes(equip: Equip) -> None:
    made, state = await cancelled(equip)
    ctx = made.stand.ctx
    tree = await open_worktree(ctx.repo, ctx.home, "1", BRANCH, state["base_sha"])
    (tree.path / "calc" / "core.py").write_text(MENDED + "\n\nHALF = 1\n")
    parent = await tree.head()
    late = await tree.commit(await snapshot(ctx.repo, tree.path, parent), "half", parent=parent, when=WHEN)
    await clean(made, state)
    [bundle] = await bundles(made)
    run_git(made.stand.target, "fetch", "--quiet", str(bundle), f"refs/heads/{BRANCH}")
    assert made.stand.git("rev-parse", "FETCH_HEAD") == late
    assert await ctx.repo.resolve(f"refs/heads/{BRANCH}") is None


async def test_a_branch_that_somebody_worked_on_is_left_to_them(equip: Equip) -> None:
    made, state = await cancelled(equip)
    run_git(made.stand.target, "checkout", "--quiet", BRANCH)
    theirs = commit(made.stand.target, {"mine.txt": "x"}, "mine")
    run_git(made.stand.target, "checkout", "--quiet", "main")
    await clean(made, state)
    assert made.stand.git("rev-parse", BRANCH) == theirs
    assert debris(made) == []


async def test_a_run_that_ended_before_it_had_a_branch_has_nothing_to_clean(equip: Equip) -> None:
    made = await delivered(equip)
    deployer = MemoryDeployer()
    state: RunState = {"issue_number": 1, "current_stage": "triage", "outcome": Outcome.CANCELLED}
    await clean(made, state)
    assert deployer.running == {}
    assert await made.forge.find_pr(BRANCH) is None
