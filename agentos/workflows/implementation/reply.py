"""What the change reviewer is asked to answer."""

from typing import Literal

from pydantic import BaseModel, Field

from agentos.domain.document import Finding, Review, ReviewVerdict, Severity
from agentos.domain.naming import clean_text


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
        """The review, without findings that quote no changed line of `diff`: an invented finding is dropped."""
        changed = {
            line[1:].strip() for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
        }
        findings = tuple(
            Finding(Severity(item.severity), clean_text(item.where), clean_text(item.problem), clean_text(item.fix))
            for item in self.findings
            if item.quote.strip() and item.quote.strip() in changed
        )
        return Review(ReviewVerdict(self.verdict), findings, subject, model, clean_text(self.summary), self.confidence)
