"""What triage decides before and after a model is asked."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agentos.config.settings import Settings
from agentos.domain.decision import DecisionKind, Wait
from agentos.domain.document import Criterion, IssueBrief, Risk, WorkType
from agentos.domain.issue import IntakePart, Issue, IssueRef
from agentos.domain.pipeline import Route
from agentos.domain.status import WaitKind
from agentos.workflows.kit.pause import awaited
from agentos.workflows.kit.scope import outside, scopes_of
from agentos.workflows.kit.state import RunState
from agentos.workflows.triage.reply import BriefReply
from agentos.workflows.triage.rules import (
    COMPLETE,
    MOST_CHARACTERS,
    ask_consent,
    ask_for,
    can_be_reused,
    consent_needed,
    conversation,
    intake_comment,
    judge,
    missing_parts,
    route_of,
)

FORM = """\
## Objective

<!-- What should be different, and for whom? -->

## Acceptance criteria

<!-- One line each, checkable with yes or no:
- When <this happens>, <that can be seen>.
-->

## Constraints

## Allowed scope
"""
ISSUE = Issue(IssueRef("demo", 7), "Divide safely", "Dividing by zero should exit with 2.", digest="d1")
BRIEF = IssueBrief(
    issue_number=7,
    issue_digest="d1",
    title="Divide safely",
    objective="Division by zero is reported.",
    criteria=(Criterion("AC-1", "calc 1 / 0 exits with 2"),),
    constraints=(),
    failure_mode="",
    allowed_scope=(),
    out_of_scope=(),
    dependencies=(),
    open_questions=(),
    complexity=4,
    risk=Risk.LOW,
    route=Route.FULL,
    route_reason="two files",
    source="",
)
REPLY = {
    "objective": "Division by zero is reported.",
    "criteria": ["calc 1 / 0 exits with 2"],
    "complexity": 4,
    "risk": "low",
    "route_reason": "two files",
}


def _wait(update: RunState) -> Wait:
    wait = awaited(update)
    assert wait is not None
    return wait


@pytest.mark.parametrize(
    ("title", "body", "missing"),
    [
        ("Add subtraction", "", {IntakePart.OBJECTIVE, IntakePart.CRITERIA}),
        ("Add subtraction", FORM, {IntakePart.OBJECTIVE, IntakePart.CRITERIA}),
        ("Add subtraction", "## Objective\n_No response_\n## Acceptance criteria\n- [ ]\n...\nTBD", set(IntakePart)),
        ("Slow", "The report takes ages.", {IntakePart.CRITERIA}),
        ("Add subtraction", "## Acceptance criteria\n- `calc 3 - 1` prints 2", set()),
        ("Add subtraction", "Acceptance criteria:\n`calc 3 - 1` prints 2", set()),
        ("Add subtraction", "**Goal**\nPeople subtract.\n\n**Done when**\ncalc 3 - 1 gives 2", set()),
        ("Division by zero", "`calc 1 / 0` prints a traceback. It should print `division by zero`.", set()),
        ("calc must refuse letters", "It dies on `calc a + 1` today.", set()),
        ("Two things", "We need:\n1. a\n2. b", set()),
        ("Words in code are none", "```\n## Acceptance criteria\nfirst\n```", {IntakePart.CRITERIA}),
        ("Only a scope", "## Allowed scope\n- src/**", {IntakePart.OBJECTIVE, IntakePart.CRITERIA}),
    ],
)
def test_only_what_is_truly_not_there_is_missing(title: str, body: str, missing: set[IntakePart]) -> None:
    assert set(missing_parts(title, body)) == missing & {IntakePart.OBJECTIVE, IntakePart.CRITERIA}


@given(st.text(max_size=80), st.text(max_size=400))
def test_no_text_breaks_the_intake_rule_and_only_required_parts_are_missing(title: str, body: str) -> None:
    assert set(missing_parts(title, body)) <= {IntakePart.OBJECTIVE, IntakePart.CRITERIA}


@given(st.text(max_size=200))
def test_a_filled_form_lacks_nothing_whatever_follows_it(rest: str) -> None:
    body = f"## Objective\n\nPeople subtract.\n\n## Acceptance criteria\n\n- calc 3 - 1 gives 2\n\n## Notes\n{rest}"
    assert missing_parts("Add subtraction", body) == ()


def test_sections_that_say_nothing_are_unstated() -> None:
    body = "## Objective\nPeople subtract.\n## Constraints\n-\n## Failure mode\nexit 2"
    wanted = (IntakePart.CRITERIA, IntakePart.CONSTRAINTS, IntakePart.SCOPE)
    assert missing_parts("Subtraction", body, tuple(IntakePart)) == wanted
    assert missing_parts("Subtraction", body) == (IntakePart.CRITERIA,)
    assert missing_parts("Subtraction", body, (IntakePart.SCOPE,)) == (IntakePart.CRITERIA, IntakePart.SCOPE)


@pytest.mark.parametrize("answer", ["None", "n/a", "- none.", "any"])
def test_where_there_need_be_nothing_none_is_an_answer(answer: str) -> None:
    body = "".join(f"## {part}\n{answer}\n" for part in IntakePart)
    assert missing_parts("Subtraction", body, tuple(IntakePart)) == (
        (IntakePart.OBJECTIVE, IntakePart.CRITERIA) if answer != "any" else ()
    )


def test_what_else_the_issue_does_not_say_is_named_with_the_question_that_fills_it() -> None:
    text = intake_comment((IntakePart.CONSTRAINTS, IntakePart.FAILURE_MODE, IntakePart.SCOPE))
    assert text.startswith("**The issue does not say its constraints, failure mode and allowed scope.**")
    assert "nothing is guessed" in text
    assert text.count("\n- ") == 3
    assert intake_comment(()) == COMPLETE


SERVICE = Settings.model_validate({"profile": "service"})
ASKED_FOR = Settings.model_validate({"profile": "service", "asked_for": True})


def test_a_standing_rule_starts_only_the_work_it_may_and_a_person_any() -> None:
    documentation = dataclasses.replace(BRIEF, work=WorkType.DOCUMENTATION)
    assert consent_needed(BRIEF, Settings()) == ""
    assert consent_needed(documentation, SERVICE) == ""
    assert "code is work that needs your word here" in consent_needed(BRIEF, SERVICE)
    assert consent_needed(BRIEF, ASKED_FOR) == ""
    assert "high risk" in consent_needed(dataclasses.replace(documentation, risk=Risk.HIGH), SERVICE)
    generous = Settings.model_validate({"profile": "service", "scope": {"types": ["code"]}})
    assert consent_needed(BRIEF, generous) == ""
    wait = _wait(ask_consent("code needs your word", "d1"))
    assert (wait.subject, wait.accepts[0], wait.code) == ("d1", DecisionKind.APPROVE, "consent")


def test_work_that_a_standing_rule_started_is_held_to_the_files_of_its_kind() -> None:
    brief = dataclasses.replace(BRIEF, work=WorkType.DOCUMENTATION)
    files = ("README.md", "docs/use/first.md", "docs/conf.py", "calc/core.py", "requirements.txt")
    assert set(outside(files, scopes_of(brief, SERVICE))) == {"docs/conf.py", "calc/core.py", "requirements.txt"}
    assert outside(files, scopes_of(brief, Settings())) == {}
    assert outside(files, scopes_of(BRIEF, SERVICE)) == {}
    assert outside(files, scopes_of(brief, ASKED_FOR)) == {}


def test_a_brief_too_long_to_be_shown_whole_is_narrowed_first() -> None:
    criteria = tuple(Criterion(f"AC-{n}", "x" * 1000) for n in range(25))
    brief = dataclasses.replace(BRIEF, criteria=criteria)
    wait = _wait(judge(brief))
    assert (wait.code, str(MOST_CHARACTERS) in wait.title) == ("brief_too_long", True)


def test_what_is_missing_is_asked_for_by_name_and_with_an_example() -> None:
    wait = _wait(ask_for((IntakePart.OBJECTIVE, IntakePart.CRITERIA)))
    assert wait.kind is WaitKind.QUESTION
    assert wait.title == "the issue does not say its objective and acceptance criteria"
    assert len(wait.questions) == 2
    assert "yes or no" in wait.questions[1]
    assert ask_for(()) == {}


def test_what_may_stay_unsaid_is_told_along_but_never_asked_for_alone() -> None:
    unstated = (IntakePart.CRITERIA, IntakePart.SCOPE)
    wait = _wait(ask_for((IntakePart.CRITERIA,), unstated))
    assert wait.needs[-1] == f"say in it, too, if there is something to say: {IntakePart.SCOPE}"
    assert ask_for((), unstated) == {}


@pytest.mark.parametrize("complexity", range(1, 11))
@pytest.mark.parametrize("risk", Risk)
def test_the_route_follows_complexity_and_high_risk_is_never_trivial(complexity: int, risk: Risk) -> None:
    expected = Route.TRIVIAL if complexity <= 2 else Route.SPLIT if complexity >= 9 else Route.FULL
    if expected is Route.TRIVIAL and risk is Risk.HIGH:
        expected = Route.FULL
    assert route_of(complexity, risk) is expected


def test_a_clear_brief_goes_on() -> None:
    assert judge(BRIEF) == {}


def test_open_questions_are_asked_in_their_own_words() -> None:
    wait = _wait(judge(dataclasses.replace(BRIEF, open_questions=("Which exit code, 2 or 64?",))))
    assert wait.kind is WaitKind.QUESTION
    assert wait.questions == ("Which exit code, 2 or 64?",)


def test_a_brief_without_criteria_is_never_worked_on() -> None:
    assert _wait(judge(dataclasses.replace(BRIEF, criteria=()))).kind is WaitKind.QUESTION
    assert _wait(judge(dataclasses.replace(BRIEF, objective=" "))).kind is WaitKind.QUESTION


def test_what_is_too_large_is_blocked_with_its_parts() -> None:
    brief = dataclasses.replace(BRIEF, complexity=9, route=Route.SPLIT, parts=("parser", "printer"))
    wait = _wait(judge(brief))
    assert (wait.kind, wait.code, wait.evidence) == (WaitKind.BLOCKER, "too_large", ("parser", "printer"))
    assert wait.needs


def test_an_earlier_brief_counts_only_for_the_same_issue_text_and_with_nothing_open() -> None:
    assert can_be_reused(BRIEF, "d1")
    assert not can_be_reused(BRIEF, "d2")
    assert not can_be_reused(dataclasses.replace(BRIEF, open_questions=("Which?",)), "d1")
    assert not can_be_reused(dataclasses.replace(BRIEF, route=Route.SPLIT), "d1")


def test_the_reply_becomes_a_brief_with_numbered_criteria_and_doubts_as_questions() -> None:
    reply = BriefReply.model_validate(
        {
            **REPLY,
            "criteria": ["calc 1 / 0 exits with 2", "  ", "it is\x1b[31m fast", "calc 1 / 0  exits with 2"],
            "allowed_scope": ["`calc/**`", "tests"],
            "open_questions": ["Which code?"],
            "contradictions": ["“never exits” and “exits with 2”."],
            "untestable": [{"criterion": "it is fast", "why": "no number"}],
        }
    )
    brief = reply.to_brief(ISSUE, ("2",))
    assert (brief.work, brief.allowed_scope) == (WorkType.CODE, ("calc/**", "tests"))
    assert brief.criteria == (Criterion("AC-1", "calc 1 / 0 exits with 2"), Criterion("AC-2", "it is fast"))
    assert brief.open_questions == (
        "Which code?",
        "The issue contradicts itself: “never exits” and “exits with 2”. Which of the two holds?",
        "No test can decide the criterion “it is fast” (no number). What could be measured instead, with which result?",
    )
    assert (brief.title, brief.issue_digest, brief.answers) == ("Divide safely", "d1", ("2",))
    assert brief.source == "Divide safely\n\nDividing by zero should exit with 2."


@pytest.mark.parametrize(
    "wrong",
    [
        {"complexity": 0},
        {"complexity": 11},
        {"risk": "enormous"},
        {"objective": "x" * 20_001},
        {"criteria": ["x"] * 101},
        {"criteria": ["x" * 2_001]},
        {"questions": ["a field nobody asked for"]},
        {"allowed_scope": ["!"]},
        {"work": "sorcery"},
    ],
)
def test_a_reply_out_of_bounds_is_refused_not_cut(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BriefReply.model_validate({**REPLY, **wrong})


def test_answers_are_shown_with_the_questions_they_answer() -> None:
    assert conversation(("Which code?",), ()) == ""
    assert conversation(("Which code?",), ("2", "really")).splitlines() == [
        "Questions asked last:",
        "1. Which code?",
        "",
        "Answers so far, oldest first:",
        "- 2",
        "- really",
    ]
