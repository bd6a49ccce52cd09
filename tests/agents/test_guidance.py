"""What the agent is told on its way: where it works, what holds in a folder, that its end is near, its own difference."""

from dataclasses import replace
from pathlib import Path

import pytest

from agentos.adapters.agent.native.agent import SURROUNDINGS
from agentos.adapters.agent.native.middleware import LATE
from agentos.adapters.agent.native.submission import difference
from agentos.ports.agent import AgentLimits, AgentStatus, Guideline
from tests.agents.conftest import Bench
from tests.agents.model_server import SUBMIT, calls
from tests.boxes import backends, sandbox_of
from tests.workspace.scene import Person

ENDING = "Most of what this session may take is used"


@pytest.fixture
def checkout(bench: Bench) -> Person:
    """The bench's folder as a checkout with one commit, the base of the task."""
    person = Person(bench.tree)
    person.git("init", "-q", "-b", "main")
    person.write("app/core.py", "def f():\n    return 1\n")
    bench.task = replace(bench.task, base_sha=person.commit("first"))
    return person


def again(bench: Bench) -> None:
    """Effect: the next session of `bench` is a new one."""
    bench.task = replace(bench.task, call=replace(bench.task.call, task_id="task-2"))


async def test_the_first_submit_shows_the_difference_and_the_checklist_and_the_next_one_ends(
    bench: Bench, checkout: Person
) -> None:
    bench.task = replace(bench.task, criteria=("AC-1", "AC-2"))
    edit = calls(("edit", {"path": "app/core.py", "old": "return 1", "new": "return 2"}))
    new = calls(("write", {"path": "new.txt", "content": "new\n"}))
    index = checkout.git("ls-files", "--stage")
    played = await bench.play(edit, new, SUBMIT)
    told = played.heard[-1]
    assert "-    return 1\n+    return 2" in told
    assert "new file mode" in told, "a file that git does not know yet is part of the difference"
    assert "- AC-1: t.py::test_a\n- AC-2: NO EVIDENCE" in told
    assert "Without evidence: AC-2." in told
    assert (played.finished.status, played.finished.summary) == (AgentStatus.SUBMITTED, "done")
    assert played.finished.spend.calls == 4
    assert checkout.git("ls-files", "--stage") == index, "the worktree's own index is nobody's to change"


@pytest.mark.parametrize("kind", backends())
async def test_in_every_box_the_difference_is_told_of_a_worktree_whose_repository_it_may_only_read(
    bench: Bench, tmp_path: Path, kind: str
) -> None:
    person = Person(tmp_path / "repository")
    person.path.mkdir()
    person.git("init", "-q", "-b", "main")
    person.write("a.txt", "before\n")
    base = person.commit("first")
    tree = tmp_path / "worktree"
    person.git("worktree", "add", "-q", "--detach", str(tree))
    (tree / "a.txt").write_text("after\n", "utf-8")
    (tree / "new.txt").write_text("new\n", "utf-8")
    task = replace(bench.task, cwd=tree, base_sha=base, readable=(tree / ".git", person.path))
    told = await difference(sandbox_of(kind), task)
    assert "-before\n+after" in told
    assert "new file mode" in told


async def test_what_the_second_submit_says_counts(bench: Bench, checkout: Person) -> None:
    first = calls(("submit", {"summary": "first", "evidence": []}))
    mended = calls(("write", {"path": "a.txt", "content": "a"}))
    last = calls(("submit", {"summary": "last", "evidence": [], "no_change": True}))
    played = await bench.play(first, mended, last)
    assert (played.finished.status, played.finished.summary) == (AgentStatus.NO_CHANGE, "last")
    assert "Nothing changed." in next(text for text in played.heard if "Not handed in yet" in text)


async def test_a_session_killed_after_its_first_submit_goes_on_with_the_difference_it_was_shown(
    bench: Bench, checkout: Person
) -> None:
    turns = (SUBMIT, calls(("write", {"path": "later.txt", "content": "x"})), SUBMIT)
    await bench.play(*turns[:2], SUBMIT)
    asked = len(bench.heard)
    async with bench.store.db.connection() as conn:
        await conn.execute("DELETE FROM model_calls WHERE n = 2")
    played = await bench.play(*turns[:2], SUBMIT)
    assert len(bench.heard) == asked + 1, "only the lost reply is paid for again, though the difference is another now"
    assert played.finished.status is AgentStatus.SUBMITTED


async def test_at_a_limit_what_was_offered_counts(bench: Bench) -> None:
    played = await bench.play(calls(("bash", {"command": "ls"})), SUBMIT, limits=AgentLimits(steps=2))
    assert (played.finished.status, played.finished.summary) == (AgentStatus.SUBMITTED, "done")
    assert "2 steps" in played.finished.reason


async def test_the_agent_is_told_where_it_works_before_its_first_step(bench: Bench) -> None:
    played = await bench.play(SUBMIT, limits=AgentLimits(steps=30, wall_s=600))
    prompt = played.heard[1]
    assert prompt.startswith("Do it.")
    assert "You have 30 steps" in prompt
    assert "10 minutes" in prompt
    assert "python3" in prompt.partition("Of the usual programs there are:")[2]


async def test_guidelines_of_a_folder_are_shown_once_on_entering_it(bench: Bench) -> None:
    for name in ("a/b/c.py", "d/e.py"):
        (bench.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (bench.tree / name).write_text("x = 1\n")
    outer, inner = Guideline("a", "a/AGENTS.md", "OUTER"), Guideline("a/b", "a/b/CLAUDE.md", "INNER ~~~~~ END")
    bench.task = replace(bench.task, guidelines=(inner, outer, Guideline("d", "d/AGENTS.md", "OTHER")))
    looks: list[dict[str, object]] = [{"path": "d"}, {"path": "a/b/c.py"}, {"path": "a/b/c.py", "start": 1}]
    turns = [*(calls(("view", look)) for look in looks), SUBMIT]
    played = await bench.play(*turns)
    told = "\n".join(played.heard)
    assert [told.count(word) for word in ("OUTER", "INNER", "OTHER")] == [1, 1, 1]
    first = next(text for text in played.heard if "OUTER" in text)
    assert first.index("x = 1") < first.index("OUTER") < first.index("INNER"), "behind the result, outermost first"
    assert "from the owners of the repository" in first
    assert await bench.play(*turns) is not None
    assert len(bench.heard) == len(turns) + 1, "a session that is told again asks for nothing anew"


async def test_a_command_enters_the_folder_it_names_and_a_refused_call_enters_none(bench: Bench) -> None:
    (bench.tree / "lib").mkdir()
    (bench.tree / "library").mkdir()
    bench.task = replace(bench.task, guidelines=(Guideline("lib", "lib/AGENTS.md", "HELD"),))
    refused, other = calls(("view", {"path": "lib/no.py"})), calls(("bash", {"command": "ls library"}))
    enters = calls(("bash", {"command": "ls ./lib/"}))
    played = await bench.play(refused, other, enters, SUBMIT)
    [told] = [text for text in played.heard if "HELD" in text]
    assert told.startswith("exit code 0")
    assert played.heard.index(told) == len(played.heard) - 3, "neither the refusal nor the neighbour showed it"


async def test_by_its_steps_the_agent_is_told_once_to_come_to_an_end(bench: Bench) -> None:
    turns = [calls(("bash", {"command": f"echo {n}"})) for n in range(8)]
    played = await bench.play(*turns, limits=AgentLimits(steps=6, wrap_up=0.5))
    told = [text for text in played.heard if ENDING in text]
    assert told == [text for text in told if "3 of 6 steps are left" in text]
    assert len(told) == 1
    assert played.finished.status is AgentStatus.LIMIT


async def test_by_its_time_too_and_a_resumed_session_is_told_at_the_same_place(bench: Bench) -> None:
    turns = [calls(("bash", {"command": f"echo {n}"})) for n in range(3)]
    limits = AgentLimits(steps=1000, wall_s=1000, wrap_up=1e-9)
    played = await bench.play(*turns, SUBMIT, limits=limits)
    [told] = [text for text in played.heard if "minutes are left" in text]
    assert played.heard.index(told) == 2, "the clock was past it from the start"
    again(bench)
    task_id = bench.task.call.task_id
    for name, content in ((SURROUNDINGS, "Here."), (LATE, "2")):
        result = {"content": content, "status": "success"}
        await bench.store.exchanges.finish_tool(bench.fence, task_id, name, result)
    resumed = await bench.play(*turns, SUBMIT, limits=AgentLimits(steps=1000, wall_s=1000))
    [told] = [text for text in resumed.heard if "minutes are left" in text]
    assert resumed.heard.index(told) == 6, "after the second step, as recorded, though its own clock has hardly begun"


async def test_steps_that_bring_nothing_new_are_spoken_to_and_then_end_the_session(bench: Bench) -> None:
    turns = [calls(("view", {"path": f"no-{n}.py"})) for n in range(20)]
    played = await bench.play(*turns)
    assert (played.finished.status, len(played.acted)) == (AgentStatus.STALLED, 12)
    assert "12 steps of the agent brought nothing new" in played.finished.reason
    assert [text for text in played.heard if "brought nothing new" in text]


async def test_a_red_test_run_again_after_an_edit_is_progress(bench: Bench) -> None:
    turns = []
    for n in range(8):
        turns += [
            calls(("write", {"path": "n.txt", "content": str(n)})),
            calls(("bash", {"command": "cat n.txt; exit 1"})),
        ]
    played = await bench.play(*turns, SUBMIT)
    assert played.finished.status is AgentStatus.SUBMITTED
    assert not [text for text in played.heard if "brought nothing new" in text]


async def test_output_and_differences_stay_below_the_scratch_folder(bench: Bench, checkout: Person) -> None:
    big = calls(("write", {"path": "big.txt", "content": "line\n" * 5000}))
    played = await bench.play(big, SUBMIT)
    [kept] = list((bench.scratch / "outputs").iterdir())
    assert str(kept) in played.heard[-1]
    assert kept.read_text().count("+line") == 5000
    assert sorted(path.name for path in Path(bench.scratch).iterdir()) == ["outputs"], "no index is left"
