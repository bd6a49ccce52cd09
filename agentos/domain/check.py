"""Commands that measure a commit, and the judgement over their results. A pass is measured, never assumed (I4)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agentos.domain.document import Criterion, Evidence, Finding, Severity


class TestOutcome(StrEnum):
    """What a test runner reported for one test."""

    __test__ = False
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckCommand:
    """One line of the command matrix. `run` is a shell line; `{junit}` in it is replaced by a file to write,
    `{tests}` by the test ids to run; `network` are the hosts it may reach, `("*",)` for all."""

    name: str
    run: str
    timeout_s: float = 600.0
    network: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one command did at one commit. `exit_code` None: it did not end by itself (timed out, killed).

    `tests` maps test id (`path::name`) to outcome where JUnit was offered; `tail` is the end of its output.
    """

    name: str
    sha: str
    exit_code: int | None
    duration_s: float
    tests: Mapping[str, TestOutcome]
    tail: str
    log: str = ""
    offered_junit: bool = False

    @property
    def passed(self) -> bool:
        """Whether the command ended with 0 and reported no failed test."""
        return self.exit_code == 0 and TestOutcome.FAILED not in self.tests.values()


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """What was measured for the criterion with the id `criterion`, which says `text`."""

    criterion: str
    passed: bool
    proofs: tuple[str, ...]
    reason: str
    text: str = ""


def new_failures(base: CheckResult | None, head: CheckResult) -> tuple[str, ...]:
    """What fails at the head and did not fail at the base, by name; a command that fails as before adds nothing.

    With test reports the comparison is test by test. Without, or where no test is to blame, the command counts as one;
    a report that the base offered and the head does not makes it a new failure.
    """
    if head.passed:
        return ()
    failed, known = _failed(head), _failed(base) if base is not None else frozenset()
    if failed - known:
        return tuple(sorted(failed - known))
    if head.exit_code == 0:
        return ()
    as_before = (
        base is not None
        and base.exit_code == head.exit_code
        and base.offered_junit == head.offered_junit
        and bool(known) == bool(failed)
    )
    return () if as_before else (head.name,)


def _failed(result: CheckResult) -> frozenset[str]:
    return frozenset(test for test, outcome in result.tests.items() if outcome is TestOutcome.FAILED)


def judge_criteria(
    criteria: Iterable[Criterion],
    evidence: Iterable[Evidence],
    *,
    before: Mapping[str, TestOutcome],
    after: Mapping[str, TestOutcome],
    checks: Mapping[str, CheckResult],
) -> tuple[CriterionResult, ...]:
    """One result per criterion: passed only by a named test that was seen to fail before and passes after, or by a named
    check of the command matrix that passes at the head and reports no tests by which it could say more.

    Every proof a criterion names must hold, and at least one of them must show the change.
    """
    proofs: dict[str, tuple[str, ...]] = {}
    for item in evidence:
        proofs[item.criterion] = proofs.get(item.criterion, ()) + item.proofs
    results = []
    for criterion in criteria:
        named = proofs.get(criterion.id, ())
        passed, reason = _judge(named, before, after, checks)
        results.append(CriterionResult(criterion.id, passed, named, reason, criterion.text))
    return tuple(results)


def _judge(
    proofs: tuple[str, ...],
    before: Mapping[str, TestOutcome],
    after: Mapping[str, TestOutcome],
    checks: Mapping[str, CheckResult],
) -> tuple[bool, str]:
    """Whether `proofs` prove a criterion, and why."""
    if not proofs:
        return False, "no test or check is named for it"
    for proof in proofs:
        if flaw := _flaw(proof, after, checks):
            return False, flaw
    if any(before.get(proof) is TestOutcome.FAILED for proof in proofs):
        return True, "failed before, passes after"
    if any(proof in checks for proof in proofs):
        return True, "its check passes at the head"
    if any(before.get(proof) is TestOutcome.PASSED for proof in proofs):
        return False, "its tests passed before the change too, so they prove nothing"
    return False, "its tests were not seen to fail before the change"


def _flaw(proof: str, after: Mapping[str, TestOutcome], checks: Mapping[str, CheckResult]) -> str:
    """Why this proof does not hold at the head; empty if it does."""
    if proof in checks:
        return _flaw_of_check(proof, checks[proof])
    outcome = after.get(proof)
    if outcome is None:
        return f"{proof} was not run{_mute(checks)}"
    return "" if outcome is TestOutcome.PASSED else f"{proof} {outcome} at the head"


def _flaw_of_check(name: str, check: CheckResult) -> str:
    if not check.passed:
        return f"the check {name} does not pass"
    return f"the check {name} reports its tests: name the ones that prove it" if check.tests else ""


def _mute(checks: Mapping[str, CheckResult]) -> str:
    """How the commands ended where none reported any test, since that is why this one is missing. No output and no
    times: the same state must give the same words."""
    if any(check.tests for check in checks.values()):
        return ""
    told = [f"`{check.name}` {_end(check)} and reported no tests" for check in checks.values()]
    return f": {'; '.join(told)}" if told else ""


def _end(check: CheckResult) -> str:
    if check.exit_code is None:
        return "did not end by itself (stopped at its time limit, or killed)"
    return f"ended with exit code {check.exit_code}"


def unmet(results: Iterable[CriterionResult]) -> tuple[Finding, ...]:
    """A blocking finding for each criterion without a passing measured check, by name."""
    return tuple(Finding(Severity.BLOCKER, result.criterion, result.reason) for result in results if not result.passed)
