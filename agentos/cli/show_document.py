"""The account of a run for programs."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from agentos.cli.documents import (
    ArtifactDocument,
    ChangeDocument,
    DecisionDocument,
    FileDocument,
    FindingDocument,
    RedraftDocument,
    RequestsDocument,
    ShowDocument,
    UndoneDocument,
    VerdictDocument,
    VisitDocument,
)
from agentos.cli.reports import Report
from agentos.cli.result_document import CostDocument, cost_document, result_fields
from agentos.domain.budget import Spend
from agentos.domain.change import ChangeReport
from agentos.runs.account import Account, JudgedIn, Verdict

if TYPE_CHECKING:
    from agentos.store.decisions import DecisionRow


def show_document(report: Report, account: Account) -> ShowDocument:
    """All that `show` tells."""
    return ShowDocument(
        **result_fields(report),
        title=account.title,
        timeline=[
            VisitDocument(
                stage=each.stage,
                tries=each.tries,
                started_at=each.started_at,
                ended_at=each.ended_at,
                verdict=each.verdict,
                why=each.why,
                skipped=each.skipped,
            )
            for each in account.visits
        ],
        verdicts=[_verdict(each) for each in account.verdicts],
        findings=[_finding(each) for each in account.findings],
        decisions=[_decision(each) for each in account.decisions],
        cost_by_stage=_costs(account.cost_by_stage),
        cost_by_model=_costs(account.cost_by_model),
        requests=RequestsDocument(**asdict(account.requests)),
        redrafts=[
            RedraftDocument(earlier=each.earlier, later=each.later, diff=list(each.diff)) for each in account.redrafts
        ],
        change=None if account.change is None else change_document(account.change),
        undone=[UndoneDocument(sha=each.sha, best_sha=each.best_sha, lost=list(each.lost)) for each in account.undone],
        artifacts=[
            ArtifactDocument(kind=each.kind, sha256=each.sha256, size_bytes=each.size_bytes, path=each.path)
            for each in account.artifacts
        ],
    )


def change_document(change: ChangeReport) -> ChangeDocument:
    """What was measured, for programs."""
    files = [
        FileDocument(path=each.path, insertions=each.insertions, deletions=each.deletions) for each in change.files
    ]
    return ChangeDocument(
        base_sha=change.base_sha,
        head_sha=change.head_sha,
        insertions=change.insertions,
        deletions=change.deletions,
        files=files,
    )


def _verdict(said: Verdict) -> VerdictDocument:
    review = said.review
    return VerdictDocument(
        stage=said.stage,
        round=said.round,
        verdict=review.verdict,
        findings=len(review.findings),
        model=review.model,
        subject=review.subject,
    )


def _finding(item: JudgedIn) -> FindingDocument:
    found = item.finding
    return FindingDocument(
        stage=item.stage,
        severity=found.severity,
        where=found.where,
        problem=found.problem,
        model=item.model,
        fate=item.fate,
        reason=item.reason,
    )


def _decision(row: "DecisionRow") -> DecisionDocument:
    said = row.decision
    return DecisionDocument(
        at=row.at,
        taken_at=row.consumed_at,
        kind=said.kind,
        actor=said.actor,
        text=said.text,
        subject=said.subject,
        stage=said.stage,
    )


def _costs(spends: Mapping[str, Spend]) -> dict[str, CostDocument]:
    return {name: cost_document(spend) for name, spend in spends.items()}
