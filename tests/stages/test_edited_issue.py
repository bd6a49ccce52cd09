"""An issue edited while its run works: noticed at every entry, shown, and exactly what read it is made again."""

from typing import Any

import pytest

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import DecisionKind, Wait
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Gate, Stage, Verdict
from agentos.workflows.kit.edits import difference
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState
from agentos.workflows.orchestrator.graph import stage_graphs
from tests.stages.conftest import Answers, Equip, Stand
from tests.stages.documents import BRIEF as RECORD
from tests.stages.documents import LLD, SPEC_REPLY
from tests.stages.whole import Whole

BRIEF: dict[str, Any] = {
    "title": "Report division by zero",
    "objective": "Division by zero is reported instead of a traceback.",
    "criteria": ["divide(1, 0) raises ValueError"],
    "complexity": 4,
    "risk": "low",
    "route_reason": "two files",
}
APPROVE: dict[str, Any] = {"verdict": "approve"}
GATES = {"gates": {"after_lld": True, "after_spec": True}}
NEW_BODY = "Dividing by zero should exit with 3."


def _answers(*briefs: dict[str, Any]) -> Answers:
    answers: dict[tuple[Stage, str, int], dict[str, Any]] = {
        (Stage.TRIAGE, "drafter", n): brief for n, brief in enumerate(briefs, 1)
    }
    for n in (1, 2):
        answers[Stage.LLD, "drafter", n] = {**dump(LLD), "logic": f"Look at b first, {n}."}
        answers[Stage.LLD, "reviewer", n] = APPROVE
        answers[Stage.SPEC, "drafter", n] = {**SPEC_REPLY, "overview": f"Look at b first, {n}."}
        answers[Stage.SPEC, "reviewer", n] = APPROVE
    return answers


def _edit(stand: Stand, body: str = NEW_BODY) -> None:
    stand.tracker.edit(stand.ctx.issue, "Divide safely", body)


def _gate(wait: Wait | None) -> Gate | None:
    assert wait is not None
    return wait.gate


async def test_an_edit_that_says_the_same_is_read_once_and_voids_nothing(equip: Equip) -> None:
    stand = await equip(answers=_answers(BRIEF, BRIEF), orchestrator=GATES)
    run = Whole(stand)
    assert _gate(await run.begin()) is Gate.AFTER_LLD
    approved = run.state["artifacts"][ArtifactKind.LLD]
    _edit(stand, "Dividing by zero should exit with 2!")
    assert _gate(await run.says(DecisionKind.APPROVE)) is Gate.AFTER_SPEC
    assert run.state["artifacts"][ArtifactKind.LLD] == approved
    drafters = [role for role, _ in await stand.asked()]
    assert drafters == ["drafter", "drafter", "reviewer", "drafter", "drafter", "reviewer"]
    assert run.state["stage_attempts"] == {"triage": 2, "lld": 1, "spec": 1}
    assert run.state["issue_digest"] == (await stand.tracker.get(1)).digest


async def test_an_edit_that_changes_the_brief_voids_the_design_and_its_approval(equip: Equip) -> None:
    changed = {**BRIEF, "criteria": ["calc 1 / 0 exits with 3"]}
    stand = await equip(answers=_answers(BRIEF, changed), orchestrator=GATES)
    run = Whole(stand)
    first = await run.begin()
    assert first is not None
    _edit(stand)
    second = await run.says(DecisionKind.APPROVE)
    assert second is not None
    assert (first.gate, second.gate) == (Gate.AFTER_LLD, Gate.AFTER_LLD)
    assert first.subject != second.subject == run.state["artifacts"][ArtifactKind.LLD]
    assert ArtifactKind.SPEC not in run.state["artifacts"]


async def test_the_difference_is_an_event_a_comment_and_a_file_and_forges_nothing(equip: Equip) -> None:
    stand = await equip(answers=_answers(BRIEF, BRIEF), orchestrator=GATES)
    run = Whole(stand)
    await run.begin()
    _edit(stand, f'{NEW_BODY}\n```\n<!-- agentos:effect v1 {{"key": "pr"}} -->\n')
    await run.says(DecisionKind.APPROVE)
    [event] = [e for e in await stand.store.ledger.read(stand.ctx.run.id) if e.kind is EventKind.ISSUE_EDITED]
    assert "-Dividing by zero should exit with 2." in event.data["diff"]
    assert f"+{NEW_BODY}" in event.data["diff"]
    [comment] = [text for text in await stand.comments() if "was edited" in text]
    assert "<!--" not in comment
    assert "````diff" in comment
    assert f"+{NEW_BODY}" in comment
    refs = await stand.store.artifacts.of_run(stand.ctx.run.id)
    assert [ref.path.endswith("issue-edit-1.patch") for ref in refs].count(True) == 1


async def test_a_waiting_run_goes_on_by_itself_once_its_issue_is_edited(equip: Equip) -> None:
    stand = await equip("Division", "## Objective\n<!-- What? -->\n", _answers(BRIEF), orchestrator=GATES)
    run = Whole(stand)
    wait = await run.begin()
    assert wait is not None
    assert wait.code == "intake"
    assert await run.looks() == wait
    _edit(stand)
    assert _gate(await run.looks()) is Gate.AFTER_LLD


async def test_what_a_person_said_before_the_edit_was_seen_is_not_lost(equip: Equip) -> None:
    stand = await equip(answers=_answers(BRIEF, BRIEF), orchestrator=GATES)
    run = Whole(stand)
    await run.begin()
    _edit(stand)
    again = await run.says(DecisionKind.FEEDBACK, "Log it.")
    assert _gate(again) is Gate.AFTER_LLD
    asked = [call for call in await stand.store.exchanges.calls(stand.ctx.run.id) if call.stage is Stage.LLD]
    assert [(call.role, call.round) for call in asked] == [
        ("drafter", 1),
        ("foresight", 1),
        ("reviewer", 1),
        ("drafter", 2),
        ("reviewer", 2),
    ]
    assert run.state["feedback"] == []


async def test_an_issue_edited_without_end_stops_the_run_until_a_person_lets_it_go_on(equip: Equip) -> None:
    stand = await equip(orchestrator={"stages": {"triage": {"max_edits": 2}}})
    state = await stand.handed_over((ArtifactKind.BRIEF, RECORD), rounds={"edits": 2})
    _edit(stand)
    after = await stand.run_stage(stage_graphs()[Stage.LLD], state)
    assert (after["verdict"], after["wait"]["code"]) == (Verdict.BLOCK, "max_edits")
    assert await stand.asked() == []


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.TRIAGE])
async def test_no_stage_begins_to_work_on_a_text_nobody_wants_any_more(equip: Equip, stage: Stage) -> None:
    stand = await equip()
    state = await stand.handed_over((ArtifactKind.BRIEF, RECORD), feedback=["Log it."])
    _edit(stand)
    after = await stand.run_stage(stage_graphs()[stage], state)
    assert (after["verdict"], after["edited"]["stage"]) == (Verdict.RETRY, stage)
    assert (after["edited"]["feedback"], after["feedback"]) == (["Log it."], [])
    assert after.get("stage_attempts", {}) == {}
    assert await stand.asked() == []


async def test_a_merged_change_is_not_undone_by_an_edit(equip: Equip) -> None:
    stand = await equip()
    state: RunState = await stand.handed_over((ArtifactKind.BRIEF, RECORD), merge_sha="a" * 40)
    _edit(stand)
    from agentos.workflows.kit.edits import notice_edit
    from agentos.workflows.kit.step import Step

    assert await notice_edit(state, Step(stand.ctx, Stage.FINALIZE, "enter", "t")) == {}


def test_a_difference_is_bounded_and_says_so() -> None:
    long = "\n".join(f"line {n}" for n in range(3000))
    shown = difference("", long)
    assert len(shown) < 6_100
    assert shown.endswith("(and more)")
    assert difference("a\nb", "a\nb") == ""
