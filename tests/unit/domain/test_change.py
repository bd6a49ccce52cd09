"""What keeps a change from passing, and how a criterion is traced to its tests."""

from agentos.domain.change import ChangeReport, TouchedFile, evidence_from, problems_of
from agentos.domain.check import CriterionResult
from agentos.domain.document import Evidence, Finding, Lld, Requirement, Scenario, Severity, Spec, TestMapping

REPORT = ChangeReport(
    base_sha="b" * 40,
    head_sha="h" * 40,
    summary="",
    files=(TouchedFile("a.py", 3, 1), TouchedFile("logo.png", None, None)),
    insertions=3,
    deletions=1,
    checks=(),
    criteria=(CriterionResult("AC-1", False, (), "no test or check is named for it"),),
    regressions=("test: t.py::test_a",),
)


def test_regressions_and_unproved_criteria_both_stop_a_change() -> None:
    assert problems_of(REPORT) == (
        Finding(Severity.BLOCKER, "test: t.py::test_a", "fails now and did not fail at the base commit"),
        Finding(Severity.BLOCKER, "AC-1", "no test or check is named for it"),
    )


def test_the_stat_counts_files_in_words() -> None:
    assert REPORT.stat() == "2 files changed, +3 -1"
    one = ChangeReport("b", "h", "", REPORT.files[:1], 1, 0, (), (), ())
    assert one.stat() == "1 file changed, +1 -0"


def _lld(requirements: tuple[Requirement, ...], scenarios: tuple[Scenario, ...]) -> Lld:
    return Lld("", (), "", (), "", (), requirements, "", "", scenarios, (), ())


def _spec(*mapped: tuple[str, str]) -> Spec:
    return Spec("", (), (), (), (), tuple(TestMapping(scenario, test) for scenario, test in mapped), ())


def test_a_criterion_is_proved_by_the_tests_of_its_scenarios_each_once() -> None:
    lld = _lld(
        (
            Requirement("REQ-1", "", ("AC-1", "AC-2")),
            Requirement("REQ-2", "", ("AC-2",)),
            Requirement("REQ-3", "", ("AC-3",)),
        ),
        (
            Scenario("S-1", "", "", "REQ-1"),
            Scenario("S-2", "", "", "REQ-2"),
            Scenario("S-3", "", "", "REQ-3"),
        ),
    )
    spec = _spec(("S-1", "t::a"), ("S-1", "t::b"), ("S-2", "t::a"), ("S-2", "t::c"))
    assert evidence_from(lld, spec) == (Evidence("AC-1", ("t::a", "t::b")), Evidence("AC-2", ("t::a", "t::b", "t::c")))
