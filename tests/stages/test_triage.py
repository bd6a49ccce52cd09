"""The real triage subgraph, one test for each way it ends."""

from typing import Any

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import IssueBrief
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Route, Stage, Verdict
from agentos.domain.status import WaitKind
from agentos.workflows.kit.pause import awaited
from agentos.workflows.kit.state import RunState
from agentos.workflows.triage.graph import build
from tests.stages.conftest import Equip, Stand

BRIEF: dict[str, Any] = {
    "title": "Report division by zero",
    "objective": "Division by zero is reported instead of a traceback.",
    "criteria": ["calc 1 / 0 exits with 2", "calc 1 / 0 prints `division by zero`"],
    "complexity": 4,
    "risk": "low",
    "route_reason": "two files",
}
START: RunState = {"issue_number": 1, "entry_stage": Stage.TRIAGE}


def _drafts(*briefs: dict[str, Any]) -> dict[tuple[Stage, str, int], dict[str, Any]]:
    return {(Stage.TRIAGE, "drafter", n): brief for n, brief in enumerate(briefs, 1)}


async def _brief(stand: Stand, state: RunState) -> IssueBrief:
    from agentos.workflows.kit.records import load_json

    return load_json(IssueBrief, await stand.store.artifacts.get(state["artifacts"][ArtifactKind.BRIEF]))


async def test_a_clear_issue_passes_with_a_brief_a_route_and_a_base(equip: Equip) -> None:
    stand = await equip(answers=_drafts(BRIEF))
    state = await stand.run_stage(build(), START)
    assert state["verdict"] == Verdict.PASS
    assert state["route"] == Route.FULL
    assert state["branch"] == "agentos/1-divide-safely"
    assert (state["base_branch"], state["base_sha"]) == ("main", stand.git("rev-parse", "main"))
    brief = await _brief(stand, state)
    assert [item.id for item in brief.criteria] == ["AC-1", "AC-2"]
    assert brief.issue_digest == state["issue_digest"]
    text = (stand.ctx.home / state["issue_brief_path"]).read_text("utf-8")
    assert "AC-2: calc 1 / 0 prints `division by zero`" in text
    assert await stand.asked() == [("drafter", 1)]


async def test_a_small_change_goes_the_trivial_way(equip: Equip) -> None:
    stand = await equip(answers=_drafts({**BRIEF, "complexity": 2}))
    assert (await stand.run_stage(build(), START))["route"] == Route.TRIVIAL


async def test_an_issue_that_says_nothing_is_asked_about_before_a_model_is_paid(equip: Equip) -> None:
    stand = await equip("Division", "## Objective\n<!-- What? -->\n", _drafts(BRIEF))
    state = await stand.run_stage(build(), START)
    wait = awaited(state)
    assert wait is not None
    assert (state["verdict"], wait.kind, len(wait.questions)) == (Verdict.BLOCK, WaitKind.QUESTION, 2)
    assert await stand.asked() == []
    answered: RunState = {**state, "wait": {}, "answers": ["calc 1 / 0 exits with 2"]}
    assert (await stand.run_stage(build(), answered))["verdict"] == Verdict.PASS


async def test_a_question_is_asked_in_its_own_words_and_its_answer_lets_the_run_go_on(equip: Equip) -> None:
    stand = await equip(answers=_drafts({**BRIEF, "open_questions": ["Which exit code, 2 or 64?"]}, BRIEF))
    state = await stand.run_stage(build(), START)
    wait = awaited(state)
    assert wait is not None
    assert wait.questions == ("Which exit code, 2 or 64?",)
    assert "issue_brief_path" not in state
    # As the outer graph does with an answer.
    answered: RunState = {**state, "wait": {}, "answers": ["2"]}
    state = await stand.run_stage(build(), answered)
    assert state["verdict"] == Verdict.PASS
    assert (await _brief(stand, state)).answers == ("2",)
    assert await stand.asked() == [("drafter", 1), ("drafter", 2)]


async def test_contradictions_and_untestable_criteria_are_asked_about_before_any_design(equip: Equip) -> None:
    doubts = {
        "contradictions": ["“never exits” and “exits with 2”."],
        "untestable": [{"criterion": "it is fast", "why": "no number"}],
    }
    stand = await equip(answers=_drafts({**BRIEF, **doubts}))
    wait = awaited(await stand.run_stage(build(), START))
    assert wait is not None
    assert len(wait.questions) == 2


async def test_what_is_too_large_blocks_with_proposed_parts(equip: Equip) -> None:
    stand = await equip(answers=_drafts({**BRIEF, "complexity": 9, "parts": ["the parser", "the printer"]}))
    state = await stand.run_stage(build(), START)
    wait = awaited(state)
    assert wait is not None
    assert (state["verdict"], wait.code) == (Verdict.BLOCK, "too_large")
    assert wait.evidence == ("the parser", "the printer")


async def test_an_issue_that_is_already_triaged_is_not_paid_for_again(equip: Equip) -> None:
    stand = await equip(answers=_drafts(BRIEF))
    first = await stand.run_stage(build(), START)
    again = await stand.next_run()
    moved = again.commit({"more.txt": "x"})
    second = await again.run_stage(build(), START)
    assert await again.asked() == []
    assert "already triaged" in second["skipped"][Stage.TRIAGE]
    assert EventKind.STAGE_SKIPPED in await again.kinds()
    assert second["artifacts"] == first["artifacts"]
    assert (second["route"], second["verdict"], second["base_sha"]) == (first["route"], Verdict.PASS, moved)
    assert (again.ctx.home / second["issue_brief_path"]).exists()


async def test_a_brief_dies_with_the_issue_text_it_answers_to(equip: Equip) -> None:
    stand = await equip(answers=_drafts(BRIEF))
    await stand.run_stage(build(), START)
    again = await stand.next_run()
    again.tracker.edit(again.ctx.issue, "Divide safely", "Dividing by zero should exit with 3.")
    state = await again.run_stage(build(), START)
    assert Stage.TRIAGE not in state["skipped"]
    assert len(await again.asked()) == 1


async def test_triage_that_a_person_asks_for_again_is_not_skipped(equip: Equip) -> None:
    stand = await equip(answers=_drafts(BRIEF))
    await stand.run_stage(build(), START)
    again = await stand.next_run()
    await again.run_stage(build(), {**START, "resumed_from": Stage.TRIAGE})
    assert len(await again.asked()) == 1


async def test_feedback_at_the_gate_rewrites_the_brief_and_is_worked_in_once(equip: Equip) -> None:
    stand = await equip(answers=_drafts(BRIEF, {**BRIEF, "objective": "Exit code 3 it is."}))
    first = await stand.run_stage(build(), START)
    second = await stand.run_stage(build(), {**first, "feedback": ["Use exit code 3."]})
    assert (await _brief(stand, second)).objective == "Exit code 3 it is."
    assert second["feedback"] == []
