"""The real loop of work: a round that makes the measured checks worse is undone, and the next begins at the best commit."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from agentos.adapters.agent.scripted import ScriptedAgent, ScriptedSession
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import ChangeReport
from agentos.domain.document import Criterion, Evidence
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage, Verdict
from agentos.ports.agent import AgentEvent, AgentTask
from agentos.runs.account import account_of
from agentos.workflows.implementation.graph import build, build_feedback_loop
from agentos.workflows.kit.records import load_json
from agentos.workflows.kit.state import RunState
from agentos.workspace.worktree import open_worktree
from tests.stages.conftest import Equip, Stand
from tests.stages.delivery import BRANCH, blocker
from tests.stages.documents import BRIEF

pytestmark = pytest.mark.slow

RUNNER = """\
import pathlib, sys
said = {file.stem: file.read_text().strip() for file in pathlib.Path("says").glob("*.txt")}
cases = {file.stem: said.get(file.stem, "nothing") for file in sorted(pathlib.Path("tests").glob("*.txt"))}
told = "".join(
    f'<testcase classname="says" name="{name}">{"" if said == "pass" else "<failure/>"}</testcase>'
    for name, said in cases.items()
)
pathlib.Path(sys.argv[1]).write_text(f"<testsuite>{told}</testsuite>")
sys.exit(any(said != "pass" for said in cases.values()))
"""
FILES = {"run.py": RUNNER, "tests/keep.txt": "", "says/keep.txt": "pass\n"}
ASKED = replace(BRIEF, criteria=(Criterion("AC-1", "one"), Criterion("AC-2", "two")))
EVIDENCE = (Evidence("AC-1", ("says::one",)), Evidence("AC-2", ("says::two",)))
APPROVE: dict[str, Any] = {"verdict": "approve", "summary": "Fine.", "confidence": 95}


class Listening(ScriptedAgent):
    """Plays its sessions, and remembers what each was told and what files it found."""

    def __init__(self, sessions: Mapping[tuple[Stage, int], ScriptedSession]) -> None:
        super().__init__(sessions=sessions)
        self.prompts: list[str] = []
        self.found: list[dict[str, str]] = []

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        self.prompts.append(task.prompt)
        self.found.append(_says(task.cwd))
        async for event in super().run(task):
            yield event


def _says(folder: Any) -> dict[str, str]:
    return {file.stem: file.read_text().strip() for file in sorted((folder / "says").glob("*.txt"))}


def writes(**says: str) -> ScriptedSession:
    """A session that leaves tests of these names, and work that makes them say so."""
    work = {f"says/{name}.txt": f"{said}\n" for name, said in says.items()}
    return ScriptedSession({**work, **{f"tests/{name}.txt": "" for name in says}}, evidence=EVIDENCE)


async def stand_with(
    equip: Equip, *sessions: ScriptedSession, stage: Stage = Stage.IMPL, **stages: Any
) -> tuple[Stand, Listening, RunState]:
    agent = Listening({(stage, n): session for n, session in enumerate(sessions, 1)})
    stand = await equip(
        answers={(stage, "reviewer", 1): APPROVE},
        files=FILES,
        ports={"agent": agent, "sandbox": ProcessSandbox()},
        commands={"test": "python3 run.py {junit}"},
        orchestrator={"stages": {"implementation": stages}},
    )
    return stand, agent, await stand.handed_over((ArtifactKind.BRIEF, ASKED), current_stage=stage)


async def measured(stand: Stand, state: RunState) -> ChangeReport:
    return load_json(ChangeReport, await stand.store.artifacts.get(state["artifacts"]["change"]))


async def test_a_worse_round_is_undone_and_the_next_begins_at_the_best_commit(equip: Equip) -> None:
    half, worse, rest = writes(one="pass", two="fail"), writes(one="fail", keep="fail"), writes(two="pass")
    stand, agent, state = await stand_with(equip, half, worse, rest)
    done = await stand.run_stage(build(), state)

    assert done["verdict"] == Verdict.PASS
    assert agent.found[2] == {"keep": "pass", "one": "pass", "two": "fail"} == agent.found[1]
    assert "made it worse and was undone: it lost AC-1, test: says::keep, test: says::one" in agent.prompts[2]
    assert "AC-2" in agent.prompts[2], "what is held against the best commit is what it works on"
    [undone] = (await account_of(stand.store, await stand.store.runs.get(stand.ctx.run.id))).undone
    report = await measured(stand, done)
    assert report.head_sha == done["good_sha"] == await stand.ctx.repo.resolve(f"refs/heads/{BRANCH}")
    parents = await stand.ctx.repo.git.run("rev-list", "--parents", "-n", "1", done["good_sha"])
    assert parents.text.split()[1:] == [undone.best_sha], "the worse commit is no part of the change"
    assert undone.lost == ("AC-1", "test: says::keep", "test: says::one")
    assert await stand.ctx.repo.resolve(undone.sha) == undone.sha
    assert "best" not in done["artifacts"]
    assert (await stand.kinds()).count(EventKind.ROUND_UNDONE) == 1


async def test_at_the_bound_the_best_commit_is_what_is_left(equip: Equip) -> None:
    half = writes(one="pass", two="fail")
    worse = [writes(one="fail", two="fail"), writes(one="fail", keep="fail")]
    stand, _, state = await stand_with(equip, half, *worse, writes(two="pass"), max_test_retries=2)
    stopped = await stand.run_stage(build(), state)

    assert blocker(stopped).code == "max_test_retries"
    assert any("made it worse and was undone" in line for line in blocker(stopped).evidence)
    tree = await open_worktree(stand.ctx.repo, stand.ctx.home, "1", BRANCH, state["base_sha"])
    assert _says(tree.path) == {"keep": "pass", "one": "pass", "two": "fail"}
    assert await tree.head() == stopped["head_sha"] == (await measured(stand, stopped)).head_sha
    account = await account_of(stand.store, await stand.store.runs.get(stand.ctx.run.id))
    assert account.change is not None
    assert account.change.head_sha == stopped["head_sha"], "what is shown is what stands"
    on = await stand.run_stage(build(), {**stopped, "wait": {}, "rounds": {"code.impl": 3}, "seen": []})
    assert on["verdict"] == Verdict.PASS


async def test_a_round_that_moves_on_stays_although_it_is_red(equip: Equip) -> None:
    first, further = writes(one="pass"), writes(two="fail", new="fail")
    stand, agent, state = await stand_with(equip, first, further, writes(two="pass", new="pass"))
    assert (await stand.run_stage(build(), state))["verdict"] == Verdict.PASS
    assert agent.found[2] == {"keep": "pass", "one": "pass", "two": "fail", "new": "fail"}
    assert EventKind.ROUND_UNDONE not in await stand.kinds()


async def test_feedback_may_first_break_what_passed_but_no_later_round_may(equip: Equip) -> None:
    good = writes(one="pass", two="pass")
    stand, _, state = await stand_with(equip, good)
    passed = await stand.run_stage(build(), state)
    first, worse, last = writes(two="fail"), writes(one="fail"), writes(two="pass", three="pass")
    agent = Listening({(Stage.REVIEW, n): session for n, session in enumerate((first, worse, last), 1)})
    stand = replace(stand, ctx=replace(stand.ctx, ports=replace(stand.ctx.ports, agent=agent)))
    stand.will_answer({(Stage.REVIEW, "reviewer", 1): APPROVE})
    asked: RunState = {**passed, "current_stage": Stage.REVIEW, "feedback": ["Add three."], "rounds": {}, "verdict": ""}
    done = await stand.run_stage(build_feedback_loop(), asked)
    assert [found["two"] for found in agent.found] == ["pass", "fail", "fail"]
    assert agent.found[2]["one"] == "pass"
    assert done["good_sha"] != passed["good_sha"]
    assert (await stand.kinds()).count(EventKind.ROUND_UNDONE) == 1


async def test_a_kill_between_branch_and_files_is_mended_before_the_next_round(equip: Equip) -> None:
    stand, _, state = await stand_with(equip, writes(one="pass", two="fail"))
    await stand.run_stage(build(), {**state, "rounds": {"impl.tests": 3}})
    tree = await open_worktree(stand.ctx.repo, stand.ctx.home, "1", BRANCH, state["base_sha"])
    head = await tree.head()
    assert await tree.stands_at(head)
    await stand.ctx.repo.update_ref(tree.ref, state["base_sha"], head)
    assert not await tree.stands_at(state["base_sha"]), "the files are still those of the round that is undone"
    await tree.restore(state["base_sha"])
    assert await tree.stands_at(state["base_sha"])
    await tree.remove()
    assert not await tree.stands_at(state["base_sha"])
