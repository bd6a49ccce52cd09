"""What a decision about the change leads to, and when none is needed: pure functions."""

from collections.abc import Sequence
from dataclasses import replace

from agentos.domain.change import ChangeReport, problems_of
from agentos.domain.ci import CiResult
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait
from agentos.domain.document import ReviewVerdict
from agentos.domain.package import ReviewPackage
from agentos.domain.pipeline import Gate, Stage
from agentos.domain.status import WaitKind
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.ci import CYCLES as CYCLES
from agentos.workflows.kit.package import SHORT, short_markdown
from agentos.workflows.kit.state import RunState

ONCE_MORE = "Go through the change once more: another try was asked for, without saying what should be different."


def is_shown(package: ReviewPackage | None, state: RunState, run_number: int) -> bool:
    """Whether the package is about the good commit in this cycle of this run."""
    if package is None:
        return False
    return (package.sha, package.cycle, package.run_number) == (state["good_sha"], state.get("cycle", 0), run_number)


def may_pass_alone(report: ChangeReport, confidence: int, ci: CiResult | None = None) -> bool:
    """Whether a change is good enough to be taken without a person: every criterion proved, nothing broken, every check
    passes, here and in the repository's own CI, and the reviewer is at least so sure (of 100)."""
    if ci is not None and not ci.is_green:
        return False
    review = report.review
    proved = bool(report.criteria) and not problems_of(report)
    passing = bool(report.checks) and all(check.passed for check in report.checks)
    sure = review is not None and review.verdict is ReviewVerdict.APPROVE and review.confidence >= confidence
    return proved and passing and sure and review is not None and review.subject == report.head_sha


def wait_for(package: ReviewPackage, *, remark: str = "") -> Wait:
    """What the person is asked, bound to the commit they are shown."""
    summary = short_markdown(package)
    return Wait(
        WaitKind.REVIEW,
        Stage.REVIEW,
        defused(f"Review of {package.title} (#{package.issue_number}) at {package.sha[:SHORT]}"),
        defused(f"{remark}\n\n{summary}" if remark else summary),
        ACCEPTED_BY[WaitKind.REVIEW],
        subject=package.sha,
        gate=Gate.BEFORE_MERGE,
    )


def is_bound(decision: Decision, sha: str) -> bool:
    """Whether an approval is for exactly `sha`."""
    return bool(sha) and decision.subject == sha


def refused(decision: Decision, sha: str) -> str:
    """The sentence for a decision that does not count here."""
    if decision.kind is DecisionKind.APPROVE:
        seen = decision.subject[:SHORT] or "no commit"
        return f"**The approval was for {seen}, the change is at {sha[:SHORT]} now, so it did not count.**"
    return f"**{decision.kind} means nothing at a review, so it did not count.**"


def pushed(head: str, subjects: Sequence[str]) -> str:
    """What the agent and the reviewer are told of commits that a person pushed."""
    listed = "\n".join(f"- {each}" for each in subjects)
    return f"A person pushed to the branch, which is at {head} now. What they did stays; mend only what does not pass.\n\n{listed}"


def asked_for(decision: Decision) -> str:
    """What the agent is told to work in."""
    return decision.text.strip() or ONCE_MORE


def again(wait: Wait, sentence: str) -> Wait:
    """The same question, after an answer that did not count."""
    return replace(wait, summary=f"{sentence}\n\n{wait.summary}")
