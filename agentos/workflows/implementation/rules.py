"""The judgement of the implementation stage: pure functions over what was measured."""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from agentos.domain.change import ChangeReport, Undone, evidence_from, problems_of
from agentos.domain.check import CheckResult, TestOutcome
from agentos.domain.document import Evidence, Finding, Lld, Review, ReviewVerdict, Severity, Spec
from agentos.domain.naming import text_digest
from agentos.workflows.kit.scope import Scopes, outside

STOPPING = frozenset({Severity.BLOCKER, Severity.MAJOR})
MOST_LOST = 10
_TESTS = frozenset({"test", "tests", "spec", "specs"})
_WORD = re.compile("[A-Z]?[a-z]+")


def stopping(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that keep a change from passing."""
    return tuple(item for item in findings if item.severity in STOPPING)


def effective_verdict(review: Review) -> ReviewVerdict:
    """The reviewer's verdict as far as its findings carry it: `revise` without a stopping finding is `approve`."""
    if review.verdict is ReviewVerdict.REVISE and not stopping(review.findings):
        return ReviewVerdict.APPROVE
    return review.verdict


def findings_digest(findings: Iterable[Finding]) -> str:
    """Names a set of findings, whatever their order and wording of fixes."""
    return text_digest(*sorted(f"{item.severity}|{item.where}|{item.problem}" for item in findings))


def out_of_scope(paths: Iterable[str], scopes: Scopes) -> tuple[Finding, ...]:
    """A blocking finding for each path outside the allowed globs; no globs allow everything."""
    return tuple(
        Finding(Severity.BLOCKER, path, "is outside the allowed scope", f"keep the change inside {globs}")
        for path, globs in outside(paths, scopes).items()
    )


def tests_named(evidence: Iterable[Evidence], checks: Iterable[str]) -> tuple[str, ...]:
    """The test ids in the evidence, each once, in order; names of checks are no tests."""
    names = set(checks)
    return tuple(dict.fromkeys(proof for item in evidence for proof in item.proofs if proof not in names))


def test_files(tests: Iterable[str], changed: Collection[str]) -> tuple[str, ...]:
    """The files that hold the tests: those their ids name; where an id names none of the `changed` files, also those of
    them that are called tests or specs."""
    named = dict.fromkeys(test.partition("::")[0] for test in tests if "::" in test)
    if not named.keys() <= set(changed):
        named |= dict.fromkeys(path for path in changed if _TESTS & {word.lower() for word in _WORD.findall(path)})
    return tuple(named)


def seen_before(tests: Iterable[str], results: Iterable[CheckResult]) -> dict[str, TestOutcome]:
    """What was measured of `tests` without the change.

    One that a red report leaves out failed: its file could not even be loaded. Without a report nothing was seen (I4).
    """
    ran = list(results)
    reported = {test: outcome for result in ran for test, outcome in result.tests.items()}
    is_red = any(result.offered_junit and result.exit_code not in (0, None) for result in ran)
    return {test: TestOutcome.FAILED for test in tests if is_red} | reported


def all_evidence(lld: Lld | None, spec: Spec | None, claimed: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Which proofs count: those the approved documents name; what the agent named where there are no documents."""
    if lld is None or spec is None:
        return claimed
    return evidence_from(lld, spec)


def with_review(report: ChangeReport, review: Review) -> ChangeReport:
    """`report` with the reviewer's judgement in it."""
    return replace(report, review=review)


def round_digest(findings: Iterable[Finding], tree: str) -> str:
    """Names one round by its findings and, where it counts, the files they were found in."""
    return text_digest(findings_digest(findings), tree)


def lost(best: ChangeReport, now: ChangeReport) -> tuple[str, ...]:
    """What passes at `best` and not at `now`: criteria, tests as `command: test`, commands that fail without a test to
    blame. A test that is new and fails is no loss; one that is gone is, where its command fails."""
    after = {check.name: check for check in now.checks}
    criteria = sorted(_proved(best) - _proved(now))
    return (*criteria, *(name for check in best.checks for name in _broken(check, after.get(check.name))))


def is_worse(now: ChangeReport, best: ChangeReport) -> bool:
    """Whether a round made the measured checks worse: fewer criteria are proved; or as many, and it lost more than it
    won."""
    proved, before = len(_proved(now)), len(_proved(best))
    return proved < before or (proved == before and len(lost(best, now)) > len(lost(now, best)))


def held_against(report: ChangeReport) -> tuple[Finding, ...]:
    """All that keeps the change from passing: what was measured, and what its reviewer found."""
    return problems_of(report) + (stopping(report.review.findings) if report.review is not None else ())


def told_of(undone: Undone) -> Finding:
    """What the next round is told of the one that was undone; it begins at the commit before it."""
    losses = ", ".join(undone.lost[:MOST_LOST]) + (", …" if len(undone.lost) > MOST_LOST else "")
    problem = f"commit {undone.sha[:12]} made it worse and was undone: it lost {losses}"
    return Finding(Severity.NOTE, "last round", problem, "reach what is held against the change without that loss")


def _proved(report: ChangeReport) -> frozenset[str]:
    return frozenset(each.criterion for each in report.criteria if each.passed)


def _broken(before: CheckResult, after: CheckResult | None) -> tuple[str, ...]:
    if after is not None and after.passed:
        return ()
    outcomes = after.tests if after is not None else {}
    tests = sorted(
        test
        for test, outcome in before.tests.items()
        if outcome is TestOutcome.PASSED and outcomes.get(test, TestOutcome.FAILED) is TestOutcome.FAILED
    )
    blamed = TestOutcome.FAILED in outcomes.values()
    alone = (before.name,) if before.passed and not blamed else ()
    return (*alone, *(f"{before.name}: {test}" for test in tests))
