"""What a change is measured by, and what of it goes back to the coder."""

from dataclasses import replace

import pytest

from agentos.domain.document import Evidence, Finding, Review, ReviewVerdict, Severity, Spec, TestMapping
from agentos.workflows.implementation import rules
from tests.stages.delivery import NOTE, report_of
from tests.stages.documents import LLD

MAJOR = Finding(Severity.MAJOR, "calc/core.py", "b is not looked at")
REVIEW = Review(ReviewVerdict.REVISE, (NOTE, MAJOR), "a" * 40, "m")
SPEC = Spec("", (), (), (), (), (TestMapping("S-1", "tests/test_zero.py::test_refuses"),), ())
CLAIMED = (Evidence("AC-1", ("tests/test_core.py::test_adds",)),)


@pytest.mark.parametrize(
    ("verdict", "findings", "counts"),
    [
        (ReviewVerdict.APPROVE, (), ReviewVerdict.APPROVE),
        (ReviewVerdict.REVISE, (NOTE,), ReviewVerdict.APPROVE),
        (ReviewVerdict.REVISE, (NOTE, MAJOR), ReviewVerdict.REVISE),
        (ReviewVerdict.BLOCK, (NOTE,), ReviewVerdict.BLOCK),
    ],
)
def test_a_revision_without_a_stopping_finding_is_an_approval(
    verdict: ReviewVerdict, findings: tuple[Finding, ...], counts: ReviewVerdict
) -> None:
    assert rules.effective_verdict(replace(REVIEW, verdict=verdict, findings=findings)) is counts


def test_only_what_stops_goes_back() -> None:
    assert rules.stopping((NOTE, MAJOR)) == (MAJOR,)


@pytest.mark.parametrize(
    ("scopes", "outside"),
    [
        ((), set()),
        ((("", "  "), ()), set()),
        ((("src/**",), ()), {"docs/a.md", "src2/x.py"}),
        ((("src/**", "docs/*.md"),), {"src2/x.py"}),
        ((("src/**", "docs/**"), ("src/**",)), {"docs/a.md", "src2/x.py"}),
        ((("*",),), set()),
    ],
)
def test_a_path_outside_any_of_the_scopes_blocks_and_no_glob_allows_all(
    scopes: tuple[tuple[str, ...], ...], outside: set[str]
) -> None:
    found = rules.out_of_scope(["src/a/b.py", "src2/x.py", "docs/a.md"], scopes)
    assert {item.where for item in found} == outside
    assert all(item.severity is Severity.BLOCKER and item.fix.startswith("keep the change inside") for item in found)


def test_tests_are_named_once_and_checks_are_none() -> None:
    evidence = [Evidence("AC-1", ("a.py::t", "lint", "b.py::t")), Evidence("AC-2", ("a.py::t",))]
    named = rules.tests_named(evidence, ["lint", "test"])
    assert named == ("a.py::t", "b.py::t")
    assert rules.test_files((*named, "a.py::u", "free words"), ("a.py", "b.py")) == ("a.py", "b.py")


def test_approved_documents_say_what_proves_a_criterion_and_the_agent_only_where_there_are_none() -> None:
    assert rules.all_evidence(LLD, SPEC, CLAIMED) == (Evidence("AC-1", ("tests/test_zero.py::test_refuses",)),)
    assert rules.all_evidence(LLD, None, CLAIMED) == CLAIMED
    assert rules.all_evidence(None, SPEC, CLAIMED) == CLAIMED


def test_a_judgement_becomes_part_of_the_report() -> None:
    assert rules.with_review(report_of("b" * 40, "a" * 40, NOTE), REVIEW).review == REVIEW


def test_a_round_is_named_by_what_was_found_and_by_the_tree_where_that_counts() -> None:
    reworded = replace(MAJOR, fix="look at b first")
    assert rules.round_digest((NOTE, MAJOR), "") == rules.round_digest((reworded, NOTE), "")
    assert rules.round_digest((MAJOR,), "tree") != rules.round_digest((MAJOR,), "other")
    assert rules.round_digest((MAJOR,), "") != rules.round_digest((NOTE,), "")
