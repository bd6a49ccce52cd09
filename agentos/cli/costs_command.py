"""`costs`: what models cost so far, by issue, stage, model and day. Nothing is changed."""

import asyncio
from collections.abc import Iterator, Mapping

from agentos.bootstrap import Spot, find_spot, open_desk
from agentos.cli.account_view import spend_lines
from agentos.cli.args import Request
from agentos.cli.documents import CostsDocument, IssueCostDocument, text_of
from agentos.cli.result_document import cost_document
from agentos.cli.terminal import command, count, money
from agentos.domain.budget import Costs, Spend
from agentos.domain.issue import IssueRef
from agentos.runs.query import costs_of


def costs(request: Request) -> int:
    """The exit code of telling what models cost: 0."""
    spot, found = asyncio.run(_costs(request))
    if request.json:
        print(text_of(_document(found)))
    else:
        print(*_lines(request, spot, found), sep="\n")
    return 0


async def _costs(request: Request) -> tuple[Spot, Costs]:
    spot = await find_spot(request.repo, request.overrides, inside=request.repo_given)
    # An issue's number means the repository around the current folder; without one, all work kept here is told.
    repo = spot.repo if request.repo_given or request.issue is not None else None
    async with open_desk(spot.home, spot.database_url) as desk:
        return spot, await costs_of(desk.store, repo=repo, issue=request.issue)


def _lines(request: Request, spot: Spot, costs: Costs) -> Iterator[str]:
    if not costs.total.calls:
        yield "No model was asked yet."
        yield f"Start with: {command(request, 'run', '--issue', str(request.issue or 'N'))}"
        return
    yield from spend_lines({"Altogether": costs.total})
    if costs.unsettled.calls:
        reserved = f"{count(costs.unsettled.calls, 'call')}, up to {money(costs.unsettled.usd)}"
        yield f"of it only reserved: {reserved}, under way or with an answer that was lost"
    by_issue = {_issue(ref, spot): spend for ref, spend in costs.by_issue.items()}
    for heading, spends in (
        ("By issue", by_issue),
        ("By stage", costs.by_stage),
        ("By model", costs.by_model),
        ("By day (UTC)", costs.by_day),
    ):
        yield from _section(heading, spends)


def _section(heading: str, spends: Mapping[str, Spend]) -> Iterator[str]:
    yield ""
    yield heading
    yield from (f"  {line}" for line in spend_lines(spends))


def _issue(ref: IssueRef, spot: Spot) -> str:
    return f"issue {ref.number}" if ref.repo == spot.repo else f"issue {ref.number} in {ref.repo}"


def _document(costs: Costs) -> CostsDocument:
    return CostsDocument(
        total=cost_document(costs.total),
        unsettled=cost_document(costs.unsettled),
        by_issue=[
            IssueCostDocument(repo=ref.repo, issue=ref.number, cost=cost_document(spend))
            for ref, spend in costs.by_issue.items()
        ],
        by_stage={name: cost_document(spend) for name, spend in costs.by_stage.items()},
        by_model={name: cost_document(spend) for name, spend in costs.by_model.items()},
        by_day={name: cost_document(spend) for name, spend in costs.by_day.items()},
    )
