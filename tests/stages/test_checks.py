"""The repository's own CI in a run: waited for before a person is shown anything and before the merge, and told apart."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agentos.adapters.forge.local import LocalForge
from agentos.adapters.forge.memory import MemoryForge
from agentos.domain.ci import CiCheck, CiReport, CiState
from agentos.domain.decision import DecisionKind
from agentos.domain.error import NotYet, OutsideError
from agentos.domain.event import EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import Stage, Verdict
from agentos.workflows.finalize import graph as finalize
from agentos.workflows.kit.state import RunState
from agentos.workflows.pr.graph import build, build_redeploy
from agentos.workflows.review.graph import build as build_review
from tests.models.clock import SkippingClock
from tests.stages.conftest import REPO, Equip
from tests.stages.delivery import MENDED, Delivery, Thread, blocker, delivered
from tests.stages.dying import Died, dying_all_the_way
from tests.stages.test_review import AUTO, Work

pytestmark = pytest.mark.slow
OTHER_FAULT = "TypeError: no number"


class CheckedForge(LocalForge):
    """The local forge, with a CI as the one in memory has it."""

    def __init__(self, made: Delivery) -> None:
        ctx = made.stand.ctx
        super().__init__(ctx.repo, made.stand.target, ctx.home / "forge" / REPO)
        self.memory = MemoryForge()
        self.looks = 0
        self._then: dict[int, Callable[[], object]] = {}

    def after(self, look: int, happens: Callable[[], object]) -> None:
        """Effect: right before that look, that happens."""
        self._then[look] = happens

    @property
    def runs_checks(self) -> bool:
        return True

    async def ci(self, sha: str, base: str) -> Any:
        self.looks += 1
        self._then.get(self.looks, lambda: None)()
        return await self.memory.ci(sha, base)

    async def rerun(self, handle: str) -> bool:
        return await self.memory.rerun(handle)

    async def ci_log(self, check: CiCheck) -> str:
        return await self.memory.ci_log(check)


@dataclass
class Scene:
    """A change that passed its own checks, on a forge with a CI."""

    made: Delivery
    forge: CheckedForge
    clock: SkippingClock

    def says(
        self, state: CiState, sha: str = "", *, name: str = "build", id: str = "job:1", rerun: str = "run:1"
    ) -> CiReport:
        """What the CI says of a commit, the good one if none is named. Effect: it says so from now on."""
        sha = sha or self.made.state["good_sha"]
        check = CiCheck(name, state, id, "https://ci.example/1", str(state), rerun=rerun)
        self.forge.memory.reports[sha] = CiReport(sha, (check,), is_expected=True)
        return self.forge.memory.reports[sha]

    def fails(self, sha: str = "", log: str = "E   assert 3 == 4") -> None:
        """Effect: the CI fails for the commit, also when it is run again."""
        red = self.says(CiState.FAILED, sha)
        self.forge.memory.after_rerun["run:1"] = replace(red, checks=(replace(red.checks[0], id="job:2"),))
        self.forge.memory.logs["job:2"] = log

    async def published(self) -> RunState:
        """The state after the pr stage."""
        self.made.state = await self.made.stand.run_stage(build(), {**self.made.state, "wait": {}, "verdict": ""})
        return self.made.state

    async def notes(self) -> list[str]:
        events = await self.made.stand.store.ledger.read(self.made.stand.ctx.run.id)
        return [str(event.data["text"]) for event in events if event.kind is EventKind.NOTE]


async def scene(equip: Equip, **settings: Any) -> Scene:
    made = await delivered(equip, **settings)
    forge, clock = CheckedForge(made), SkippingClock()
    ctx = made.stand.ctx
    stand = replace(made.stand, ctx=replace(ctx, ports=replace(ctx.ports, forge=forge, clock=clock)))
    return Scene(replace(made, stand=stand, forge=forge), forge, clock)


async def test_a_person_is_asked_when_the_checks_are_through_and_the_package_names_them(equip: Equip) -> None:
    at = await scene(equip)
    at.says(CiState.RUNNING)
    at.forge.after(4, lambda: at.says(CiState.PASSED))
    state = await at.published()
    assert (state["verdict"], at.forge.looks) == (Verdict.PASS, 4)
    assert at.clock.waits[:3] == [5.0, 10.0, 20.0]
    package = await at.made.package(state)
    assert package.ci is not None
    assert (package.ci.sha, package.ci.is_green) == (state["good_sha"], True)
    folder = at.made.stand.ctx.home / "runs" / "demo" / "1" / "1"
    assert "| [build](https://ci.example/1) | passed |" in (folder / "review-package.md").read_text("utf-8")
    assert "CI: 1 check, all passed." in (await at.made.said())[0]
    assert any("waits for build" in note for note in await at.notes())


async def test_a_repository_without_ci_waits_for_nothing_and_says_so(equip: Equip) -> None:
    at = await scene(equip)
    at.forge.memory.reports["f" * 40] = CiReport("f" * 40)
    state = await at.published()
    assert (state["verdict"], at.clock.waits) == (Verdict.PASS, [])
    assert "CI: the repository has no CI to wait for." in (await at.made.said())[0]


async def test_a_forge_without_ci_is_not_spoken_of(equip: Equip) -> None:
    at = await scene(equip)
    state = await at.published()
    assert (state["verdict"], (await at.made.package(state)).ci) == (Verdict.PASS, None)
    assert "CI:" not in (await at.made.said())[0]


async def test_a_commit_whose_base_was_checked_is_given_time_for_checks_to_appear(equip: Equip) -> None:
    at = await scene(equip)
    at.says(CiState.PASSED, at.made.state["base_sha"])
    state = await at.published()
    assert (state["verdict"], sum(at.clock.waits) >= 30) == (Verdict.PASS, True)
    package = await at.made.package(state)
    assert package.ci is not None
    assert (package.ci.is_green, package.ci.note) == (False, "no check came, although some should have")


async def test_a_red_check_goes_to_the_coder_with_its_log_before_anybody_is_shown_the_change(equip: Equip) -> None:
    at = await scene(equip)
    at.fails()
    state = await at.published()
    assert (state["verdict"], at.made.deployer.deployed, await at.made.said()) == (Verdict.PASS, [], [])
    [asked] = state["feedback"]
    assert "E   assert 3 == 4" in asked
    assert at.forge.memory.reruns == ["run:1"]
    at.made.state = {**state, "verdict": "", "cycle": 0}
    work = Work(at.made)
    thread = Thread(at.made, build_review(feedback_implementation=work.graph(), redeploy=build_redeploy()))
    at.forge.after(at.forge.looks + 1, lambda: at.says(CiState.PASSED))
    await thread.go(at.made.state)
    wait = await thread.wait()
    assert work.seen == [(asked,)]
    assert (wait.subject, wait.subject != state["good_sha"]) == (at.made.state["good_sha"], True)
    assert at.made.deployer.deployed == [wait.subject]
    assert (await thread.state())["rounds"]["review.cycles"] == 1, "it counts as one cycle of feedback"


async def test_the_same_failure_after_a_round_of_work_is_stagnation_with_evidence(equip: Equip) -> None:
    at = await scene(equip)
    at.fails()
    state = await at.published()
    at.made.state = {**state, "verdict": ""}
    await at.made.passes_with({"calc/core.py": MENDED + "\n# more\n"})
    at.fails(log="E   assert 3 == 7")
    again = await at.made.stand.run_stage(build_redeploy(), {**at.made.state, "current_stage": Stage.REVIEW})
    wait = blocker(again)
    assert (again["verdict"], wait.code) == (Verdict.BLOCK, "stagnation")
    assert "assert 3 == 7" in wait.evidence[0]
    assert "https://ci.example/1" in wait.evidence[0]


async def test_another_failure_after_a_round_of_work_is_another_round(equip: Equip) -> None:
    at = await scene(equip)
    at.fails()
    state = await at.published()
    at.made.state = {**state, "verdict": ""}
    await at.made.passes_with({"calc/core.py": MENDED + "\n# more\n"})
    at.fails(log=OTHER_FAULT)
    again = await at.made.stand.run_stage(build_redeploy(), {**at.made.state, "current_stage": Stage.REVIEW})
    assert (again["verdict"], OTHER_FAULT in again["feedback"][-1]) == ("", True)
    assert again["rounds"]["review.cycles"] == 2


async def test_rounds_for_red_checks_end_at_the_limit_of_feedback_cycles(equip: Equip) -> None:
    at = await scene(equip, orchestrator={"stages": {"review": {"max_feedback_cycles": 1}}})
    at.fails()
    at.made.state["rounds"] = {"review.cycles": 1}
    state = await at.published()
    assert (state["verdict"], blocker(state).code) == (Verdict.BLOCK, "max_feedback_cycles")


async def test_a_flake_is_run_again_once_and_costs_nothing(equip: Equip) -> None:
    at = await scene(equip)
    red = at.says(CiState.FAILED)
    at.forge.memory.after_rerun["run:1"] = replace(
        red, checks=(replace(red.checks[0], id="job:2", state=CiState.PASSED, said="passed"),)
    )
    state = await at.published()
    assert (state["verdict"], at.forge.memory.reruns, state.get("feedback")) == (Verdict.PASS, ["run:1"], [])
    package = await at.made.package(state)
    assert package.ci is not None
    assert [line.result for line in package.ci.lines] == ["passed, the second time"]


async def test_a_commit_is_run_again_once_however_often_it_is_looked_at(equip: Equip) -> None:
    at = await scene(equip)
    at.fails(log="The operation was canceled.")
    for _ in range(3):
        state = await at.published()
        assert (state["verdict"], blocker(state).code) == (Verdict.BLOCK, "checks_broken")
    assert at.forge.memory.reruns == ["run:1"]


async def test_nothing_is_run_again_for_an_issue_that_was_closed_meanwhile(equip: Equip) -> None:
    at = await scene(equip)
    await at.published()
    at.fails()
    await at.made.stand.tracker.close(at.made.stand.ctx.issue, "not wanted")
    with pytest.raises(OutsideError) as caught:
        await at.published()
    assert (caught.value.kind, at.forge.memory.reruns) == (FailureKind.GONE, [])


@pytest.mark.parametrize("passes", [True, False])
async def test_dying_at_any_call_while_checks_are_watched_runs_nothing_again_twice(equip: Equip, passes: bool) -> None:
    at = await scene(equip)
    at.fails()
    if passes:
        red = at.forge.memory.after_rerun["run:1"]
        at.forge.memory.after_rerun["run:1"] = replace(red, checks=(replace(red.checks[0], state=CiState.PASSED),))
    state = await dying_all_the_way(at.made, build(), at.made.state)
    assert len(at.forge.memory.reruns) <= 1
    assert (state["verdict"], len(state.get("feedback", []))) in [(Verdict.PASS, 0), (Verdict.PASS, 1)]
    assert bool(await at.made.said()) is not bool(state["feedback"]), "shown, or sent to work; never neither"


@pytest.mark.parametrize("took_effect", [True, False])
async def test_dying_while_something_is_run_again_runs_it_at_most_once(equip: Equip, took_effect: bool) -> None:
    at = await scene(equip)
    at.fails()
    rerun, asked = at.forge.rerun, list[str]()

    async def dying(handle: str) -> bool:
        asked.append(handle)
        if took_effect:
            await rerun(handle)
        raise Died

    at.forge.rerun = dying  # type: ignore[method-assign]
    with pytest.raises(Died):
        await Thread(at.made, build()).go(at.made.state)
    state = await Thread(at.made, build()).go(None)
    assert (asked, at.forge.memory.reruns) == (["run:1"], ["run:1"] if took_effect else [])
    assert (state["verdict"], len(state["feedback"])) == (Verdict.PASS, 1), "a red check is never lost"


async def test_no_secret_of_a_log_goes_to_the_coder_or_is_kept(equip: Equip) -> None:
    at = await scene(equip)
    secret = "ghp_" + "canary0123456789abcdefghijklmnopqrst"[:36]
    at.fails(log=f"curl -H 'Authorization: token {secret}'\n##[error]Process completed with exit code 1.")
    state = await at.published()
    assert "Process completed" in state["feedback"][0]
    assert secret not in str(state)
    kept = [path for path in at.made.stand.ctx.home.rglob("ci-*") if path.is_file()]
    assert kept
    assert not any(secret in path.read_text("utf-8") for path in kept)


async def test_what_fails_at_the_base_too_is_told_and_not_worked_on(equip: Equip) -> None:
    at = await scene(equip)
    at.fails()
    at.says(CiState.FAILED, at.made.state["base_sha"])
    state = await at.published()
    assert (state["verdict"], state.get("feedback"), at.forge.memory.reruns) == (Verdict.PASS, [], [])
    assert "as at the base: not this change's" in (await at.made.said())[0]


async def test_a_check_that_nobody_can_run_again_counts_as_it_is(equip: Equip) -> None:
    at = await scene(equip)
    at.says(CiState.FAILED)
    at.forge.memory.logs["job:1"] = OTHER_FAULT
    state = await at.published()
    assert (at.forge.memory.reruns, OTHER_FAULT in state["feedback"][0]) == ([], True)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (CiState.HELD, "checks_held"),
        (CiState.QUEUED, "checks_not_started"),
        (CiState.RUNNING, "checks_slow"),
        (CiState.BROKEN, "checks_broken"),
    ],
)
async def test_what_is_no_fault_of_the_change_blocks_by_its_name_and_goes_on_when_it_is_mended(
    equip: Equip, state: CiState, code: str
) -> None:
    at = await scene(equip, checks={"queued_s": 60, "wait_s": 120})
    at.says(state)
    ended = await at.published()
    wait = blocker(ended)
    assert (ended["verdict"], wait.code, bool(wait.needs)) == (Verdict.BLOCK, code, True)
    assert at.made.deployer.deployed == []
    at.says(CiState.PASSED)
    assert (await at.published())["verdict"] == Verdict.PASS


async def test_a_long_wait_parks_the_run_and_each_look_after_that_is_one_look(equip: Equip) -> None:
    at = await scene(equip, checks={"hold_s": 60, "wait_s": 7200})
    at.says(CiState.RUNNING)
    thread = Thread(at.made, build())
    with pytest.raises(NotYet) as caught:
        await thread.go(at.made.state)
    assert caught.value.retry_after_s == 300
    held = at.forge.looks
    assert 60 <= sum(at.clock.waits) <= 95
    with pytest.raises(NotYet):
        await thread.go(None)
    assert at.forge.looks == held + 1
    await at.clock.sleep(7200)
    state = await thread.go(None)
    assert blocker(state).code == "checks_slow"


async def test_a_change_told_to_stop_at_the_pull_request_does_not_end_with_red_checks(equip: Equip) -> None:
    at = await scene(equip, until="pr")
    at.fails()
    state = await at.published()
    assert (state["verdict"], blocker(state).code) == (Verdict.BLOCK, "checks_failed")


async def test_waiting_can_be_turned_off_and_the_package_says_so(equip: Equip) -> None:
    at = await scene(equip, checks={"wait": False})
    at.fails()
    state = await at.published()
    assert (state["verdict"], at.forge.looks) == (Verdict.PASS, 0)
    assert "checks.wait is off" in (await at.made.said())[0]


@pytest.mark.parametrize(("base", "asked"), [(CiState.PASSED, False), (CiState.FAILED, True)])
async def test_nobody_is_spared_the_question_unless_every_check_is_green(
    equip: Equip, base: CiState, asked: bool
) -> None:
    at = await scene(equip, **AUTO)
    at.says(base, at.made.state["base_sha"])
    at.says(base)
    state = await at.published()
    thread = Thread(at.made, build_review(feedback_implementation=Work(at.made).graph(), redeploy=build_redeploy()))
    after = await thread.go({**state, "verdict": ""})
    assert (after["verdict"] == Verdict.PASS) is not asked


async def approved(equip: Equip) -> Scene:
    """A change that was shown with green checks, and approved."""
    at = await scene(equip, merge_authority="on_approval", checks={"queued_s": 60})
    at.says(CiState.PASSED)
    state = await at.published()
    thread = Thread(at.made, build_review(feedback_implementation=Work(at.made).graph(), redeploy=build_redeploy()))
    await thread.go({**state, "verdict": ""})
    at.made.state = {**await thread.decide(DecisionKind.APPROVE), "verdict": ""}
    return at


async def test_what_turned_red_after_the_approval_is_not_merged_and_goes_round_again(equip: Equip) -> None:
    at = await approved(equip)
    good = at.made.state["good_sha"]
    at.fails()
    main = at.made.stand.git("rev-parse", "main")
    state = await at.made.stand.run_stage(finalize.build(), at.made.state)
    assert (state["verdict"], state["approved_sha"], state["cycle"]) == (Verdict.RETRY, "", 1)
    assert "assert 3 == 4" in state["feedback"][-1]
    assert (at.made.stand.git("rev-parse", "main"), state["good_sha"]) == (main, good)


@pytest.mark.parametrize(
    ("state", "code"),
    [(CiState.HELD, "checks_held"), (CiState.BROKEN, "checks_broken"), (CiState.QUEUED, "checks_not_started")],
)
async def test_checks_that_say_nothing_hold_up_the_merge(equip: Equip, state: CiState, code: str) -> None:
    at = await approved(equip)
    at.says(state)
    main = at.made.stand.git("rev-parse", "main")
    after = await at.made.stand.run_stage(finalize.build(), at.made.state)
    wait = blocker(after)
    assert (after["verdict"], wait.code) == (Verdict.BLOCK, code)
    assert wait.accepts == (DecisionKind.RETRY, DecisionKind.REJECT)
    assert at.made.stand.git("rev-parse", "main") == main
