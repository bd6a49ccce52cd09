"""A run as one page for a browser: everything inside, nothing loaded, nothing that runs (pure)."""

import base64
import hashlib
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agentos.cli.account_view import changed, requests
from agentos.cli.reports import Report
from agentos.cli.terminal import duration, moment, money
from agentos.domain.naming import clean_text
from agentos.domain.status import Position, derive_status
from agentos.runs.account import Account
from agentos.runs.decide import told

_FOLDER = Path(__file__).with_name("page")


def run_page(report: Report, account: Account) -> str:
    """The page. Whatever issue, models and repository wrote stands there as text: no mark-up of theirs, no link."""
    run = report.result.run
    at = Position(run.job, run.stage, run.step, run.wait_kind, run.outcome)
    style = (_FOLDER / "run.css").read_text("utf-8")
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(moment=moment, money=money, changed=changed, told=told, span=_span, requests=requests)
    page = environment.get_template("run.html.jinja").render(
        style=style,
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        report=report,
        run=run,
        status=derive_status(at),
        account=account,
    )
    return clean_text(page)


def _span(ended_at: str | None, started_at: str) -> str:
    """How long a visit took, waiting included; empty while it is not over."""
    if ended_at is None:
        return ""
    return duration((datetime.fromisoformat(ended_at) - datetime.fromisoformat(started_at)).total_seconds())
