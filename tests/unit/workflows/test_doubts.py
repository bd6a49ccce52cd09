"""What code can tell about a brief before any drafting is paid: only what is certain, each a question ready to be posted."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.document import Criterion, IssueBrief
from agentos.workflows.triage.doubts import Ground, with_doubts
from tests.stages.documents import BRIEF

FILES = ("README.md", "calc/core.py", "docs/use.md", "tests/test_core.py")


def _brief(*criteria: str, **change: Any) -> IssueBrief:
    numbered = tuple(Criterion(f"AC-{n}", text) for n, text in enumerate(criteria, 1))
    return dataclasses.replace(BRIEF, criteria=numbered, **change)


def _questions(brief: IssueBrief, ground: Ground | None = None, **settled: tuple[str, ...]) -> tuple[str, ...]:
    return with_doubts(brief, ground or Ground(FILES), **settled).open_questions


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        (["The report is fast."], "No test can decide the criterion “The report is fast.” (it names a quality"),
        (["calc prints TBD"], "The criterion “calc prints TBD” is left open."),
        (["Which code does calc exit with?"], "is left open. What is decided?"),
        (
            ["`calc 1 / 0` exits with 2.", "`calc 1 / 0` exits with 64."],
            "contradicts itself: “`calc 1 / 0` exits with 2.” and “`calc 1 / 0` exits with 64.”. Which of the two",
        ),
        (["divide(1, 0) returns 0", "divide(1, 0) returns None."], "contradicts itself"),
        (["calc prints the reason", "calc does not print the reason"], "contradicts itself"),
        (["The file is not overwritten.", "The file is overwritten"], "contradicts itself"),
        (["calc never exits", "calc exits"], "contradicts itself"),
        (["a quiet run passes", "A quiet run doesn't pass"], "contradicts itself"),
    ],
)
def test_what_is_certain_is_asked_with_exact_wording(criteria: list[str], said: str) -> None:
    [question] = _questions(_brief(*criteria))
    assert said in question
    assert question.endswith("?")


@pytest.mark.parametrize(
    "criteria",
    [
        ["`calc 1 / 0` exits with 2", "`calc 2 / 0` exits with 2"],
        ["With --force the file is overwritten", "Without --force the file is not overwritten"],
        ["`todo list` prints a", "`todo list` prints b"],
        ["divide(1, 0) returns 0 where --safe is given", "divide(1, 0) returns 1 where it is not"],
        ["calc exits with 2 and prints `no`", "calc exits with 3 where the file is missing"],
        ["The list is sorted by date", "The list is sorted by name where dates are equal"],
        ["calc prints the reason", "calc prints the reason once"],
    ],
)
def test_what_can_both_hold_is_left_alone(criteria: list[str]) -> None:
    assert _questions(_brief(*criteria)) == ()


def test_a_constraint_can_contradict_a_criterion() -> None:
    [question] = _questions(_brief("old files load", constraints=("Old files do not load.",)))
    assert "“old files load” and “Old files do not load.”" in question


def test_scopes_in_which_nothing_lies_are_asked_about() -> None:
    both = _brief("x exits with 2", allowed_scope=("calc/**",), out_of_scope=("calc/**",))
    assert ["“calc/**” is in the allowed scope and out of scope" in each for each in _questions(both)] == [True]
    prose = _brief("x exits with 2", allowed_scope=("the calc package",))
    assert "No file fits the allowed scope “the calc package”" in _questions(prose)[0]
    narrow = _brief("x exits with 2", allowed_scope=("docs/**",))
    [question] = _questions(narrow, Ground(FILES, ("calc/**", "tests/**")))
    assert "the issue allows changes in “docs/**” alone, WORKFLOW.md in “calc/**, tests/**” alone" in question


@pytest.mark.parametrize(
    ("allowed", "policy"),
    [
        (("calc/**", "docs/**"), ("docs/**",)),
        (("new/**",), ("calc/**",)),
        (("calc/**",), ("new/**",)),
        ((), ("calc/**",)),
    ],
)
def test_scopes_that_meet_or_are_yet_to_be_filled_are_left_alone(
    allowed: tuple[str, ...], policy: tuple[str, ...]
) -> None:
    assert _questions(_brief("x exits with 2", allowed_scope=allowed), Ground(FILES, policy)) == ()


def test_nobody_is_asked_twice_or_about_what_the_model_asked_already() -> None:
    brief = _brief("The report is fast.")
    [question] = _questions(brief)
    assert _questions(brief, settled=(question,)) == ()
    asked = ("How fast is “The report is fast.” meant?",)
    assert _questions(dataclasses.replace(brief, open_questions=asked)) == asked
    assert _questions(_brief("is good", "is good")) == _questions(_brief("is good"))


@given(st.lists(st.text(max_size=60), max_size=6), st.lists(st.text(max_size=20), max_size=3))
def test_no_text_breaks_a_rule_and_one_statement_contradicts_nothing(texts: list[str], more: list[str]) -> None:
    brief = _brief(*texts, constraints=tuple(more))
    assert with_doubts(brief, Ground(FILES)).criteria == brief.criteria
    for text in texts:
        assert not any("contradicts itself" in question for question in _questions(_brief(text)))
