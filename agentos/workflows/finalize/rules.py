"""Who may merge what, what a failed verification means, and the last words: pure functions."""

from dataclasses import dataclass
from enum import StrEnum

from agentos.config.settings import MergeAuthority
from agentos.domain.check import CheckResult
from agentos.domain.decision import ACCEPTED_BY, DecisionKind, Wait
from agentos.domain.document import Finding, FollowUp
from agentos.domain.effect import EffectKey
from agentos.domain.issue import IssueDraft, IssueRef
from agentos.domain.naming import clean_text
from agentos.domain.package import CloseOut, Fate, ReviewPackage
from agentos.domain.pipeline import Stage
from agentos.domain.status import WaitKind
from agentos.ports.forge import PullRequest
from agentos.ports.notifier import Notice
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.markdown import bullets, checks_markdown, criteria_markdown
from agentos.workflows.kit.package import SHORT, commands, cost, lead, short_markdown
from agentos.workflows.kit.pause import decided
from agentos.workflows.kit.state import RunState

VERIFY, UNFILED = "finalize.verify", "finalize.unfiled"
MOST_EVIDENCE = 10
DOSSIER = "Merge-ready"


class Way(StrEnum):
    """What may happen to the pull request now."""

    MERGED = "merged"  # it is merged already
    HALT = "halt"  # what was approved is not what is there
    ASK = "ask"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Heads:
    """The commits that must be one and the same before anything is merged."""

    approved: str
    good: str
    forge: str

    @property
    def agree(self) -> bool:
        """Whether the forge holds exactly the commit that passed and was approved."""
        return bool(self.good) and self.approved == self.good == self.forge

    def told(self) -> tuple[str, ...]:
        """The three, for people."""
        return (
            f"approved: {self.approved[:SHORT] or 'nothing'}",
            f"passed its checks: {self.good[:SHORT] or 'nothing'}",
            f"on the forge: {self.forge[:SHORT] or 'no such branch'}",
        )


@dataclass(frozen=True, slots=True)
class FollowUps:
    """What was proposed, as a document."""

    items: tuple[FollowUp, ...]


def way(authority: MergeAuthority, found: PullRequest | None, heads: Heads) -> Way:
    """What may happen: nothing more where it is merged, nothing at all where the commits differ."""
    if found is not None and found.state == "merged" and found.merge_sha:
        return Way.MERGED
    if not heads.agree:
        return Way.HALT
    return Way.MERGE if authority in ("on_approval", "auto") else Way.ASK


def lets_merge(state: RunState) -> bool:
    """Whether the last decision lets AgentOS merge exactly the good commit."""
    decision = decided(state)
    return decision.kind is DecisionKind.APPROVE and decision.subject == state["good_sha"]


def dossier_wait(package: ReviewPackage) -> Wait:
    """The question at the dossier, bound to the commit that would be merged."""
    return Wait(
        WaitKind.DOSSIER,
        Stage.FINALIZE,
        _merge_ready(package),
        defused(f"{_how_to_merge(package)}\n\n{short_markdown(package)}"),
        ACCEPTED_BY[WaitKind.DOSSIER],
        subject=package.sha,
    )


def dossier_comment(package: ReviewPackage) -> str:
    """What the issue is told when the change may be merged."""
    return defused(f"**{DOSSIER}**: {lead(package)}\n\n{_how_to_merge(package)}\n\n{bullets(dossier_steps(package))}")


def dossier_notice(package: ReviewPackage) -> Notice:
    """What reaches the person wherever they are."""
    how = commands(package.issue_number, sha=package.sha)[0]
    return Notice(_merge_ready(package), defused(_how_to_merge(package)), how)


def _merge_ready(package: ReviewPackage) -> str:
    what = f"{package.title} (#{package.issue_number})"
    return defused(f"merge-ready: merge {what} yourself, or approve to let AgentOS merge it")


def _how_to_merge(package: ReviewPackage) -> str:
    place = package.place
    return (
        f"Merge {place.pr_url or place.branch} into `{place.base_branch}` yourself, or approve to let AgentOS merge it."
    )


def dossier_steps(package: ReviewPackage) -> tuple[str, ...]:
    """What a person does with the dossier."""
    number, place = package.issue_number, package.place
    approve, _, reject = commands(number, sha=package.sha)
    return (
        f"merge `{place.branch}` into `{place.base_branch}` yourself, then `agentos retry {number}`; or",
        f"{approve} and merges it; or",
        reject,
    )


def merge_message(package: ReviewPackage) -> str:
    """The merge commit's message."""
    title = " ".join(clean_text(package.title).split())
    body = f"Pull request {package.place.pr_number}, commit {package.sha}, run {package.run_number} of AgentOS."
    return f"{title} (#{package.issue_number})\n\n{body}\n"


def to_measure(state: RunState, base_head: str) -> str:
    """The commit to verify: the merge; where a person was asked to mend it and the stage is visited again, what they
    made of it."""
    visits = state.get("stage_attempts", {}).get(Stage.FINALIZE, 1)
    return state["merge_sha"] if visits == 1 else base_head


def verify_evidence(failures: tuple[str, ...], results: tuple[CheckResult, ...]) -> tuple[str, ...]:
    """Which checks and tests fail at the merge, and the end of what they said."""
    names = failures[:MOST_EVIDENCE]
    if len(failures) > MOST_EVIDENCE:
        names = (*names, f"and {len(failures) - MOST_EVIDENCE} more")
    failing = {failure.partition(":")[0] for failure in failures}
    return (*names, *(f"{item.name} ended with:\n{item.tail}" for item in results if item.name in failing))


def left_open(package: ReviewPackage) -> tuple[Finding, ...]:
    """The findings that nobody worked in."""
    return tuple(item.finding for item in package.findings if item.fate is Fate.LEFT)


def follow_up_key(issue: IssueRef, place: int) -> EffectKey:
    """Names follow-up number `place` (from 1) of `issue`, in the whole tracker."""
    return EffectKey(f"follow-up:{issue.number}.{place}")


def follow_up_draft(item: FollowUp, issue: IssueRef) -> IssueDraft:
    """The new issue, saying where it comes from."""
    body = f"{item.body}\n\nFollow-up of #{issue.number}."
    return IssueDraft(" ".join(clean_text(item.title).split()), defused(body), related=(issue.number,))


def close_out_markdown(record: CloseOut) -> str:
    """The close-out as people read it: summary, links, what was proved, what comes next."""
    place = record.place
    filed = bullets(f"#{item.number} {item.title}" for item in record.follow_ups)
    plural = "" if record.cycles == 1 else "s"
    text = f"""# Merged: {record.title} (#{record.issue_number})

{place.pr_url or place.branch} is in `{place.base_branch}` as commit `{record.merge_sha}`.

## What changed
{record.summary or "The agent left no summary."}

## Acceptance criteria
{criteria_markdown(record.criteria)}

## Checks at the merge
{checks_markdown(record.checks)}

## Follow-ups
{filed}

Run {record.run_number}, {record.cycles} feedback cycle{plural}, {cost(record.spend)}.
"""
    return defused(text)


def resolution(record: CloseOut) -> str:
    """What the issue is closed with."""
    where = record.place.pr_url or record.place.branch
    return defused(f"Merged as {record.merge_sha} ({where}).\n\n{record.summary}".strip())
