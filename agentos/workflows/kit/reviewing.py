"""Judging a draft: what a reviewer model answers, and what a round of findings leads to (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agentos.domain.document import Dropped, Finding, Review, ReviewVerdict, Severity
from agentos.domain.naming import text_digest
from agentos.domain.pipeline import Stage
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.reply import Line, Reply, Text, few
from agentos.workflows.kit.state import RunState, used
from agentos.workflows.kit.verdict import blocked, findings_as_evidence

STOPPING = frozenset({Severity.BLOCKER, Severity.MAJOR})
"""Findings that send a draft back; the others are for the reader."""

NO_FAILURE = "it names no concrete failure"
NO_QUOTE = "it quotes what the draft does not say"


class FindingReply(Reply):
    """One thing held against a draft."""

    severity: Severity = Field(description="blocker and major send the draft back; minor and note do not")
    where: Line = Field(description="the section or id it is about")
    quote: Text = Field(default="", description="words of the draft it is about, verbatim; empty for what is missing")
    problem: Text = Field(description="what is wrong, concretely enough to act on")
    fix: Text = Field(default="", description="what would mend it")


class ReviewReply(Reply):
    """A reviewer's judgement of one draft."""

    verdict: ReviewVerdict = Field(description="block only where no revision can help and a person must decide")
    summary: Text = ""
    confidence: int = Field(default=0, ge=0, le=100)
    findings: Annotated[list[FindingReply], AfterValidator(few)] = Field(default_factory=list)

    def to_review(self, *, subject: str, model: str, draft: str = "") -> Review:
        """The judgement of the draft with the digest `subject`, its verdict settled by the findings that stand.

        One that quotes what the text `draft` does not say, or names no failure, is dropped.
        """
        said = " ".join(draft.split())
        stand: list[Finding] = []
        dropped: list[Dropped] = []
        for item in self.findings:
            finding = Finding(item.severity, item.where, item.problem, item.fix)
            quote = " ".join(item.quote.split())
            lacks = NO_FAILURE if is_empty(item.problem) else NO_QUOTE if draft and quote not in said else ""
            if lacks:
                dropped.append(Dropped(finding, lacks))
            else:
                stand.append(finding)
        found = tuple(stand)
        verdict = settled(self.verdict, found)
        return Review(verdict, found, subject, model, self.summary, self.confidence, tuple(dropped))


def is_empty(problem: str) -> bool:
    """Whether a finding says nothing that could go wrong: not a word, in whatever language."""
    return not any(sign.isalnum() for sign in problem)


def settled(verdict: ReviewVerdict, findings: tuple[Finding, ...]) -> ReviewVerdict:
    """The verdict that agrees with the findings: only a blocker or major one sends a draft back, and each of them does."""
    if verdict is ReviewVerdict.BLOCK:
        return verdict
    return ReviewVerdict.REVISE if stopping(findings) else ReviewVerdict.APPROVE


def stopping(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that send a draft back."""
    return tuple(item for item in findings if item.severity in STOPPING)


@dataclass(frozen=True, slots=True)
class DraftLoop:
    """The bounded loop of drafts of one stage; `most` revisions after the first draft."""

    stage: Stage
    most: int

    @property
    def name(self) -> str:
        """The loop in the rounds table; it begins with the stage's name, so a person's decision starts it anew."""
        return f"{self.stage}.drafts"


def weigh_draft(state: RunState, loop: DraftLoop, digest: str, findings: tuple[Finding, ...]) -> RunState:
    """What a mechanical check of the draft `digest` leads to: on to the reviewer, back to the drafter, or a block."""
    if f"draft:{digest}" in state.get("seen", []):
        return _stagnation(state, loop, "the drafter handed in an earlier draft again", findings)
    seen = [*state.get("seen", []), f"draft:{digest}"]
    return {"seen": seen, "findings": [], **weigh_findings({**state, "seen": seen}, loop, findings)}


def weigh_review(state: RunState, loop: DraftLoop, review: Review) -> RunState:
    """What a reviewer's judgement leads to: the draft is approved (no finding stays), goes back, or the stage blocks."""
    if review.verdict is ReviewVerdict.BLOCK:
        title = f"the reviewer blocks the {loop.stage} draft: {review.summary or 'no reason given'}"
        needs = ("answer with feedback that settles it, or change the issue",)
        evidence = findings_as_evidence(review.findings)
        return {
            **blocked(loop.stage, "reviewer_block", title, evidence=evidence, needs=needs),
            **_kept(review.findings),
        }
    found = stopping(review.findings) if review.verdict is ReviewVerdict.REVISE else ()
    return {"findings": [], **weigh_findings(state, loop, found)}


def weigh_findings(state: RunState, loop: DraftLoop, findings: tuple[Finding, ...]) -> RunState:
    """What these findings lead to; nothing where there are none.

    They are kept also when they block, so that the next draft, once a person lets it go on, works them in.
    """
    if not findings:
        return {}
    mark = f"findings:{findings_digest(findings)}"
    if mark in state.get("seen", []):
        return _stagnation(state, loop, "a round ended with exactly the findings of an earlier one", findings)
    update: RunState = {**_kept(findings), "seen": [*state.get("seen", []), mark]}
    if used(state, loop.name) > loop.most:
        title = f"the {loop.stage} draft still has findings after {loop.most} revisions"
        needs = ("retry with fresh rounds, or give feedback that settles the findings",)
        evidence = findings_as_evidence(findings)
        return {**update, **blocked(loop.stage, "revisions_spent", title, evidence=evidence, needs=needs)}
    return update


def findings_digest(findings: Iterable[Finding]) -> str:
    """One name for the same set of findings, in whatever order and however their mending is worded."""
    return text_digest(*sorted({text_digest(item.severity, item.where, item.problem) for item in findings}))


def findings_of(state: RunState) -> tuple[Finding, ...]:
    """What the last round held against the draft."""
    return tuple(load(Finding, item) for item in state.get("findings", []))


def _kept(findings: tuple[Finding, ...]) -> RunState:
    kept: list[dict[str, Any]] = [dump(item) for item in findings]
    return {"findings": kept}


def _stagnation(state: RunState, loop: DraftLoop, why: str, findings: tuple[Finding, ...]) -> RunState:
    found = findings or findings_of(state)
    needs = ("give feedback that settles the findings, or change the issue",)
    evidence = findings_as_evidence(found)
    return {
        **blocked(loop.stage, "stagnation", f"{loop.stage} turns in circles: {why}", evidence=evidence, needs=needs)
    }
