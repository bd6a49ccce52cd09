from dataclasses import replace
from typing import Any

import pytest

from agentos.domain.ci import CiResult
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind
from agentos.domain.document import ReviewVerdict
from agentos.domain.pipeline import Gate, Stage
from agentos.domain.status import WaitKind
from agentos.workflows.kit.state import RunState
from agentos.workflows.review import rules
from tests.stages.delivery import NOTE, report_of
from tests.unit.workflows.test_pr_rules import BASE, HEAD, PACKAGE

SURE = report_of(BASE, HEAD, NOTE, confidence=90)


def _said(kind: DecisionKind, text: str = "", subject: str = HEAD) -> Decision:
    return Decision(kind, "ann", "cli", text, subject)


def test_a_proved_change_with_a_sure_reviewer_may_pass_alone() -> None:
    assert rules.may_pass_alone(SURE, 90)


@pytest.mark.parametrize(
    "doubt",
    [
        {"criteria": ()},
        {"criteria": (replace(SURE.criteria[0], passed=False),)},
        {"regressions": ("test: tests/test_core.py::test_divide",)},
        {"checks": ()},
        {"checks": (replace(SURE.checks[0], exit_code=1),)},
        {"checks": (replace(SURE.checks[0], exit_code=None),)},
        {"review": None},
        {"review": replace(SURE.review, confidence=89)},  # type: ignore[type-var]
        {"review": replace(SURE.review, verdict=ReviewVerdict.REVISE)},  # type: ignore[type-var]
        {"review": replace(SURE.review, subject=BASE)},  # type: ignore[type-var]
    ],
    ids=lambda doubt: "-".join(doubt),
)
def test_any_doubt_brings_a_person_in(doubt: dict[str, Any]) -> None:
    assert not rules.may_pass_alone(replace(SURE, **doubt), 90)


def test_a_red_ci_brings_a_person_in() -> None:
    assert rules.may_pass_alone(SURE, 90, CiResult(HEAD))
    assert not rules.may_pass_alone(SURE, 90, CiResult(HEAD, is_green=False))


@pytest.mark.parametrize(
    ("state", "run", "shown"),
    [
        ({"good_sha": HEAD, "cycle": 1}, 2, True),
        ({"good_sha": BASE, "cycle": 1}, 2, False),
        ({"good_sha": HEAD, "cycle": 2}, 2, False),
        ({"good_sha": HEAD, "cycle": 1}, 3, False),
    ],
)
def test_a_commit_counts_as_shown_in_its_own_cycle_and_run_only(state: RunState, run: int, shown: bool) -> None:
    assert rules.is_shown(PACKAGE, state, run) is shown
    assert not rules.is_shown(None, state, run)


def test_the_question_is_bound_to_the_commit_and_takes_what_a_review_takes() -> None:
    wait = rules.wait_for(PACKAGE, remark="First.")
    assert (wait.kind, wait.stage, wait.gate, wait.subject) == (WaitKind.REVIEW, Stage.REVIEW, Gate.BEFORE_MERGE, HEAD)
    assert wait.accepts == ACCEPTED_BY[WaitKind.REVIEW]
    assert wait.summary.startswith("First.\n\n")
    assert "1 file changed" in rules.wait_for(PACKAGE).summary


def test_an_approval_binds_to_one_commit() -> None:
    assert rules.is_bound(_said(DecisionKind.APPROVE), HEAD)
    assert not rules.is_bound(_said(DecisionKind.APPROVE), BASE)
    assert not rules.is_bound(_said(DecisionKind.APPROVE, subject=""), HEAD)
    assert not rules.is_bound(_said(DecisionKind.APPROVE, subject=""), "")


def test_what_does_not_count_is_answered_with_the_reason() -> None:
    assert "for no commit" in rules.refused(_said(DecisionKind.APPROVE, subject=""), HEAD)
    assert "skip means nothing" in rules.refused(_said(DecisionKind.SKIP), HEAD)
    assert rules.again(rules.wait_for(PACKAGE), "No.").summary.startswith("No.\n\n")


def test_a_retry_without_words_still_tells_the_agent_something() -> None:
    assert rules.asked_for(_said(DecisionKind.FEEDBACK, "  Name it.  ")) == "Name it."
    assert rules.asked_for(_said(DecisionKind.RETRY)) == rules.ONCE_MORE


def test_what_a_person_pushed_is_told_with_its_commits_and_to_be_left_as_it_is() -> None:
    told = rules.pushed("a" * 40, ["1234567 Say more", "89abcde Say less"])
    assert ("a" * 40 in told, "What they did stays" in told) == (True, True)
    assert told.endswith("- 1234567 Say more\n- 89abcde Say less")
