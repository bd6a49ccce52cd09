"""The real lld subgraph, one test for each way it ends."""

from dataclasses import replace
from typing import Any

import pytest

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.document import FileAction, IssueBrief, Lld
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage, Verdict
from agentos.workflows.kit.pause import awaited
from agentos.workflows.kit.records import dump, load_json
from agentos.workflows.kit.state import RunState
from agentos.workflows.lld.graph import build
from tests.stages.conftest import REPO, Answers, Equip, HeardPrompts, Stand
from tests.stages.documents import BRIEF, LLD

DRAFT = dump(LLD)
APPROVE: dict[str, Any] = {"verdict": "approve"}
SKIP = {"skip_existing_lld": True}


def _revise(problem: str) -> dict[str, Any]:
    return {"verdict": "revise", "findings": [{"severity": "major", "where": "logic", "problem": problem}]}


def _rounds(drafts: list[dict[str, Any]], reviews: dict[int, dict[str, Any]]) -> Answers:
    answers = {(Stage.LLD, "drafter", n): draft for n, draft in enumerate(drafts, 1)}
    return {**answers, **{(Stage.LLD, "reviewer", n): review for n, review in reviews.items()}}


def _draft(logic: str) -> dict[str, Any]:
    return {**DRAFT, "logic": logic}


async def _start(stand: Stand, **state: Any) -> RunState:
    return await stand.handed_over((ArtifactKind.BRIEF, BRIEF), **state)


async def _lld(stand: Stand, state: RunState) -> Lld:
    return load_json(Lld, await stand.store.artifacts.get(state["artifacts"][ArtifactKind.LLD]))


def _blocked(state: RunState) -> Wait:
    wait = awaited(state)
    assert state["verdict"] == Verdict.BLOCK
    assert wait is not None
    return wait


async def test_an_approved_design_passes_and_is_posted_with_its_digest_before_any_gate(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}))
    state = await stand.run_stage(build(), await _start(stand))
    assert state["verdict"] == Verdict.PASS
    assert await _lld(stand, state) == LLD
    [comment] = await stand.comments()
    assert state["artifacts"][ArtifactKind.LLD] in comment
    assert "| REQ-1 | refuses 0 | AC-1 |" in comment
    assert "Look at b first." in (stand.ctx.home / state["lld_path"]).read_text("utf-8")
    assert await stand.asked() == [("drafter", 1), ("reviewer", 1)]


async def test_a_reviewers_findings_send_the_draft_back_and_the_next_one_passes(equip: Equip) -> None:
    answers = _rounds([_draft("Divide."), DRAFT], {1: _revise("forgets 0"), 2: APPROVE})
    stand = await equip(answers=answers)
    state = await stand.run_stage(build(), await _start(stand))
    assert state["verdict"] == Verdict.PASS
    assert (await _lld(stand, state)).logic == "Look at b first."
    assert await stand.asked() == [("drafter", 1), ("reviewer", 1), ("drafter", 2), ("reviewer", 2)]
    assert len(await stand.comments()) == 1
    assert (await stand.kinds()).count(EventKind.REVIEW_JUDGED) == 2


async def test_a_revision_without_a_serious_finding_counts_as_an_approval(equip: Equip) -> None:
    finding = {"severity": "minor", "where": "logic", "problem": "could be shorter"}
    stand = await equip(answers=_rounds([DRAFT], {1: {"verdict": "revise", "findings": [finding]}}))
    assert (await stand.run_stage(build(), await _start(stand)))["verdict"] == Verdict.PASS


async def test_an_approval_with_a_serious_finding_is_none(equip: Equip) -> None:
    answers = _rounds([_draft("Divide."), DRAFT], {1: {**_revise("forgets 0"), "verdict": "approve"}, 2: APPROVE})
    stand = await equip(answers=answers)
    await stand.run_stage(build(), await _start(stand))
    assert await stand.asked() == [("drafter", 1), ("reviewer", 1), ("drafter", 2), ("reviewer", 2)]


async def test_a_flaw_that_code_finds_goes_back_without_paying_the_reviewer(equip: Equip) -> None:
    flawed = {**DRAFT, "files": [{"path": "calc/cor.py", "action": "Modify", "why": "the check"}]}
    stand = await equip(answers=_rounds([flawed, DRAFT], {2: APPROVE}))
    state = await stand.run_stage(build(), await _start(stand))
    assert state["verdict"] == Verdict.PASS
    assert await stand.asked() == [("drafter", 1), ("drafter", 2), ("reviewer", 2)]


async def test_a_block_halts_with_the_reviewers_reason(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: {"verdict": "block", "summary": "There is no such system."}}))
    wait = _blocked(await stand.run_stage(build(), await _start(stand)))
    assert wait.code == "reviewer_block"
    assert "There is no such system." in wait.title
    assert await stand.comments() == []


async def test_spent_revisions_block_with_the_last_findings_and_a_retry_goes_on(equip: Equip) -> None:
    drafts = [_draft(f"Try {n}.") for n in range(1, 5)]
    answers = _rounds(drafts, {1: _revise("a"), 2: _revise("b"), 3: _revise("c"), 4: APPROVE})
    stand = await equip(answers=answers, orchestrator={"stages": {"lld": {"max_revisions": 2}}})
    state = await stand.run_stage(build(), await _start(stand))
    wait = _blocked(state)
    assert (wait.code, wait.evidence) == ("revisions_spent", ("major: logic: c",))
    assert len(await stand.asked()) == 6
    # As the outer graph does with a retry.
    fresh = {loop: count for loop, count in state["rounds"].items() if not loop.startswith("lld")}
    retried: RunState = {**state, "wait": {}, "seen": [], "findings": [], "rounds": fresh}
    state = await stand.run_stage(build(), retried)
    assert (state["verdict"], (await _lld(stand, state)).logic) == (Verdict.PASS, "Try 4.")


async def test_findings_that_come_back_are_stagnation(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT, _draft("Else.")], {1: _revise("a"), 2: _revise("a")}))
    wait = _blocked(await stand.run_stage(build(), await _start(stand)))
    assert (wait.code, wait.evidence) == ("stagnation", ("major: logic: a",))


async def test_a_draft_handed_in_again_is_stagnation_before_the_reviewer_is_paid_again(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT, DRAFT], {1: _revise("a")}))
    assert _blocked(await stand.run_stage(build(), await _start(stand))).code == "stagnation"
    assert await stand.asked() == [("drafter", 1), ("reviewer", 1), ("drafter", 2)]


async def test_feedback_at_the_gate_edits_the_design_and_is_worked_in_once(equip: Equip) -> None:
    answers = _rounds([DRAFT, _draft("Look at b first, and log it.")], {1: APPROVE, 2: APPROVE})
    stand = await equip(answers=answers)
    first = await stand.run_stage(build(), await _start(stand))
    second = await stand.run_stage(build(), {**first, "feedback": ["Log it."], "rounds": {"draft.lld": 1}})
    assert (second["verdict"], second["feedback"]) == (Verdict.PASS, [])
    assert (await _lld(stand, second)).logic == "Look at b first, and log it."
    assert len(await stand.comments()) == 2


async def test_an_approved_design_of_an_earlier_run_is_reused_where_that_is_wanted(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}))
    first = await stand.run_stage(build(), await _start(stand))
    again = await stand.next_run()
    skipping = again.with_settings(orchestrator=SKIP)
    state = await skipping.run_stage(build(), await _start(skipping))
    assert state["artifacts"][ArtifactKind.LLD] == first["artifacts"][ArtifactKind.LLD]
    assert "approved LLD" in state["skipped"][Stage.LLD]
    assert (state["lld_path"], state["verdict"]) == (first["lld_path"], Verdict.PASS)
    assert await again.asked() == []
    await again.run_stage(build(), await _start(again))
    assert len(await again.asked()) == 2


@pytest.mark.parametrize(
    ("brief", "change"),
    [
        (replace(BRIEF, objective="Another one."), {}),
        (BRIEF, {"resumed_from": Stage.LLD}),
        (BRIEF, {"feedback": ["Log it."]}),
    ],
)
async def test_an_approval_dies_with_the_brief_it_answers_to_and_gives_way_to_people(
    equip: Equip, brief: IssueBrief, change: dict[str, Any]
) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}), orchestrator=SKIP)
    await stand.run_stage(build(), await _start(stand))
    again = await stand.next_run()
    state = await again.run_stage(build(), await again.handed_over((ArtifactKind.BRIEF, brief), **change))
    assert Stage.LLD not in state.get("skipped", {})
    assert len(await again.asked()) == 2


async def test_an_approved_design_that_no_longer_fits_the_base_commit_is_drafted_anew(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}), orchestrator=SKIP)
    await stand.run_stage(build(), await _start(stand))
    again = await stand.next_run()
    again.commit({"tests/test_zero.py": "the file it wants to add"})
    changed = {**DRAFT, "files": [{"path": "tests/test_zero.py", "action": "Modify", "why": "the proof"}]}
    again.will_answer(_rounds([changed], {1: APPROVE}))
    state = await again.run_stage(build(), await _start(again))
    assert [item.action for item in (await _lld(again, state)).files] == [FileAction.MODIFY]


async def test_a_design_that_a_person_sent_back_does_not_count_as_approved(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}))
    first = await stand.run_stage(build(), await _start(stand))
    subject = first["artifacts"][ArtifactKind.LLD]
    rejection = Decision(DecisionKind.REJECT, "ann", "cli", subject=subject, stage=Stage.LLD)
    await stand.store.decisions.record(stand.ctx.run.id, rejection)
    again = (await stand.next_run()).with_settings(orchestrator=SKIP)
    await again.run_stage(build(), await _start(again))
    assert len(await again.asked()) == 2


async def test_a_file_outside_the_allowed_scope_goes_back_without_paying_the_reviewer(equip: Equip) -> None:
    elsewhere = {**DRAFT, "files": [*DRAFT["files"], {"path": "README.md", "action": "Modify", "why": "tells of it"}]}
    made = await equip(answers=_rounds([elsewhere, DRAFT], {2: APPROVE}), scope={"paths": ["calc/**", "tests/**"]})
    prompts = HeardPrompts()
    stand = made.with_prompts(prompts)
    state = await stand.run_stage(build(), await _start(stand))
    assert (state["verdict"], await _lld(stand, state)) == (Verdict.PASS, LLD)
    assert await stand.asked() == [("drafter", 1), ("drafter", 2), ("reviewer", 2)]
    first, second = prompts.given("lld/draft")
    assert first["scope"] == "scope.paths of WORKFLOW.md: calc/**, tests/**"
    assert "README.md: is outside the allowed scope" in second["findings"]


async def test_a_design_too_long_to_be_shown_whole_goes_back(equip: Equip) -> None:
    long = {**DRAFT, "decisions": ["a word " * 280 + str(n) for n in range(25)]}
    stand = await equip(answers=_rounds([long, DRAFT], {2: APPROVE}))
    assert (await stand.run_stage(build(), await _start(stand)))["verdict"] == Verdict.PASS
    assert await stand.asked() == [("drafter", 1), ("drafter", 2), ("reviewer", 2)]


async def test_the_next_draft_is_told_what_code_found_and_what_the_reviewer_still_holds_against_it(
    equip: Equip,
) -> None:
    flawed = {**DRAFT, "files": [{"path": "calc/cor.py", "action": "Modify", "why": "the check"}]}
    answers = _rounds([_draft("Divide."), flawed, DRAFT], {1: _revise("forgets 0"), 3: APPROVE})
    prompts = HeardPrompts()
    stand = (await equip(answers=answers)).with_prompts(prompts)
    state = await stand.run_stage(build(), await _start(stand))
    assert state["verdict"] == Verdict.PASS
    shown = prompts.given("lld/draft")
    assert "Divide." in shown[1]["previous_draft"]
    assert "forgets 0" in shown[1]["findings"]
    assert "calc/cor.py" in shown[2]["previous_draft"]
    assert "calc/cor.py: is to be modified but does not exist" in shown[2]["findings"]
    assert "forgets 0" in shown[2]["findings"]


async def test_an_issue_under_way_that_is_about_to_change_the_same_is_named(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}))
    other = await stand.store.runs.create(IssueRef(REPO, 2), target="t", profile="cli", options={})
    fence = await stand.store.runs.acquire(other.ref.id, owner="other", lease_s=60)
    assert fence is not None
    await stand.store.plans.expect(fence, other.ref.issue, ["calc/core.py", "README.md"])
    await stand.run_stage(build(), await _start(stand))
    events = await stand.store.ledger.read(stand.ctx.run.id)
    [note] = [event.data["text"] for event in events if event.kind is EventKind.NOTE]
    assert note.startswith("issue 2 (run #1, queued) is about to change the same: calc/core.py;")
    plan = await stand.store.plans.get(stand.ctx.issue)
    assert plan is not None
    assert plan.paths == ("calc/core.py", "tests/test_zero.py")
