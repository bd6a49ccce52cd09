"""A measured change: what it touches, what was run on it, and what that proves."""

from dataclasses import dataclass

from agentos.domain.check import CheckResult, CriterionResult, unmet
from agentos.domain.document import Evidence, Finding, Lld, Review, Severity, Spec


@dataclass(frozen=True, slots=True)
class TouchedFile:
    """One file of a diff; the counts are None for a binary file."""

    path: str
    insertions: int | None
    deletions: int | None


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """All that was measured of one commit. It proves something about `head_sha` alone (I5)."""

    base_sha: str
    head_sha: str
    summary: str
    files: tuple[TouchedFile, ...]
    insertions: int
    deletions: int
    checks: tuple[CheckResult, ...]
    criteria: tuple[CriterionResult, ...]
    regressions: tuple[str, ...]
    review: Review | None = None

    def stat(self) -> str:
        """One line: files, insertions, deletions."""
        plural = "" if len(self.files) == 1 else "s"
        return f"{len(self.files)} file{plural} changed, +{self.insertions} -{self.deletions}"


@dataclass(frozen=True, slots=True)
class Undone:
    """A round that made the measured checks worse: its commit, the one work went on from instead, and what was lost."""

    sha: str
    best_sha: str
    lost: tuple[str, ...]


def problems_of(report: ChangeReport) -> tuple[Finding, ...]:
    """What keeps `report` from being a pass: regressions against the base, and criteria nothing proves."""
    broken = tuple(
        Finding(Severity.BLOCKER, name, "fails now and did not fail at the base commit") for name in report.regressions
    )
    return broken + unmet(report.criteria)


def evidence_from(lld: Lld, spec: Spec) -> tuple[Evidence, ...]:
    """Criterion -> tests, by way of requirement, scenario and test mapping; an untraced criterion gets no proof."""
    tests: dict[str, tuple[str, ...]] = {}
    for mapping in spec.tests:
        tests[mapping.scenario] = (*tests.get(mapping.scenario, ()), mapping.test)
    proofs: dict[str, tuple[str, ...]] = {}
    for requirement in lld.requirements:
        found = tuple(
            test
            for scenario in lld.scenarios
            if scenario.requirement == requirement.id
            for test in tests.get(scenario.id, ())
        )
        for criterion in requirement.criteria:
            proofs[criterion] = proofs.get(criterion, ()) + found
    return tuple(Evidence(criterion, tuple(dict.fromkeys(found))) for criterion, found in proofs.items() if found)
