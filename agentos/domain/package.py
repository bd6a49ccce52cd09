"""What is put before a person who decides about a change, and what a finished run leaves behind."""

from dataclasses import dataclass
from enum import StrEnum

from agentos.domain.budget import Spend
from agentos.domain.change import ChangeReport, Undone
from agentos.domain.check import CheckResult, CriterionResult
from agentos.domain.ci import CiResult
from agentos.domain.document import Deployment, Finding, Review, Risk


class Fate(StrEnum):
    """What became of a finding."""

    FIXED = "fixed"  # a later review does not hold it any more
    LEFT = "left"  # the last review still holds it; it does not stop the change


@dataclass(frozen=True, slots=True)
class JudgedFinding:
    """A finding, the model that found it, and what became of it."""

    finding: Finding
    model: str
    fate: Fate


@dataclass(frozen=True, slots=True)
class Place:
    """Where the change is proposed."""

    branch: str
    base_branch: str
    pr_number: int
    pr_url: str


@dataclass(frozen=True, slots=True)
class ReviewPackage:
    """All that is known about a change when a person is asked about it. It says something about `sha` alone (I5).

    `reviewers`: the models that judged documents and change. `previous_sha`: the commit of the last package, empty for
    the first. `remark`: what the agent said where a cycle made no new commit. `undone`: rounds that made it worse.
    `protected`: the protected files that a person let through, each with what happens to it. `ci`: what the repository's
    own checks came to; None where its forge runs none. `excess`: changed files outside the allowed scope, which a person
    may have pushed. `rivals`: other open pull requests that are to close the issue, by address.
    """

    issue_number: int
    run_number: int
    cycle: int
    title: str
    risk: Risk
    change: ChangeReport
    place: Place
    deployment: Deployment
    reviewers: tuple[str, ...]
    findings: tuple[JudgedFinding, ...]
    spend: Spend
    previous_sha: str = ""
    remark: str = ""
    undone: tuple[Undone, ...] = ()
    protected: tuple[str, ...] = ()
    ci: CiResult | None = None
    excess: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()

    @property
    def sha(self) -> str:
        """The commit that is put forward."""
        return self.change.head_sha

    @property
    def repeats(self) -> bool:
        """Whether it puts the commit of the last package forward again."""
        return self.previous_sha == self.sha


@dataclass(frozen=True, slots=True)
class FiledFollowUp:
    """A follow-up and the issue it became."""

    number: int
    title: str


@dataclass(frozen=True, slots=True)
class CloseOut:
    """The record of a merged change. `checks` were measured at `merge_sha`; `approved_sha` is empty where a person
    merged by hand."""

    issue_number: int
    run_number: int
    title: str
    summary: str
    place: Place
    approved_sha: str
    merge_sha: str
    criteria: tuple[CriterionResult, ...]
    checks: tuple[CheckResult, ...]
    follow_ups: tuple[FiledFollowUp, ...]
    cycles: int
    spend: Spend


def fates(reviews: tuple[Review, ...]) -> tuple[JudgedFinding, ...]:
    """Every finding of `reviews` (of one subject, oldest first) with what became of it, each once."""
    if not reviews:
        return ()
    last = {_name(item) for item in reviews[-1].findings}
    judged: dict[str, JudgedFinding] = {}
    for review in reviews:
        for item in review.findings:
            fate = Fate.LEFT if _name(item) in last else Fate.FIXED
            judged.setdefault(_name(item), JudgedFinding(item, review.model, fate))
    return tuple(judged.values())


def _name(finding: Finding) -> str:
    return f"{finding.severity}|{finding.where}|{finding.problem}"
