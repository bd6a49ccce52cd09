"""Who may merge what, what a failed verification means, and the last words: pure functions."""

from dataclasses import dataclass
from enum import StrEnum

from agentos.config.settings import MergeAuthority, Settings
from agentos.domain.decision import ACCEPTED_BY, DecisionKind, Wait, in_a_comment
from agentos.domain.document import Finding, FollowUp, Severity
from agentos.domain.effect import EffectKey
from agentos.domain.issue import IssueDraft, IssueRef
from agentos.domain.naming import clean_text
from agentos.domain.package import CloseOut, Fate, ReviewPackage
from agentos.domain.pipeline import Stage
from agentos.domain.status import WaitKind
from agentos.ports.forge import PullRequest
from agentos.ports.notifier import Notice
from agentos.workflows.finalize.diagnosis import Diagnosis
from agentos.workflows.kit.blocks import defused, numbered_title, title_line
from agentos.workflows.kit.markdown import bullets, checks_markdown, criteria_markdown, fenced
from agentos.workflows.kit.package import SHORT, commands, cost, lead, short_markdown
from agentos.workflows.kit.pause import decided
from agentos.workflows.kit.state import BEST, RunState, reset_rounds, without
from agentos.workflows.kit.verdict import findings_as_evidence

VERIFY, UNFILED, SYNCS = "finalize.verify", "finalize.unfiled", "finalize.syncs"
WORK_LOOPS = "impl."
"""The loops of the work, which starts anew where the base moved on."""
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


def dossier_wait(package: ReviewPackage, *, may_merge: bool) -> Wait:
    """The question at the dossier, bound to the commit that would be merged; `may_merge`: by AgentOS, when told so."""
    accepts = ACCEPTED_BY[WaitKind.DOSSIER]
    return Wait(
        WaitKind.DOSSIER,
        Stage.FINALIZE,
        _merge_ready(package, may_merge=may_merge),
        defused(f"{_how_to_merge(package, may_merge=may_merge)}\n\n{short_markdown(package)}"),
        accepts if may_merge else tuple(kind for kind in accepts if kind is not DecisionKind.APPROVE),
        subject=package.sha,
    )


def dossier_comment(package: ReviewPackage, *, may_merge: bool) -> str:
    """What the issue is told when the change may be merged."""
    how, steps = _how_to_merge(package, may_merge=may_merge), dossier_steps(package, may_merge=may_merge)
    here = in_a_comment(dossier_wait(package, may_merge=may_merge).accepts, package.sha)
    return defused(f"**{DOSSIER}**: {lead(package)}\n\n{how}\n\n{bullets(steps)}\n\n{here}")


def dossier_notice(package: ReviewPackage, *, may_merge: bool) -> Notice:
    """What reaches the person wherever they are."""
    how = dossier_steps(package, may_merge=may_merge)[1 if may_merge else 0]
    title = _merge_ready(package, may_merge=may_merge)
    return Notice(title, defused(_how_to_merge(package, may_merge=may_merge)), how)


def _merge_ready(package: ReviewPackage, *, may_merge: bool) -> str:
    what = f"{package.title} (#{package.issue_number})"
    return defused(f"merge-ready: merge {what} yourself{_or_approve(may_merge=may_merge)}")


def _how_to_merge(package: ReviewPackage, *, may_merge: bool) -> str:
    place = package.place
    into = f"Merge {place.pr_url or place.branch} into `{place.base_branch}` yourself"
    return f"{into}{_or_approve(may_merge=may_merge)}."


def _or_approve(*, may_merge: bool) -> str:
    return ", or approve to let AgentOS merge it" if may_merge else "; AgentOS is not allowed to"


def dossier_steps(package: ReviewPackage, *, may_merge: bool) -> tuple[str, ...]:
    """What a person does with the dossier."""
    number, place = package.issue_number, package.place
    approve, _, reject = commands(number, sha=package.sha)
    merged = f"merge `{place.branch}` into `{place.base_branch}` yourself, then `agentos run --issue {number}`; or"
    return (merged, f"{approve} and merges it; or", reject) if may_merge else (merged, reject)


def synced(branch: str, base: str, *, clean: bool) -> str:
    """What is noted where the base moved on."""
    how = (
        "the change merges as it was approved, and passes"
        if clean
        else "the change cannot be merged as it was approved"
    )
    return f"{branch} moved on to {base[:SHORT]}: {how}"


def conflicting(paths: tuple[str, ...], branch: str) -> tuple[Finding, ...]:
    """A finding for each file that does not merge."""
    problem = f"was changed in {branch} meanwhile, whose text stands there now"
    fix = "work in again what the change did there"
    return tuple(Finding(Severity.BLOCKER, clean_text(path), problem, fix) for path in paths)


def breaking(failures: tuple[str, ...], branch: str) -> tuple[Finding, ...]:
    """A finding for each check that only the merged state fails."""
    problem = f"fails once the change is merged into {branch} as it is now, and fails neither there nor in the change"
    return tuple(Finding(Severity.BLOCKER, failure, problem) for failure in failures)


def other_than_approved(branch: str) -> tuple[Finding, ...]:
    """The finding where a merge without conflict would bring something else than a person saw."""
    problem = (
        "what would be merged now is not the change that was approved: a part of it is there already, or elsewhere"
    )
    return (Finding(Severity.BLOCKER, branch, problem, "see that what is left is right and complete"),)


def asked_again(branch: str, base: str, lost: str) -> str:
    """What the agent is told to do where the change cannot be merged as it is; `lost`: what it did to files whose text
    the base's replaced."""
    text = (
        f"{branch} moved on to {base[:SHORT]} and the change cannot be merged into it as it was. You stand on {branch} as it "
        "is now, with the change on top. Mend what the findings say; keep both what the change is for and what came in."
    )
    if not lost:
        return text
    return f"{text} In these files the change is gone; it was:\n\n{fenced(clean_text(lost), 'diff')}"


def opened_again(state: RunState, asked: str) -> RunState:
    """The change goes round once more: `asked` is to be worked in, with fresh rounds, and nothing of it is approved."""
    return {
        "feedback": [*state.get("feedback", []), asked],
        "cycle": state.get("cycle", 0) + 1,
        "rounds": reset_rounds(state, WORK_LOOPS),
        "approved_sha": "",
        "seen": [],
        "artifacts": without(without(state.get("artifacts"), BEST), "baseline"),
    }


def not_merged(branch: str, sha: str, findings: tuple[Finding, ...]) -> str:
    """What the issue is told where the base moved on and the change goes round once more."""
    listed = bullets(findings_as_evidence(findings))
    text = f"**Not merged**: `{branch}` moved on. The approval of `{sha[:SHORT]}` counts no more; the change is worked in again"
    return defused(f"{text} and put before you.\n\n{listed}")


def mending(found: Diagnosis, state: RunState) -> tuple[str, ...]:
    """What would let a run go on whose merge fails, and whose revert was perhaps filed."""
    mend = f"mend {found.base_branch}, then retry, which measures it as it is then"
    if ticket := state.get("revert_ticket"):
        pull = f", or merge {state['revert_pr']}" if state.get("revert_pr") else ""
        return (f"issue {ticket}, which takes the merge back{pull}; or {mend}",)
    sha = found.merge_sha[:SHORT]
    return (mend, f"or approve, which files the revert of {sha} as an issue and, where git can make it, a pull request")


def revert_branch(merge_sha: str) -> str:
    """The branch that takes a merge back; nobody works on it."""
    return f"agentos/revert-{merge_sha[:SHORT]}"


def revert_title(title: str, number: int, settings: Settings) -> str:
    """The pull request's title, and its commit's."""
    return f"Revert “{numbered_title(title_line(title), number, settings)}”"


def merge_message(package: ReviewPackage, settings: Settings) -> str:
    """The merge commit's message."""
    title = numbered_title(title_line(package.title), package.issue_number, settings)
    body = f"Pull request {package.place.pr_number}, commit {package.sha}, run {package.run_number} of AgentOS."
    return f"{title}\n\n{body}\n"


def to_measure(state: RunState, base_head: str) -> str:
    """The commit to verify: the merge; where a person was asked to mend it and the stage is visited again, what they
    made of it."""
    visits = state.get("stage_attempts", {}).get(Stage.FINALIZE, 1)
    return state["merge_sha"] if visits == 1 else base_head


def left_open(package: ReviewPackage) -> tuple[Finding, ...]:
    """The findings that nobody worked in."""
    return tuple(item.finding for item in package.findings if item.fate is Fate.LEFT)


def follow_up_key(issue: IssueRef, place: int) -> EffectKey:
    """Names follow-up number `place` (from 1) of `issue`, in the whole tracker."""
    return EffectKey(f"follow-up:{issue.number}.{place}")


def follow_up_draft(item: FollowUp, issue: IssueRef) -> IssueDraft:
    """The new issue, saying where it comes from."""
    body = f"{item.body}\n\nFollow-up of #{issue.number}."
    return IssueDraft(title_line(item.title), defused(body), related=(issue.number,))


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
