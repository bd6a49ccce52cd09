"""When a round of work counts as worse than the one before: one pure comparison, over whatever was measured."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.change import ChangeReport, Undone
from agentos.domain.check import CheckResult, CriterionResult, TestOutcome
from agentos.domain.document import Severity
from agentos.workflows.implementation import rules
from tests.stages.delivery import LATE, NOTE, report_of

PASSED, FAILED, SKIPPED = TestOutcome.PASSED, TestOutcome.FAILED, TestOutcome.SKIPPED
IDS = ("AC-1", "AC-2", "AC-3")


def _check(tests: Mapping[str, TestOutcome], exit_code: int | None = None, name: str = "test") -> CheckResult:
    code = (1 if FAILED in tests.values() else 0) if exit_code is None else exit_code
    return CheckResult(name, "s", code, 0.1, tests, "", offered_junit=bool(tests))


def _report(proved: tuple[str, ...], *checks: CheckResult) -> ChangeReport:
    criteria = tuple(CriterionResult(each, each in proved, (), "") for each in IDS)
    return ChangeReport("b", "h", "", (), 0, 0, checks, criteria, ())


def _tests(**outcomes: TestOutcome) -> ChangeReport:
    return _report((), _check(outcomes))


REPORTS = st.builds(
    _report,
    st.sets(st.sampled_from(IDS)).map(lambda found: tuple(sorted(found))),
    st.builds(
        _check,
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from(TestOutcome)),
        st.sampled_from((None, 0, 1)),
    ),
)


@pytest.mark.parametrize(
    ("best", "now", "lost"),
    [
        (_report(("AC-1", "AC-2")), _report(("AC-1",)), ("AC-2",)),
        (_tests(a=PASSED, b=FAILED), _tests(a=FAILED, b=FAILED), ("test: a",)),
        (_tests(a=PASSED), _report((), _check({}, 2)), ("test", "test: a")),
        (_tests(a=PASSED), _report(()), ("test", "test: a")),
        (_tests(a=PASSED, b=PASSED, c=FAILED), _tests(b=FAILED, c=PASSED), ("test: a", "test: b")),
    ],
    ids=["a-criterion", "a-test", "everything-broken", "set-up-broken", "two-for-one"],
)
def test_a_round_that_loses_more_than_it_wins_is_worse(
    best: ChangeReport, now: ChangeReport, lost: tuple[str, ...]
) -> None:
    assert rules.lost(best, now) == lost
    assert rules.is_worse(now, best)
    assert not rules.is_worse(best, now)


@pytest.mark.parametrize(
    ("best", "now"),
    [
        (_tests(a=PASSED), _tests(a=PASSED, new=FAILED)),
        (_tests(a=PASSED), _tests(a=SKIPPED)),
        (_tests(a=PASSED, gone=PASSED), _tests(a=PASSED)),
        (_tests(a=PASSED, b=FAILED), _tests(a=FAILED, b=PASSED)),
        (_report(("AC-1",), _check({"a": PASSED})), _report(("AC-1", "AC-2"), _check({"a": FAILED}))),
        (_report(("AC-1",)), _report(("AC-2",))),
    ],
    ids=["a-new-test-that-fails", "skipped", "deleted", "one-for-one", "a-criterion-for-a-test", "another-criterion"],
)
def test_a_round_that_moves_on_is_not_worse(best: ChangeReport, now: ChangeReport) -> None:
    assert not rules.is_worse(now, best)


@given(REPORTS)
def test_nothing_is_worse_than_itself(report: ChangeReport) -> None:
    assert rules.lost(report, report) == ()
    assert not rules.is_worse(report, report)


@given(REPORTS, REPORTS)
def test_of_two_rounds_at_most_one_is_worse_and_it_lost_something(one: ChangeReport, other: ChangeReport) -> None:
    assert not (rules.is_worse(one, other) and rules.is_worse(other, one))
    if rules.is_worse(one, other):
        assert rules.lost(other, one)


@given(REPORTS, REPORTS)
def test_fewer_proved_criteria_are_always_worse(one: ChangeReport, other: ChangeReport) -> None:
    proved = [sum(each.passed for each in report.criteria) for report in (one, other)]
    if proved[0] < proved[1]:
        assert rules.is_worse(one, other)
    if proved[0] > proved[1]:
        assert not rules.is_worse(one, other)


@given(REPORTS, st.sampled_from("abcd"))
def test_breaking_one_more_test_that_passed_is_worse(report: ChangeReport, test: str) -> None:
    before = replace(report, checks=(_check({**report.checks[0].tests, test: PASSED}),))
    after = replace(report, checks=(_check({**report.checks[0].tests, test: FAILED}),))
    assert rules.is_worse(after, before)


def test_what_is_held_against_a_commit_is_what_was_measured_and_what_its_reviewer_found() -> None:
    report = replace(report_of("b", "h", LATE, proved=False), regressions=("test: a",))
    assert [item.where for item in rules.held_against(report)] == ["test: a", "AC-1", LATE.where]
    assert rules.held_against(report_of("b", "h", NOTE)) == ()
    assert rules.held_against(replace(report, review=None))[-1].where == "AC-1"


def test_the_next_round_is_told_what_was_lost_in_so_many_words() -> None:
    told = rules.told_of(Undone("a" * 40, "b" * 40, tuple(f"test: {n}" for n in range(30))))
    assert told.severity is Severity.NOTE
    assert "aaaaaaaaaaaa made it worse and was undone: it lost test: 0, " in told.problem
    assert told.problem.endswith("test: 9, …")
