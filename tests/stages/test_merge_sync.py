"""The base moved on before the merge: what still is what was approved is merged, everything else goes round once more."""

from dataclasses import replace
from typing import Any

import pytest

from agentos.adapters.forge.local import LocalForge
from agentos.domain.decision import DecisionKind
from agentos.domain.error import OutsideError
from agentos.domain.event import EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import Outcome, Verdict
from agentos.workflows.finalize.graph import build
from agentos.workflows.kit.state import RunState
from agentos.workspace.worktree import open_worktree
from tests.stages.conftest import REPO, Equip, commit
from tests.stages.delivery import BRANCH, MENDED, Delivery, Thread, blocker
from tests.stages.test_finalize import MERGE, approved

pytestmark = pytest.mark.slow
THEIRS = "def divide(a, b):\n    return a / b\n"


class Racing(LocalForge):
    """A forge in which somebody else commits to the base right before each of the first `times` merges."""

    times = 1

    async def merge(self, number: int, *, expected_head: str, message: str) -> str:
        if self.times:
            self.times -= 1
            commit(self._target, {f"late-{self.times}.txt": "x"}, "late")
            raise OutsideError("the base was moved while it was merged into", kind=FailureKind.CONFLICT)
        return await super().merge(number, expected_head=expected_head, message=message)


class Refusing(LocalForge):
    """A forge that protects the base."""

    async def merge(self, number: int, *, expected_head: str, message: str) -> str:
        raise OutsideError(
            "the target refused refs/heads/main: protected branch hook declined", kind=FailureKind.INVALID
        )


def with_forge(made: Delivery, kind: type[LocalForge]) -> LocalForge:
    """The forge of this kind in place of the usual one."""
    ctx = made.stand.ctx
    forge = kind(ctx.repo, made.stand.target, ctx.home / "forge" / REPO)
    made.stand = replace(made.stand, ctx=replace(ctx, ports=replace(ctx.ports, forge=forge)))
    return forge


async def measured_at(made: Delivery) -> list[str]:
    events = await made.stand.store.ledger.read(made.stand.ctx.run.id)
    return [event.data["sha"] for event in events if event.kind is EventKind.CHECK_ENDED]


async def worked_in_again(made: Delivery, state: RunState, base: str) -> list[str]:
    """What is held against the change, after the marks of a change that goes round once more were looked at."""
    assert state["verdict"] == Verdict.RETRY
    assert (state["approved_sha"], state["cycle"], state["base_sha"]) == ("", 1, base)
    assert "baseline" not in state["artifacts"]
    assert made.stand.git("rev-parse", "main") == base, "nothing was merged"
    repo = made.stand.ctx.repo
    parents = (await repo.git.run("rev-list", "--parents", "-n", "1", state["head_sha"])).text.split()[1:]
    assert parents == [made.state["good_sha"], base]
    tree = await open_worktree(repo, made.stand.ctx.home, "1", BRANCH, base)
    assert await tree.stands_at(state["head_sha"])
    assert (await made.said())[-1].startswith("**Not merged**: `main` moved on.")
    return [item["where"] for item in state["findings"]]


async def test_a_change_that_merges_as_it_was_approved_is_measured_first_and_merged(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    base = made.stand.commit({"other.txt": "x"})
    state = await made.stand.run_stage(build(), made.state)
    assert (state["outcome"], state["approved_sha"]) == (Outcome.MERGED, made.state["good_sha"])
    repo, (before, after) = made.stand.ctx.repo, await measured_at(made)
    assert after == state["merge_sha"] != before
    assert await repo.tree_of(before) == await repo.tree_of(after)
    assert (state["synced_sha"], state["rounds"]["finalize.syncs"]) == (base, 1)


async def test_a_conflict_goes_back_to_work_with_the_text_of_the_base_and_what_the_change_did(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    base = made.stand.commit({"calc/core.py": THEIRS})
    state = await made.stand.run_stage(build(), made.state)
    assert await worked_in_again(made, state, base) == ["calc/core.py"]
    assert await made.stand.ctx.repo.read_file(state["head_sha"], "calc/core.py") == THEIRS.encode()
    assert '+        raise ValueError("b")' in state["feedback"][0]
    assert state["stage_errors"]["finalize"] == [
        "main moved on: blocker: calc/core.py: was changed in main meanwhile, whose text stands there now"
    ]
    events = await made.stand.store.ledger.read(made.stand.ctx.run.id)
    assert [event.data["why"] for event in events if event.kind is EventKind.STAGE_ENDED][-1].startswith(
        "main moved on"
    )


async def test_a_change_that_breaks_only_together_with_what_came_in_goes_back_to_work(equip: Equip) -> None:
    together = {"test": "! { test -f other.txt && grep -q ValueError calc/core.py; }"}
    made = await approved(equip, **MERGE, commands=together)
    base = made.stand.commit({"other.txt": "x"})
    state = await made.stand.run_stage(build(), made.state)
    assert await worked_in_again(made, state, base) == ["test: test"]
    assert await made.stand.ctx.repo.read_file(state["head_sha"], "calc/core.py") == MENDED.encode()


async def test_a_change_that_is_partly_there_already_is_put_before_a_person_again(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    base = made.stand.commit({"calc/core.py": MENDED})
    state = await made.stand.run_stage(build(), made.state)
    assert await worked_in_again(made, state, base) == ["main"]
    assert await measured_at(made) == [], "nothing is measured that is not merged anyway"


async def test_going_back_twice_makes_one_commit_and_one_comment(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    made.stand.commit({"calc/core.py": THEIRS})
    first = await made.stand.run_stage(build(), made.state)
    again = await made.stand.run_stage(build(), made.state)
    assert again["head_sha"] == first["head_sha"]
    assert sum("Not merged" in text for text in await made.said()) == 1


async def test_a_base_that_moves_at_the_last_moment_is_looked_at_again_and_merged(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    with_forge(made, Racing)
    state = await made.stand.run_stage(build(), made.state)
    assert (state["outcome"], state["rounds"]["finalize.syncs"]) == (Outcome.MERGED, 1)


async def test_a_base_that_never_rests_blocks_and_a_retry_looks_as_often_again(equip: Equip) -> None:
    made = await approved(equip, **MERGE, orchestrator={"stages": {"finalize": {"max_merge_syncs": 1}}})
    forge: Any = with_forge(made, Racing)
    forge.times = 2
    state = await made.stand.run_stage(build(), made.state)
    assert blocker(state).code == "max_merge_syncs"
    assert state["approved_sha"] == made.state["good_sha"], "what was approved still is"
    again = await made.stand.run_stage(build(), {**state, "wait": {}, "rounds": {}})
    assert again["outcome"] == Outcome.MERGED


async def test_a_dossier_that_lay_while_the_base_moved_on_is_synced_when_it_is_approved(equip: Equip) -> None:
    made = await approved(equip)
    thread = Thread(made, build())
    await thread.go(made.state)
    base = made.stand.commit({"calc/core.py": THEIRS})
    state = await thread.decide(DecisionKind.APPROVE)
    assert await worked_in_again(made, state, base) == ["calc/core.py"]


async def test_a_merge_that_is_refused_is_told_in_one_sentence_and_goes_on_once_the_cause_is_gone(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    mine = made.stand.target / "calc" / "core.py"
    text = mine.read_text()
    mine.write_text("# mine\n")
    state = await made.stand.run_stage(build(), made.state)
    wait = blocker(state)
    assert (wait.code, wait.evidence) == ("merge_refused", ())
    assert wait.title.startswith(
        "the merge into main was refused: the merge changes files that have changes of your own"
    )
    assert "calc/core.py" in wait.title
    assert mine.read_text() == "# mine\n"
    mine.write_text(text)
    assert (await made.stand.run_stage(build(), {**state, "wait": {}}))["outcome"] == Outcome.MERGED


async def test_a_forge_that_protects_the_base_is_quoted(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    with_forge(made, Refusing)
    wait = blocker(await made.stand.run_stage(build(), made.state))
    assert wait.code == "merge_refused"
    assert "protected branch hook declined" in wait.title
    assert f"merge {BRANCH} into main yourself" in wait.needs[0]
