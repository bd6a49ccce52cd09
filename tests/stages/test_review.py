"""The real review subgraph, with the real redeploy in it; a stand-in does the work that feedback asks for."""

from typing import Any

import pytest

from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Outcome, Stage, Verdict
from agentos.workflows.kit.stage import LEAVE, Compiled, StageGraph
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import blocked, passed
from agentos.workflows.pr import graph as pr
from agentos.workflows.review.graph import build
from tests.stages.conftest import Equip
from tests.stages.delivery import MENDED, Delivery, Thread, blocker, delivered

pytestmark = pytest.mark.slow
AUTO: dict[str, Any] = {
    "merge_authority": "auto",
    "orchestrator": {"gates": {"before_pr": True, "before_merge": False}},
}


class Work:
    """What stands in for feedback-implementation: commits what it is told to, or blocks."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self.seen: list[tuple[str, ...]] = []
        self.idle = self.stuck = False

    def graph(self) -> Compiled:
        async def work(state: RunState, step: Step) -> RunState:
            feedback = tuple(state.get("feedback", []))
            self.seen.append(feedback)
            if self.stuck:
                return blocked(Stage.REVIEW, "stagnation", "round and round")
            if self.idle:
                return {**passed(), "feedback": []}
            self._delivery.state = state
            text = f"{MENDED}\n\nCYCLE = {state['cycle']}\n"
            return {**await self._delivery.passes_with({"calc/core.py": text}), **passed()}

        return (
            StageGraph(Stage.REVIEW, first="work", framed=False)
            .add("feedback-implementation", work, then=LEAVE)
            .compile()
        )


async def published(equip: Equip, **settings: object) -> tuple[Delivery, Work, Compiled]:
    made = await delivered(equip, **settings)
    made.state = {**await made.stand.run_stage(pr.build(), made.state), "verdict": ""}
    work = Work(made)
    return made, work, build(feedback_implementation=work.graph(), redeploy=pr.build_redeploy())


async def test_a_person_is_shown_the_commit_and_their_approval_binds_to_it(equip: Equip) -> None:
    made, _, graph = await published(equip)
    thread = Thread(made, graph)
    await thread.go(made.state)
    wait = await thread.wait()
    assert (wait.subject, wait.gate, wait.kind) == (made.state["good_sha"], "before_merge", "review")
    assert wait.accepts == (DecisionKind.APPROVE, DecisionKind.FEEDBACK, DecisionKind.REJECT)
    for part in ("1 file changed, +2 -0", "AC-1", made.state["deployment"]["url"], made.state["pr_url"]):
        assert part in wait.summary
    state = await thread.decide(DecisionKind.APPROVE)
    assert (state["verdict"], state["approved_sha"]) == (Verdict.PASS, made.state["good_sha"])
    assert EventKind.DECISION_TAKEN in await made.stand.kinds()


async def test_a_pull_request_that_a_person_closed_is_neither_pushed_to_nor_opened_a_second_time(equip: Equip) -> None:
    made, _, graph = await published(equip)
    thread, forge = Thread(made, graph), made.forge
    await thread.go(made.state)
    number, branch = made.state["pr_number"], made.state["branch"]
    await forge.close_pr(number)
    shown = await forge.branch_head(branch)
    state = await thread.decide(DecisionKind.FEEDBACK, "Name the number.")
    assert (state["verdict"], blocker(state).code) == (Verdict.BLOCK, "pr_closed")
    found = await forge.find_pr(branch)
    assert found is not None
    assert (found.number, found.state, await forge.branch_head(branch)) == (number, "closed", shown)


async def test_feedback_is_worked_in_deployed_and_put_before_the_person_again(equip: Equip) -> None:
    made, work, graph = await published(equip)
    thread, first = Thread(made, graph), made.state["good_sha"]
    await thread.go(made.state)
    await thread.decide(DecisionKind.FEEDBACK, "Name the number.")
    assert work.seen == [("Name the number.",)]
    wait = await thread.wait()
    assert wait.subject not in ("", first)
    assert wait.subject == made.stand.git("rev-parse", made.state["branch"])
    assert made.deployer.deployed == [first, wait.subject]
    assert "cycle 1" in wait.summary
    state = await thread.decide(DecisionKind.FEEDBACK, "And the other one.")
    assert work.seen[1:] == [("And the other one.",)]
    assert len(await made.said()) == len(made.notifier.notices) == 3
    state = await thread.decide(DecisionKind.APPROVE)
    assert (state["verdict"], state["cycle"], state["rounds"]["review.cycles"]) == (Verdict.PASS, 2, 2)
    assert state["approved_sha"] == state["good_sha"]


async def test_an_approval_of_another_commit_does_not_count_and_is_asked_for_again(equip: Equip) -> None:
    made, _, graph = await published(equip)
    thread = Thread(made, graph)
    await thread.go(made.state)
    state = await thread.decide(DecisionKind.APPROVE, subject="f" * 40)
    assert not state.get("approved_sha")
    assert "The approval was for ffffffffffff" in (await thread.wait()).summary
    assert (await thread.decide(DecisionKind.APPROVE))["verdict"] == Verdict.PASS


async def test_the_reviews_whose_words_are_worked_in_are_kept_with_their_cycle(equip: Equip) -> None:
    made, _, graph = await published(equip)
    thread, ctx = Thread(made, graph), made.stand.ctx
    await thread.go(made.state)
    wait_id = await thread.wait_id()

    def said(source: str, wait_id: str = wait_id, kind: DecisionKind = DecisionKind.FEEDBACK) -> Decision:
        return Decision(kind, "anna", source, "Name the number.", wait_id=wait_id)

    for each in (said("review:1"), said("comment:2"), said("review:3", "earlier"), said("review:4")):
        await ctx.store.decisions.record(ctx.run.id, each)
    state = await thread.answer(said("review:4"))
    assert (state["cycle"], state["reviews"]) == (1, {"review:1": 1, "review:4": 1})
    state = await thread.decide(DecisionKind.FEEDBACK, "And once more.")
    assert (state["cycle"], state["reviews"]) == (2, {"review:1": 1, "review:4": 1})


async def test_rejecting_ends_the_run_as_cancelled(equip: Equip) -> None:
    made, work, graph = await published(equip)
    thread = Thread(made, graph)
    await thread.go(made.state)
    state = await thread.decide(DecisionKind.REJECT, "not wanted")
    assert (state["outcome"], work.seen) == (Outcome.CANCELLED, [])


async def test_an_agent_that_changes_nothing_is_quoted_to_the_person(equip: Equip) -> None:
    made, work, graph = await published(equip)
    work.idle = True
    thread = Thread(made, graph)
    await thread.go(made.state)
    await thread.decide(DecisionKind.FEEDBACK, "Is it fast?")
    wait = await thread.wait()
    assert wait.subject == made.state["good_sha"]
    assert "No new commit came of the feedback" in wait.summary
    assert "Division by zero is refused." in wait.summary
    assert len(await made.said()) == 2


async def test_a_block_inside_the_loop_goes_on_with_the_pending_feedback(equip: Equip) -> None:
    made, work, graph = await published(equip)
    work.stuck = True
    thread = Thread(made, graph)
    await thread.go(made.state)
    state = await thread.decide(DecisionKind.FEEDBACK, "Name the number.")
    assert (state["verdict"], blocker(state).code, state["feedback"]) == (
        Verdict.BLOCK,
        "stagnation",
        ["Name the number."],
    )
    work.stuck = False
    thread = Thread(made, graph, visit=2)
    await thread.go({**state, "wait": {}})  # as the outer graph does with `retry`
    assert work.seen == [("Name the number.",)] * 2
    assert (await thread.wait()).subject != state["good_sha"]


async def test_a_deployment_that_fails_in_a_cycle_is_made_good_before_the_person_is_asked(equip: Equip) -> None:
    made, work, graph = await published(equip)
    thread = Thread(made, graph)
    await thread.go(made.state)
    made.deployer.broken = "no room"
    state = await thread.decide(DecisionKind.FEEDBACK, "Name the number.")
    assert (state["verdict"], blocker(state).code) == (Verdict.BLOCK, "deploy_failed")
    made.deployer.broken = ""
    thread = Thread(made, graph, visit=2)
    await thread.go({**state, "wait": {}})
    assert len(work.seen) == 1
    assert (await thread.wait()).subject == state["good_sha"] == made.deployer.deployed[-1]


async def test_at_the_limit_of_cycles_the_person_is_asked_and_their_retry_goes_on(equip: Equip) -> None:
    limit = {"orchestrator": {"stages": {"review": {"max_feedback_cycles": 1}}}}
    made, work, graph = await published(equip, **limit)
    thread = Thread(made, graph)
    await thread.go(made.state)
    await thread.decide(DecisionKind.FEEDBACK, "one")
    state = await thread.decide(DecisionKind.FEEDBACK, "two")
    assert (state["verdict"], blocker(state).code) == (Verdict.BLOCK, "max_feedback_cycles")
    assert (len(work.seen), state["feedback"]) == (1, ["two"])
    thread = Thread(made, graph, visit=2)
    await thread.go({**state, "wait": {}, "rounds": {}})
    assert work.seen[1:] == [("two",)]
    assert "cycle 2" in (await thread.wait()).summary


async def test_feedback_starts_the_rounds_of_work_anew_and_keeps_what_was_paid(equip: Equip) -> None:
    made, _, graph = await published(equip)
    rounds = {"impl.tests": 3, "impl.reviews": 2, "code.impl": 4}
    thread = Thread(made, graph)
    await thread.go({**made.state, "rounds": rounds, "seen": ["x"]})
    state = await thread.decide(DecisionKind.FEEDBACK, "more")
    assert state["rounds"] == {"code.impl": 4, "review.cycles": 1}
    assert state["seen"] == []


async def test_a_proved_change_with_a_sure_reviewer_needs_no_person_where_that_is_configured(equip: Equip) -> None:
    made, _, graph = await published(equip, **AUTO)
    state = await made.stand.run_stage(graph, made.state)
    assert (state["verdict"], state["approved_sha"]) == (Verdict.PASS, made.state["good_sha"])
    events = await made.stand.store.ledger.read(made.stand.ctx.run.id)
    [taken] = [event for event in events if event.kind is EventKind.DECISION_TAKEN]
    assert (taken.data["actor"], taken.data["subject"]) == ("agentos", made.state["good_sha"])


@pytest.mark.parametrize("flaw", [{"confidence": 89}, {"proved": False}])
async def test_a_doubt_brings_the_person_back_even_where_merging_is_automatic(
    equip: Equip, flaw: dict[str, Any]
) -> None:
    made = await delivered(equip, **AUTO)
    await made.passes_with({"calc/core.py": MENDED + "\n"}, **flaw)
    made.state = {**await made.stand.run_stage(pr.build(), made.state), "verdict": ""}
    thread = Thread(made, build(feedback_implementation=Work(made).graph(), redeploy=pr.build_redeploy()))
    await thread.go(made.state)
    assert (await thread.wait()).subject == made.state["good_sha"]
