"""`show`: one run in full, as text, as JSON, or as a page for a browser. Nothing is changed."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from agentos.bootstrap import find_spot, open_desk
from agentos.cli.account_view import account_lines
from agentos.cli.args import Request
from agentos.cli.reports import Report, print_report
from agentos.cli.terminal import console, count, money, near, print_table, tell
from agentos.domain.error import UsageError
from agentos.domain.status import TERMINAL, JobState, Position, derive_status
from agentos.runs.account import Account, account_of
from agentos.runs.query import find_run
from agentos.runs.result import result_of

if TYPE_CHECKING:
    from rich.console import Console

HANGING = 4


def show(request: Request) -> int:
    """The exit code of showing one run: 0."""
    report, account = asyncio.run(_look(request))
    if request.html is not None:
        from agentos.cli.run_page import run_page  # brings the template engine

        write_page(request.html, run_page(report, account))
        tell(f"Written: {near(request.html.absolute())}")
    elif request.json:
        from agentos.cli.documents import text_of
        from agentos.cli.show_document import show_document

        print(text_of(show_document(report, account)))
    else:
        _print(console(), report, account)
    return 0


async def _look(request: Request) -> tuple[Report, Account]:
    spot = await find_spot(request.repo, request.overrides, inside=request.repo_given)
    assert request.issue is not None
    async with open_desk(spot.home, spot.database_url) as desk:
        run = await find_run(desk.store, spot.repo, request.issue, anywhere=not request.repo_given)
        away = "" if request.repo_given or spot.repo == run.ref.issue.repo else run.target
        report = Report(request, await result_of(desk.store, run), desk.home, away)
        return report, await account_of(desk.store, run)


def _print(screen: "Console", report: Report, account: Account) -> None:
    from agentos.cli.progress import Progress  # the table and what fills it
    from agentos.cli.view import StageTable

    run, spend = report.result.run, report.result.spend
    progress = Progress()
    progress.see_all(account.events)
    at = Position(run.job, run.stage, run.step, run.wait_kind, run.outcome)
    screen.print(f"Issue {run.ref.issue.number} in {Path(run.target).name}, run #{run.ref.number}: {derive_status(at)}")
    print_table(screen, StageTable(progress))
    if run.job not in TERMINAL:
        screen.print(f"{count(spend.calls, 'model call')}, {money(spend.usd)}", soft_wrap=True)
    for line in account_lines(account, full=report.request.everything):
        _print_line(screen, line)
    if report.wait is not None or run.job is not JobState.RUNNING:
        if report.wait is None:
            screen.print()
        print_report(screen, report)


def _print_line(screen: "Console", line: str) -> None:
    """Effect: `line` is on `screen`; where a terminal has no room for it, the rest stands further in below it."""
    if not screen.is_terminal:
        screen.print(line, soft_wrap=True)
        return
    from rich.text import Text

    body = line.lstrip()
    margin = len(line) - len(body)
    folded = Text(body).wrap(screen, max(20, screen.width - margin - HANGING))
    for number, part in enumerate(folded or [Text()]):
        screen.print(" " * (margin + (HANGING if number else 0)) + part.plain.rstrip(), soft_wrap=True)


def write_page(path: Path, text: str) -> None:
    """Effect: the file says `text`. Raises UsageError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}; name another file") from exc
