"""The real finalize subgraph over real git: merges what was approved and nothing else, verifies, and leaves no debris."""

from typing import Any

import pytest

from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.error import OutsideError
from agentos.domain.pipeline import Outcome, Stage, Verdict
from agentos.workflows.finalize.graph import build
from agentos.workflows.finalize.reverting import TakenIn, taken_in
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workflows.orchestrator.rules import after_decision, settled
from agentos.workflows.pr import graph as pr
from tests.stages.conftest import Equip, commit, run_git
from tests.stages.delivery import BRANCH, Delivery, Thread, blocker, delivered
from tests.stages.dying import dying_all_the_way

pytestmark = pytest.mark.slow
ONE: dict[str, Any] = {"follow_ups": [{"title": "Divide floats too", "body": "Objective: floats."}]}
NONE: dict[str, Any] = {"follow_ups": []}
MERGE: dict[str, Any] = {"merge_authority": "on_approval"}
SAID = "echo fine so far; echo 'AssertionError: broken by the merge'; echo and more"
BREAKS = {"test": f"{SAID}; ! grep -q ValueError calc/core.py"}
"""Passes at the base and fails with the change in it."""


async def approved(equip: Equip, answer: dict[str, Any] = NONE, **settings: object) -> Delivery:
    """A change a person approved in review."""
    made = await delivered(equip, **settings)
    made.stand.will_answer({(Stage.FINALIZE, "drafter", 1): answer})
    state = await made.stand.run_stage(pr.build(), made.state)
    made.state = {**state, "verdict": "", "approved_sha": state["good_sha"]}
    return made


async def test_an_approved_change_is_merged_verified_and_closed_out_without_debris(equip: Equip) -> None:
    made = await approved(equip, ONE, **MERGE)
    state = await made.stand.run_stage(build(), made.state)
    assert (state["verdict"], state["outcome"]) == (Verdict.PASS, Outcome.MERGED)
    assert made.stand.git("rev-parse", "main") == state["merge_sha"] == (await made.pr()).merge_sha
    assert "ValueError" in (made.stand.target / "calc" / "core.py").read_text()
    record = await made.close_out(state)
    assert [check.sha for check in record.checks] == [state["merge_sha"]]
    assert [(item.number, item.title) for item in record.follow_ups] == [(2, "Divide floats too")]
    assert state["follow_ups"] == [2]
    issue = await made.stand.tracker.get(1)
    assert not issue.is_open
    assert state["merge_sha"] in made.stand.tracker.resolution(made.stand.ctx.issue)
    close_out = (await made.said())[-1]
    for part in (state["merge_sha"], made.state["pr_url"], "AC-1", "| test | pass |", "#2 Divide floats too"):
        assert part in close_out
    home = made.stand.ctx.home
    assert made.stand.git("branch", "--list", "agentos/*") == ""
    assert made.stand.git("status", "--porcelain") == ""
    assert await made.stand.ctx.repo.resolve(f"refs/heads/{BRANCH}") is None
    assert list(home.glob("worktrees/*/*")) == list(home.glob("trees/*")) == list(home.glob("scratch/*")) == []
    assert made.deployer.running == {}


async def test_usually_nothing_is_filed(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    state = await made.stand.run_stage(build(), made.state)
    assert (state["outcome"], state.get("follow_ups", [])) == (Outcome.MERGED, [])
    with pytest.raises(OutsideError):
        await made.stand.tracker.get(2)


async def test_by_default_the_run_stops_at_a_dossier_and_merges_when_told_to(equip: Equip) -> None:
    made = await approved(equip)
    thread, before = Thread(made, build()), made.stand.git("rev-parse", "main")
    await thread.go(made.state)
    wait = await thread.wait()
    assert (wait.kind, wait.subject) == ("dossier", made.state["good_sha"])
    assert wait.accepts == (DecisionKind.APPROVE, DecisionKind.RETRY, DecisionKind.REJECT)
    assert made.stand.git("rev-parse", "main") == before
    text = (made.stand.ctx.home / "runs" / "demo" / "1" / "1" / "dossier.md").read_text("utf-8")
    assert text.startswith("# Merge-ready: Report division by zero (#1)")
    assert "agentos approve 1" in text
    assert len(made.notifier.notices) == 2
    state = await thread.decide(DecisionKind.APPROVE)
    assert (state["outcome"], made.stand.git("rev-parse", "main")) == (Outcome.MERGED, state["merge_sha"])


async def test_where_agentos_may_not_merge_the_dossier_takes_no_approval_and_waits_for_a_merge_by_hand(
    equip: Equip,
) -> None:
    made = await approved(equip, merge_authority="none")
    thread = Thread(made, build())
    await thread.go(made.state)
    wait = await thread.wait()
    assert (wait.kind, wait.accepts) == ("dossier", (DecisionKind.RETRY, DecisionKind.REJECT))
    assert "AgentOS is not allowed to" in wait.title
    assert not any("approve" in text for text in (wait.summary, (await made.said())[-1], made.notifier.notices[-1].how))
    run_git(made.stand.target, "merge", "--quiet", "--no-ff", "-m", "mine", BRANCH)
    assert (await thread.decide(DecisionKind.RETRY))["outcome"] == Outcome.MERGED


@pytest.mark.parametrize(("priority", "merges"), [("high", False), ("", True)])
async def test_the_priority_of_an_issue_may_forbid_what_its_authority_allows(
    equip: Equip, priority: str, *, merges: bool
) -> None:
    made = await approved(equip, **MERGE, merge={"by_priority": {"high": "never"}})
    made.stand.tracker.prioritise(made.stand.ctx.issue, priority)
    thread = Thread(made, build())
    state = await thread.go(made.state)
    assert (state.get("outcome") == Outcome.MERGED) is merges
    assert merges or (await thread.wait()).accepts == (DecisionKind.RETRY, DecisionKind.REJECT)


async def test_a_merge_by_hand_is_seen_and_the_run_goes_on_to_close_out(equip: Equip) -> None:
    made = await approved(equip)
    thread = Thread(made, build())
    await thread.go(made.state)
    await thread.decide(DecisionKind.RETRY)
    assert (await thread.wait()).kind == "dossier"
    run_git(made.stand.target, "merge", "--quiet", "--no-ff", "-m", "mine", BRANCH)
    state = await thread.decide(DecisionKind.RETRY)
    assert (state["outcome"], state["merge_sha"]) == (Outcome.MERGED, made.stand.git("rev-parse", "main"))


async def test_rejecting_the_dossier_cancels_and_merges_nothing(equip: Equip) -> None:
    made = await approved(equip)
    thread, before = Thread(made, build()), made.stand.git("rev-parse", "main")
    await thread.go(made.state)
    state = await thread.decide(DecisionKind.REJECT)
    assert (state["outcome"], made.stand.git("rev-parse", "main")) == (Outcome.CANCELLED, before)


@pytest.mark.parametrize("other", ["approved_sha", "good_sha"])
async def test_nothing_is_merged_but_the_approved_commit(equip: Equip, other: str) -> None:
    made = await approved(equip, **MERGE)
    before = made.stand.git("rev-parse", "main")
    moved: Any = {**made.state, other: "e" * 40}
    state = await made.stand.run_stage(build(), moved)
    assert (state["verdict"], blocker(state).code) == (Verdict.BLOCK, "head_moved")
    assert made.stand.git("rev-parse", "main") == before


async def test_a_branch_that_moved_after_the_approval_is_not_merged(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    before = made.stand.git("rev-parse", "main")
    run_git(made.stand.target, "checkout", "--quiet", BRANCH)
    commit(made.stand.target, {"late.txt": "x"}, "late")
    run_git(made.stand.target, "checkout", "--quiet", "main")
    state = await made.stand.run_stage(build(), made.state)
    assert (state["verdict"], blocker(state).code) == (Verdict.BLOCK, "head_moved")
    assert made.stand.git("rev-parse", "main") == before


async def test_a_merge_that_fails_its_checks_blocks_with_a_diagnosis_and_closes_nothing(equip: Equip) -> None:
    made = await approved(equip, **MERGE, commands=BREAKS)
    state = await made.stand.run_stage(build(), made.state)
    wait = blocker(state)
    assert (state["verdict"], wait.code) == (Verdict.BLOCK, "verify_failed")
    assert wait.evidence[0] == "test: test"
    assert wait.evidence[1] == "test ended with exit code 1:\nAssertionError: broken by the merge\nand more"
    assert f"main without the change ({made.state['base_sha'][:12]}) passes" in wait.evidence[2]
    assert "suspect the change itself: calc/core.py" in wait.evidence[3]
    assert (await made.stand.tracker.get(1)).is_open
    assert await made.forge.branch_head(BRANCH) == made.state["good_sha"]
    assert state["rounds"]["finalize.verify"] == 2
    made.stand.git("revert", "--no-edit", "-m", "1", "HEAD")
    again = await made.stand.run_stage(build(), {**state, "wait": {}, "rounds": {}})
    assert (again["outcome"], again["merge_sha"]) == (Outcome.MERGED, state["merge_sha"])
    assert [check.sha for check in (await made.close_out(again)).checks] == [made.stand.git("rev-parse", "main")]


async def test_the_revert_of_a_merge_that_fails_is_filed_once_and_only_when_a_person_says_so(equip: Equip) -> None:
    made = await approved(equip, **MERGE, commands=BREAKS)
    state = await made.stand.run_stage(build(), made.state)
    wait = blocker(state)
    assert (wait.accepts, wait.subject) == (("approve", "retry", "reject"), state["merge_sha"])
    with pytest.raises(OutsideError):
        await made.stand.tracker.get(2)
    decision = Decision(DecisionKind.APPROVE, "ann", "cli:1", subject=wait.subject)
    wanted: RunState = {**state, **settled(state, decision), "decision": dump(decision)}
    assert after_decision(wanted) == "finalize"
    for _ in range(2):
        told: RunState = await made.stand.run_stage(build(), wanted)
        assert told["revert_ticket"] == 2
        assert (blocker(told).accepts, "issue 2" in blocker(told).needs[0]) == (("retry", "reject"), True)
    with pytest.raises(OutsideError):
        await made.stand.tracker.get(3)
    ticket = await made.stand.tracker.get(2)
    assert ticket.title == "Revert “Report division by zero” (#1)"
    for part in (state["merge_sha"], "git revert -m 1", "AssertionError: broken by the merge", "passes test: test"):
        assert part in ticket.body
    pull = await made.forge.find_pr(f"agentos/revert-{state['merge_sha'][:12]}")
    assert pull is not None
    assert (pull.url, pull.base, pull.title) == (told["revert_pr"], "main", "Revert “Report division by zero (#1)”")
    assert "issue 2" in pull.body
    assert f"or merge {pull.url}" in blocker(told).needs[0]
    assert made.stand.git("diff", f"{state['merge_sha']}^1", pull.head_sha) == ""
    made.stand.git("merge", "--quiet", "--ff-only", pull.branch)
    again = await made.stand.run_stage(build(), {**told, "wait": {}, "rounds": {}})
    assert [item.number for item in (await made.close_out(again)).follow_ups] == [2]


async def test_dying_at_any_call_outside_while_a_merge_is_taken_back_doubles_nothing(equip: Equip) -> None:
    made = await approved(equip, **MERGE, commands=BREAKS)
    state = await made.stand.run_stage(build(), made.state)
    decision = Decision(DecisionKind.APPROVE, "ann", "cli:1", subject=state["merge_sha"])
    wanted: RunState = {**state, **settled(state, decision), "decision": dump(decision)}
    told = await dying_all_the_way(made, build(), wanted)
    assert (told["revert_ticket"], blocker(told).code) == (2, "verify_failed")
    with pytest.raises(OutsideError):
        await made.stand.tracker.get(3)
    pull = await made.forge.find_pr(told["revert_branch"])
    assert pull is not None
    assert (pull.number, pull.url) == (2, told["revert_pr"])
    assert [each.number for each in await made.forge.other_prs(BRANCH)] == [2]
    assert made.stand.git("branch", "--list", "agentos/revert-*").split() == [told["revert_branch"]]


@pytest.mark.parametrize(("later", "is_made"), [({"other.txt": "x\n"}, True), ({"calc/core.py": "x = 1\n"}, False)])
async def test_what_came_after_a_merge_stays_when_it_is_taken_back_or_no_pull_request_is_made(
    equip: Equip, later: dict[str, str], is_made: bool
) -> None:
    made = await approved(equip, **MERGE, commands=BREAKS)
    state = await made.stand.run_stage(build(), made.state)
    made.stand.commit(later)
    decision = Decision(DecisionKind.APPROVE, "ann", "cli:1", subject=state["merge_sha"])
    told = await made.stand.run_stage(build(), {**state, **settled(state, decision), "decision": dump(decision)})
    assert (told["revert_ticket"], bool(told["revert_pr"])) == (2, is_made)
    pull = await made.forge.find_pr(f"agentos/revert-{state['merge_sha'][:12]}")
    assert (pull is not None) is is_made
    if pull is not None:
        assert made.stand.git("diff", "--name-only", f"{state['merge_sha']}^1", pull.head_sha) == "other.txt"
        assert made.stand.git("rev-parse", f"{pull.head_sha}^") == made.stand.git("rev-parse", "main")


async def test_how_a_change_came_in_says_what_the_base_was_before_and_what_takes_it_back(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    git, base = made.stand.git, made.state["base_sha"]
    git("checkout", "--quiet", "-b", "ours", base)
    good = [commit(made.stand.target, {f"{n}.txt": "x"}, f"part {n}") for n in (1, 2)][-1]
    git("checkout", "--quiet", "main")
    moved = made.stand.commit({"other.txt": "x"})
    came_in = {
        ("merge", "--no-ff", "--no-edit", "ours"): (moved, "-m 1 {merged}"),
        ("cherry-pick", f"{base}..ours"): (moved, f"{moved[:12]}..{{merged}}"),
        ("merge", "--squash", "ours"): (moved, "{merged}"),
        ("reset", "--hard", "ours"): (base, f"{base[:12]}..{{merged}}"),
    }
    for words, (before, undone_by) in came_in.items():
        git("reset", "--quiet", "--hard", moved)
        git(*words)
        merged = made.stand.commit({}) if "--squash" in words else git("rev-parse", "HEAD")
        await made.stand.ctx.repo.fetch_base("main")
        state: RunState = {**made.state, "merge_sha": merged, "good_sha": good}
        told = await taken_in(state, Step(made.stand.ctx, Stage.FINALIZE, "verify", "t"))
        assert told == TakenIn(before, undone_by.format(merged=merged[:12])), words


async def test_a_base_that_was_red_before_the_merge_is_not_held_against_it(equip: Equip) -> None:
    made = await approved(equip, **MERGE, commands={"test": "test ! -f poison.txt"})
    made.stand.commit({"poison.txt": "x"})
    state = await made.stand.run_stage(build(), made.state)
    assert state["outcome"] == Outcome.MERGED
    assert [check.exit_code for check in (await made.close_out(state)).checks] == [1]


async def test_a_merge_that_was_taken_back_is_not_closed_out(equip: Equip) -> None:
    made = await approved(equip, **MERGE, commands=BREAKS)
    first = made.stand.git("rev-parse", "main")
    state = await made.stand.run_stage(build(), made.state)
    made.stand.git("reset", "--quiet", "--hard", first)
    again = await made.stand.run_stage(build(), {**state, "wait": {}, "rounds": {}})
    assert (again["verdict"], blocker(again).code) == (Verdict.BLOCK, "verify_failed")
    assert "is not in main" in blocker(again).title


async def test_a_verification_that_fails_by_accident_is_tried_once_more(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    marker = made.stand.ctx.home / "tried"
    flaky = f"test -f '{marker}' || {{ touch '{marker}'; exit 1; }}"
    stand = made.stand.with_settings(**MERGE, commands={"test": flaky})
    state = await stand.run_stage(build(), made.state)
    assert (state["outcome"], state["rounds"]["finalize.verify"]) == (Outcome.MERGED, 1)


async def test_what_failed_at_the_base_already_does_not_fail_the_merge(equip: Equip) -> None:
    from agentos.domain.artifact import ArtifactKind
    from agentos.workflows.kit.checks import Measured
    from tests.stages.delivery import _check

    made = await approved(equip, **MERGE, commands={"test": "exit 1"})
    red = await made.keep(ArtifactKind.CHECKS, Measured((_check(made.state["base_sha"], 1),)), "checks-baseline")
    artifacts = {**made.state["artifacts"], "baseline": red}
    state = await made.stand.run_stage(build(), {**made.state, "artifacts": artifacts})
    assert state["outcome"] == Outcome.MERGED


async def test_closing_out_again_doubles_nothing_and_asks_no_model_again(equip: Equip) -> None:
    made = await approved(equip, ONE, **MERGE)
    state: RunState = await made.stand.run_stage(build(), made.state)
    comments, asked = len(await made.said()), await made.stand.asked()
    again = await made.stand.run_stage(build(), {**state, "outcome": "", "verdict": ""})
    assert (again["outcome"], again["follow_ups"]) == (Outcome.MERGED, [2])
    assert len(await made.said()) == comments
    assert await made.stand.asked() == asked == [("drafter", 1)]


async def test_a_branch_somebody_has_checked_out_is_kept_and_the_run_still_ends(equip: Equip) -> None:
    made = await approved(equip, **MERGE)
    run_git(made.stand.target, "checkout", "--quiet", BRANCH)
    state = await made.stand.run_stage(build(), made.state)
    assert state["outcome"] == Outcome.MERGED
    assert made.stand.git("rev-parse", BRANCH) == state["good_sha"]
