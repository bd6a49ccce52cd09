"""What the change reviewer is asked to answer."""

from typing import Literal

from pydantic import BaseModel, Field

from agentos.domain.document import Dropped, Finding, Review, ReviewVerdict, Severity
from agentos.domain.naming import clean_text
from agentos.workflows.implementation.anchoring import anchor, changed_lines
from agentos.workflows.kit.reviewing import NO_FAILURE, is_empty, settled


class FindingReply(BaseModel):
    """One thing held against the change."""

    severity: Literal["blocker", "major", "minor", "note"] = Field(description="blocker and major stop the change")
    where: str = Field(description="path:line in the diff")
    quote: str = Field(description="the changed line, verbatim, without its leading + or -")
    problem: str = Field(description="the concrete failure: which input or state leads to which wrong result")
    fix: str = Field(default="", description="what would mend it")


class ReviewReply(BaseModel):
    """The reviewer's judgement of one diff."""

    verdict: Literal["approve", "revise", "block"]
    summary: str
    confidence: int = Field(ge=0, le=100)
    findings: list[FindingReply] = Field(default_factory=list, max_length=20)

    def to_review(self, *, diff: str, subject: str, model: str) -> Review:
        """The review, its verdict settled by the findings that stand in `diff`; the others are dropped, with why."""
        changed = changed_lines(diff)
        stand: list[Finding] = []
        dropped: list[Dropped] = []
        for item in self.findings:
            where, lacks = anchor(clean_text(item.where), item.quote, changed)
            lacks = lacks or (NO_FAILURE if is_empty(item.problem) else "")
            finding = Finding(Severity(item.severity), where, clean_text(item.problem), clean_text(item.fix))
            if lacks:
                dropped.append(Dropped(finding, lacks))
            else:
                stand.append(finding)
        found = tuple(stand)
        verdict = settled(ReviewVerdict(self.verdict), found)
        return Review(verdict, found, subject, model, clean_text(self.summary), self.confidence, tuple(dropped))
