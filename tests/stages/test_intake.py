"""Triage's borders: what an issue lacks is said once, a person's brief is taken, too large an issue ends as its parts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.adapters.tracker.files import FilesTracker
from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import DecisionKind
from agentos.domain.document import IssueBrief, Risk
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Gate, Outcome, Route, Stage, Verdict
from agentos.domain.status import WaitKind
from agentos.workflows.kit.markdown import brief_markdown
from agentos.workflows.kit.pause import awaited
from agentos.workflows.kit.records import dump, load_json
from agentos.workflows.kit.state import RunState
from agentos.workflows.orchestrator.decomposing import part_draft, part_key, resolution
from agentos.workflows.triage.given import NotABrief, read_brief
from agentos.workflows.triage.graph import build
from tests.stages.conftest import REPO, Equip, Stand
from tests.stages.documents import BRIEF as RECORD
from tests.stages.documents import LLD
from tests.stages.test_edited_issue import BRIEF
from tests.stages.whole import Whole

START: RunState = {"issue_number": 1, "entry_stage": Stage.TRIAGE}
GIVEN = """\
# Report division by zero

## Objective
Division by zero is reported.

## Acceptance criteria
- divide(1, 0) raises ValueError
"""
LARGE = {**BRIEF, "complexity": 9, "parts": ["the parser", "the printer"]}
EMPTY = ("Division", "## Objective\n<!-- What? -->\n")


def _with_brief(stand: Stand, text: str) -> Stand:
    return replace(stand, ctx=replace(stand.ctx, given_brief=text))


async def _brief(stand: Stand, state: RunState) -> IssueBrief:
    return load_json(IssueBrief, await stand.store.artifacts.get(state["artifacts"][ArtifactKind.BRIEF]))


async def test_an_issue_that_lacks_something_gets_one_comment_however_often_it_is_edited(equip: Equip) -> None:
    stand = await equip(*EMPTY)
    run = Whole(stand)
    wait = await run.begin()
    assert wait is not None
    assert (wait.kind, wait.code) == (WaitKind.QUESTION, "intake")
    [first] = await stand.comments()
    assert "the issue does not say its objective and acceptance criteria" in first
    assert "constraints, failure mode, allowed scope" in first
    stand.tracker.edit(stand.ctx.issue, "Division", "## Acceptance criteria\n<!-- -->\n## Objective\nPeople divide.")
    await run.looks()
    intake = [text for text in await stand.comments() if "does not say its" in text]
    assert len(intake) == 1
    assert "does not say its acceptance criteria" in intake[0]
    assert await stand.asked() == []


async def test_the_intake_comment_says_so_once_nothing_is_missing(equip: Equip) -> None:
    stand = await equip(*EMPTY, {(Stage.TRIAGE, "drafter", 1): BRIEF}, orchestrator={"gates": {"after_triage": True}})
    run = Whole(stand)
    await run.begin()
    wait = await run.says(DecisionKind.ANSWER, "divide(1, 0) raises ValueError")
    assert wait is not None
    assert wait.gate is Gate.AFTER_TRIAGE
    comments = await stand.comments()
    assert [text for text in comments if "does not say its" in text] == []
    assert [text for text in comments if "Nothing that the work needs is missing" in text] != []


COMPLETE = """\
## Objective
Division by zero is reported.
## Acceptance criteria
- divide(1, 0) raises ValueError
## Constraints
None
## Failure mode
One sentence.
## Allowed scope
- calc/**
"""


async def test_a_complete_issue_gets_no_intake_comment(equip: Equip) -> None:
    stand = await equip(body=COMPLETE, answers={(Stage.TRIAGE, "drafter", 1): BRIEF})
    assert (await stand.run_stage(build(), START))["verdict"] == Verdict.PASS
    assert await stand.comments() == []


async def test_what_an_issue_does_not_say_is_named_once_and_the_work_goes_on(equip: Equip) -> None:
    answers = {(Stage.TRIAGE, "drafter", n): BRIEF for n in (1, 2)}
    stand = await equip(answers=answers)
    state = await stand.run_stage(build(), START)
    assert state["verdict"] == Verdict.PASS
    [comment] = await stand.comments()
    assert "does not say its constraints, failure mode and allowed scope" in comment
    stand.tracker.edit(stand.ctx.issue, "Divide safely", COMPLETE)
    await stand.run_stage(build(), {**state, "verdict": ""})
    said = [text for text in await stand.comments() if "was edited while" not in text]
    assert said == ["Nothing that the work needs is missing from this issue any more."]


async def test_a_repository_can_require_every_part_before_anybody_is_paid(equip: Equip) -> None:
    stand = await equip(intake={"required": ["constraints", "failure mode", "allowed scope"]})
    wait = awaited(await stand.run_stage(build(), START))
    assert wait is not None
    assert wait.title == "the issue does not say its constraints, failure mode and allowed scope"
    assert (len(wait.questions), wait.code) == (3, "intake")
    assert await stand.asked() == []


async def test_a_doubt_that_code_has_stops_the_run_and_is_settled_by_its_answer(equip: Equip) -> None:
    vague = {**BRIEF, "criteria": ["division is robust"]}
    stand = await equip(answers={(Stage.TRIAGE, "drafter", n): vague for n in (1, 2)})
    state = await stand.run_stage(build(), START)
    wait = awaited(state)
    assert wait is not None
    assert wait.questions[0].startswith("No test can decide the criterion “division is robust”")
    answered: RunState = {**state, "wait": {}, "answers": ["Leave it so; the reviewer judges it."]}
    assert (await stand.run_stage(build(), answered))["verdict"] == Verdict.PASS


async def test_work_no_standing_rule_may_start_waits_for_a_word_on_its_brief(equip: Equip) -> None:
    stand = await equip(
        answers={(Stage.TRIAGE, "drafter", 1): BRIEF}, ports={"deployer": MemoryDeployer()}, profile="service"
    )
    run = Whole(stand)
    wait = await run.begin()
    assert wait is not None
    assert (wait.code, wait.subject) == ("consent", run.state["artifacts"][ArtifactKind.BRIEF])
    assert "code is work that needs your word here" in wait.title
    assert await stand.asked() == [("drafter", 1)]
    stand.will_answer({(Stage.LLD, "drafter", 1): dump(LLD), (Stage.LLD, "reviewer", 1): {"verdict": "block"}})
    following = await run.says(DecisionKind.APPROVE)
    assert following is not None
    assert following.code == "reviewer_block"
    assert run.state["issue_brief_path"]


@pytest.mark.parametrize(
    "doubt", [{"contradictions": ["“a” and “b”."]}, {"untestable": [{"criterion": "c", "why": "w"}]}]
)
async def test_a_doubt_stops_the_run_before_any_design_is_paid(equip: Equip, doubt: dict[str, Any]) -> None:
    stand = await equip(answers={(Stage.TRIAGE, "drafter", 1): {**BRIEF, **doubt}})
    wait = await Whole(stand).begin()
    assert wait is not None
    assert wait.kind is WaitKind.QUESTION
    assert await stand.asked() == [("drafter", 1)]


async def test_a_given_brief_is_taken_and_nobody_is_paid_to_write_one(equip: Equip) -> None:
    stand = _with_brief(await equip(*EMPTY), GIVEN)
    state = await stand.run_stage(build(), START)
    assert state["verdict"] == Verdict.PASS
    assert "--from-brief" in state["skipped"][Stage.TRIAGE]
    brief = await _brief(stand, state)
    assert [item.text for item in brief.criteria] == ["divide(1, 0) raises ValueError"]
    assert (brief.risk, brief.route) == (Risk.MEDIUM, Route.FULL)
    assert brief.issue_digest == state["issue_digest"] == (await stand.tracker.get(1)).digest
    assert await stand.asked() == []
    assert EventKind.STAGE_SKIPPED in await stand.kinds()


async def test_a_given_brief_is_held_to_the_same_rules(equip: Equip) -> None:
    stand = _with_brief(await equip(), GIVEN + "\n## Open questions\n- Which error?\n")
    stand.will_answer({(Stage.TRIAGE, "drafter", 1): BRIEF})
    state = await stand.run_stage(build(), START)
    wait = awaited(state)
    assert wait is not None
    assert wait.questions == ("Which error?",)
    answered: RunState = {**state, "wait": {}, "answers": ["ValueError"]}
    assert (await stand.run_stage(build(), answered))["verdict"] == Verdict.PASS
    assert await stand.asked() == [("drafter", 1)]


def test_a_brief_is_read_from_json_and_from_the_form_that_a_run_writes() -> None:
    assert read_brief(json.dumps(BRIEF)).objective == BRIEF["objective"]
    read = read_brief(brief_markdown(RECORD))
    assert (read.title, read.objective, read.complexity, read.risk) == (
        RECORD.title,
        RECORD.objective,
        RECORD.complexity,
        RECORD.risk,
    )
    assert read.criteria == [item.text for item in RECORD.criteria]
    assert (read.constraints, read.allowed_scope, read.failure_mode) == ([], [], "")
    assert read.route_reason == RECORD.route_reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no objective"),
        ("## Objective\nx", "no acceptance criteria"),
        ("## Objective\nx\n## Budget\n- y", "“Budget” is no part of a brief"),
        ("{", "Invalid JSON"),
        ('{"objective": "x", "criteria": ["y"], "complexity": 12, "risk": "low", "route_reason": ""}', "complexity"),
        ('{"goal": "x"}', "goal: Extra inputs"),
        ("x" * 70_000, "longer than"),
    ],
)
def test_what_is_no_brief_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(NotABrief, match=reason):
        read_brief(text)


async def _split(equip: Equip) -> tuple[Stand, Whole]:
    ports = {"deployer": MemoryDeployer()}
    stand = await equip(answers={(Stage.TRIAGE, "drafter", 1): LARGE}, ports=ports)
    run = Whole(stand)
    wait = await run.begin()
    assert wait is not None
    assert (wait.code, wait.accepts[0]) == ("too_large", DecisionKind.APPROVE)
    assert wait.subject == run.state["artifacts"][ArtifactKind.BRIEF]
    return stand, run


async def test_accepted_parts_are_filed_and_the_whole_ends_without_claiming_any_of_them(equip: Equip) -> None:
    stand, run = await _split(equip)
    assert await run.says(DecisionKind.APPROVE) is None
    assert run.state["outcome"] == Outcome.DECOMPOSED
    assert run.state["parts"] == [2, 3]
    parts = [await stand.tracker.get(number) for number in (2, 3)]
    assert [part.title for part in parts] == ["the parser", "the printer"]
    assert all("Part" in part.body and "#1" in part.body for part in parts)
    whole = await stand.tracker.get(1)
    assert not whole.is_open
    assert "none of them is done" in stand.tracker.resolution(whole.ref)
    assert any("ended: **decomposed**" in text and "#3 the printer" in text for text in await stand.comments())
    assert "pr" not in [row.key for row in await stand.store.effects.of_issue(stand.ctx.issue)]


async def test_parts_that_are_not_accepted_are_not_filed(equip: Equip) -> None:
    stand, run = await _split(equip)
    stand.will_answer({(Stage.TRIAGE, "drafter", 2): {**BRIEF, "open_questions": ["Which?"]}})
    wait = await run.says(DecisionKind.FEEDBACK, "Only the parser.")
    assert wait is not None
    assert wait.kind is WaitKind.QUESTION
    await run.says(DecisionKind.REJECT)
    assert run.state["outcome"] == Outcome.CANCELLED
    assert await stand.tracker.find_issue(part_key(1, wait.subject, 1)) is None
    assert "parts" not in run.state


async def test_too_large_an_issue_without_parts_cannot_be_accepted(equip: Equip) -> None:
    stand = await equip(answers={(Stage.TRIAGE, "drafter", 1): {**LARGE, "parts": []}})
    wait = await Whole(stand).begin()
    assert wait is not None
    assert DecisionKind.APPROVE not in wait.accepts


async def test_a_part_as_a_ticket_names_what_it_is_for_and_what_it_is_related_to(tmp_path: Path) -> None:
    folder = tmp_path / "tickets"
    folder.mkdir()
    brief = replace(RECORD, parts=("the parser",), objective="Divide\nsafely: always.")
    tracker = FilesTracker(folder, REPO)
    made = await tracker.file_issue(part_draft(brief, 0), part_key(1, "d" * 64, 1))
    assert made == IssueRef(REPO, 1)
    [file] = [path for path in folder.iterdir() if path.name.endswith("the-parser.md")]
    text = file.read_text("utf-8")
    assert 'objective: "Divide safely: always."' in text
    assert "related: [1]" in text
    assert "status: planned" in text
    assert "AC-1" not in resolution(brief, [1])
