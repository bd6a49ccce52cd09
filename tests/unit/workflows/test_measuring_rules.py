"""Which files a measurement without the change needs, and what it saw."""

import pytest

from agentos.domain.check import CheckResult, TestOutcome
from agentos.workflows.implementation import rules

A, B = "tests/test_a.py::test_a", "tests/test_a.py::test_b"
PASSED, FAILED = TestOutcome.PASSED, TestOutcome.FAILED


@pytest.mark.parametrize(
    ("tests", "changed", "files"),
    [
        ((A, B), ["tests/test_a.py", "src/a.py", "tests/conftest.py"], ("tests/test_a.py",)),
        ((), ["tests/test_a.py"], ()),
        (
            ("sums adds::sums adds",),
            [
                "src/sums.js",
                "src/sums.test.js",
                "__tests__/more.js",
                "src/SumsTest.java",
                "spec/sums_spec.rb",
                "latest.js",
            ],
            ("sums adds", "src/sums.test.js", "__tests__/more.js", "src/SumsTest.java", "spec/sums_spec.rb"),
        ),
        ((A,), ["src/inspect.py", "src/contest.py", "src/Latest.java"], ("tests/test_a.py",)),
    ],
    ids=["named by their ids", "nothing is named", "ids name no files", "names that only look alike"],
)
def test_the_files_of_the_tests_are_laid_over_the_base_and_no_other(
    tests: tuple[str, ...], changed: list[str], files: tuple[str, ...]
) -> None:
    assert rules.test_files(tests, changed) == files


def ran(exit_code: int | None, tests: dict[str, TestOutcome] | None = None) -> CheckResult:
    return CheckResult("focused", "a" * 40, exit_code, 1.0, tests or {}, "", offered_junit=tests is not None)


@pytest.mark.parametrize(
    ("results", "seen"),
    [
        ([ran(1, {A: FAILED, B: PASSED})], {A: FAILED, B: PASSED}),
        ([ran(2, {"tests/test_a.py::import": FAILED})], {A: FAILED, B: FAILED, "tests/test_a.py::import": FAILED}),
        ([ran(0, {A: PASSED})], {A: PASSED}),
        ([ran(1)], {}),
        ([ran(127)], {}),
        ([ran(None, {})], {}),
        ([], {}),
    ],
    ids=["reported", "not loaded", "not run", "no report", "no such command", "stopped", "not measured"],
)
def test_only_what_a_report_says_was_seen_without_the_change(
    results: list[CheckResult], seen: dict[str, TestOutcome]
) -> None:
    assert rules.seen_before((A, B), results) == seen
