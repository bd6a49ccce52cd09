"""A pass is measured: what counts as a new failure, and what proves a criterion."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.check import (
    CheckCommand,
    CheckResult,
    CriterionResult,
    TestOutcome,
    judge_criteria,
    new_failures,
    unmet,
)
from agentos.domain.document import Criterion, Evidence, Finding, Severity

PASSED, FAILED, SKIPPED = TestOutcome
A, B = "t.py::test_a", "t.py::test_b"


def result(exit_code: int | None, tests: Mapping[str, TestOutcome] | None = None, *, name: str = "test") -> CheckResult:
    """What a command did; `tests` None: it offered no report."""
    return CheckResult(name, "sha", exit_code, 0.1, tests or {}, "", offered_junit=tests is not None)


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        (result(0), True),
        (result(1), False),
        (result(None), False),
        (result(0, {A: PASSED, B: SKIPPED}), True),
        (result(0, {A: FAILED}), False),
        (result(0, {}), True),
    ],
)
def test_a_check_passes_by_its_exit_code_and_its_report(check: CheckResult, passed: bool) -> None:
    assert check.passed is passed


@pytest.mark.parametrize(
    ("base", "head", "failures"),
    [
        # without reports the command counts as one
        (None, result(0), ()),
        (None, result(1), ("test",)),
        (result(0), result(1), ("test",)),
        (result(1), result(1), ()),
        (result(1), result(2), ("test",)),
        (result(1), result(None), ("test",)),
        (result(None), result(None), ()),
        # with reports, test by test
        (None, result(1, {A: FAILED}), (A,)),
        (result(0, {A: PASSED}), result(1, {A: FAILED, B: FAILED}), (A, B)),
        (result(1, {A: FAILED}), result(1, {A: FAILED, B: FAILED}), (B,)),
        (result(1, {A: FAILED}), result(1, {A: FAILED}), ()),
        (result(1, {A: FAILED, B: FAILED}), result(1, {A: FAILED, B: PASSED}), ()),
        (result(1, {A: FAILED}), result(0, {A: PASSED}), ()),
        (result(1, {A: FAILED}), result(0, {A: FAILED}), ()),
        (result(1), result(1, {A: FAILED}), (A,)),
        # something else broke than the tests that were red
        (result(1, {A: FAILED}), result(2, {A: FAILED}), ("test",)),
        (result(1, {A: FAILED}), result(1, {A: PASSED}), ("test",)),
        (result(0, {A: PASSED}), result(1, {A: PASSED}), ("test",)),
        # the command was red for another reason than a test before, too
        (result(1, {A: PASSED}), result(1, {A: PASSED}), ()),
        (result(1, {}), result(1, {A: PASSED}), ()),
        # a report that is missing proves nothing
        (result(1, {A: FAILED}), result(1), ("test",)),
        (result(1, {A: PASSED}), result(1), ("test",)),
        (result(1), result(1, {A: PASSED}), ("test",)),
        (result(0, {A: PASSED}), result(None, {A: FAILED}), (A,)),
    ],
)
def test_only_what_did_not_fail_at_the_base_is_new(
    base: CheckResult | None, head: CheckResult, failures: tuple[str, ...]
) -> None:
    assert new_failures(base, head) == failures


REPORTS = st.none() | st.dictionaries(st.sampled_from([A, B, "t.py::test_c"]), st.sampled_from(TestOutcome))
RESULTS = st.builds(result, st.sampled_from([0, 1, 2, None]), REPORTS)


@given(st.none() | RESULTS, RESULTS)
def test_a_head_that_does_not_pass_is_forgiven_only_where_the_base_failed_too(
    base: CheckResult | None, head: CheckResult
) -> None:
    found = new_failures(base, head)
    if head.passed:
        assert found == ()
    elif base is None or base.passed:
        assert found
    if base is not None and base == head:
        assert found == ()


AC = Criterion("AC-1", "it works")
UNSEEN = "its tests were not seen to fail before the change"


def judge(
    proofs: tuple[str, ...],
    *,
    before: Mapping[str, TestOutcome] | None = None,
    after: Mapping[str, TestOutcome] | None = None,
    checks: Mapping[str, CheckResult] | None = None,
) -> CriterionResult:
    evidence = [Evidence(AC.id, proofs)] if proofs else []
    [judged] = judge_criteria([AC], evidence, before=before or {}, after=after or {}, checks=checks or {})
    return judged


@pytest.mark.parametrize(
    ("judged", "passed", "reason"),
    [
        (judge(()), False, "no test or check is named for it"),
        (judge((A,)), False, f"{A} was not run"),
        (
            judge((A,), checks={"test": result(1)}),
            False,
            f"{A} was not run: `test` ended with exit code 1 and reported no tests",
        ),
        (
            judge((A,), checks={"test": result(None)}),
            False,
            f"{A} was not run: `test` did not end by itself (stopped at its time limit, or killed) and reported no tests",
        ),
        (judge((A,), checks={"test": result(1, {B: FAILED})}), False, f"{A} was not run"),
        (judge((A,), after={A: PASSED}), False, UNSEEN),
        (judge((A,), before={A: FAILED}, after={A: PASSED}), True, "failed before, passes after"),
        (judge((A,), before={A: SKIPPED}, after={A: PASSED}), False, UNSEEN),
        (judge((A,), after={A: FAILED}), False, f"{A} failed at the head"),
        (judge((A,), after={A: SKIPPED}), False, f"{A} skipped at the head"),
        (
            judge((A,), before={A: PASSED}, after={A: PASSED}),
            False,
            "its tests passed before the change too, so they prove nothing",
        ),
        (
            judge((A, B), before={A: PASSED, B: FAILED}, after={A: PASSED, B: PASSED}),
            True,
            "failed before, passes after",
        ),
        (judge((A, B), after={A: PASSED}), False, f"{B} was not run"),
        (judge(("lint",), checks={"lint": result(0)}), True, "its check passes at the head"),
        (
            judge(("test",), checks={"test": result(0, {A: PASSED})}),
            False,
            "the check test reports its tests: name the ones that prove it",
        ),
        (judge(("lint",), checks={"lint": result(1)}), False, "the check lint does not pass"),
        (
            judge((A, "lint"), before={A: PASSED}, after={A: PASSED}, checks={"lint": result(0)}),
            True,
            "its check passes at the head",
        ),
    ],
)
def test_a_criterion_passes_only_by_what_was_measured(judged: CriterionResult, passed: bool, reason: str) -> None:
    assert (judged.passed, judged.reason, judged.text) == (passed, reason, AC.text)


def test_proofs_of_one_criterion_are_put_together_and_all_must_hold() -> None:
    evidence = [Evidence("AC-1", (A,)), Evidence("AC-2", (A,)), Evidence("AC-1", (B,))]
    criteria = [AC, Criterion("AC-2", "more")]
    judged = judge_criteria(criteria, evidence, before={A: FAILED}, after={A: PASSED}, checks={})
    assert [(item.criterion, item.passed, item.proofs) for item in judged] == [
        ("AC-1", False, (A, B)),
        ("AC-2", True, (A,)),
    ]
    assert unmet(judged) == (Finding(Severity.BLOCKER, "AC-1", f"{B} was not run"),)


OUTCOMES = st.dictionaries(st.sampled_from([A, B]), st.sampled_from(TestOutcome))


@given(st.lists(st.sampled_from([A, B, "lint"]), max_size=3), OUTCOMES, OUTCOMES, RESULTS)
def test_nothing_passes_without_a_measurement_that_holds(
    proofs: list[str], before: dict[str, TestOutcome], after: dict[str, TestOutcome], lint: CheckResult
) -> None:
    judged = judge(tuple(proofs), before=before, after=after, checks={"lint": lint})
    holds = lint.passed and not lint.tests
    holding = [holds if proof == "lint" else after.get(proof) is PASSED for proof in proofs]
    showing = [proof == "lint" or before.get(proof) is FAILED for proof in proofs]
    assert judged.passed == (all(holding) and any(showing))
    assert judged.reason


def test_a_command_is_bounded_and_offline_unless_told_otherwise() -> None:
    command = CheckCommand("test", "pytest")
    assert (command.timeout_s, command.network) == (600.0, ())
