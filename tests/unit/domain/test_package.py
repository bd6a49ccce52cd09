"""What became of findings, and names people read."""

import json
from dataclasses import replace

from agentos.domain.budget import Spend
from agentos.domain.change import ChangeReport
from agentos.domain.document import Deployment, Finding, Review, ReviewVerdict, Risk, Severity
from agentos.domain.effect import CrashPoint, EffectKey, marker
from agentos.domain.issue import IssueRef
from agentos.domain.package import Fate, JudgedFinding, Place, ReviewPackage, fates
from agentos.domain.run import RunRef

NULL, SLOW = Finding(Severity.BLOCKER, "a.py:1", "divides by zero"), Finding(Severity.MINOR, "a.py:9", "is slow")


def _review(*findings: Finding, model: str = "m:one") -> Review:
    return Review(ReviewVerdict.REVISE, findings, "digest", model)


def test_a_finding_the_last_review_holds_no_more_is_fixed() -> None:
    reviews = (_review(NULL, SLOW), _review(replace(SLOW, fix="cache it"), model="m:two"))
    assert fates(reviews) == (JudgedFinding(NULL, "m:one", Fate.FIXED), JudgedFinding(SLOW, "m:one", Fate.LEFT))


def test_a_finding_that_comes_back_is_told_once() -> None:
    assert [item.fate for item in fates((_review(NULL), _review(), _review(NULL)))] == [Fate.LEFT]


def test_without_a_review_there_is_no_fate() -> None:
    assert fates(()) == ()


def test_a_package_knows_whether_it_repeats_a_commit() -> None:
    package = ReviewPackage(
        issue_number=1,
        run_number=1,
        cycle=0,
        title="t",
        risk=Risk.LOW,
        change=ChangeReport("b", "h", "", (), 0, 0, (), (), ()),
        place=Place("agentos/1-t", "main", 1, ""),
        deployment=Deployment("h", "artifact", "", "", "", "", ""),
        reviewers=(),
        findings=(),
        spend=Spend(),
    )
    assert (package.sha, package.repeats) == ("h", False)
    assert replace(package, previous_sha="h").repeats


def test_names_people_and_programs_read() -> None:
    ref = RunRef(7, IssueRef("demo", 3), 2)
    assert (str(ref), ref.thread_id) == ("#2 of demo#3", "demo/3/2")
    hidden = marker(EffectKey("status-comment"))
    assert json.loads(hidden.removeprefix("<!-- agentos:effect v1 ").removesuffix(" -->")) == {"key": "status-comment"}
    assert len(CrashPoint) == 6
