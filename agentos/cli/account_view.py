"""The account of a run as lines of text: off a terminal and on it the same words (pure)."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from agentos.cli.terminal import SHORT, clean_line, count, moment, money, one_line
from agentos.domain.budget import Spend
from agentos.domain.change import ChangeReport, Undone
from agentos.domain.requests import Requests
from agentos.runs.account import Account, Redraft, shortened

MOST_DIFF_LINES = 12
MOST_FILES = 20


def account_lines(account: Account, *, full: bool) -> Iterator[str]:
    """All sections that have something to say; with `full`, every document by its digest, and differences between drafts
    to their last line."""
    for heading, lines in (
        ("Timeline", _timeline(account)),
        ("Verdicts", _verdicts(account)),
        ("Findings", _findings(account)),
        ("Decisions", _decisions(account)),
        ("Change", _change(account.change)),
        ("Undone rounds", map(_undone, account.undone)),
        ("Drafts", _drafts(account, full=full)),
        ("Cost", _cost(account)),
        ("Documents", _documents(account) if full else iter(())),
    ):
        told = list(lines)
        if told:
            yield ""
            yield heading
            yield from (f"  {each}".rstrip() for each in told)


def _timeline(account: Account) -> Iterator[str]:
    for visit in account.visits:
        name = f"{visit.stage} (try {visit.tries})" if visit.tries > 1 else str(visit.stage)
        result = "skipped" if visit.skipped else visit.verdict or ("ended" if visit.ended_at else "not finished")
        why = visit.skipped or visit.why
        yield f"{moment(visit.started_at)}  {name:<14} {result}" + (f": {one_line(why)}" if why else "")


def _verdicts(account: Account) -> Iterator[str]:
    for each in account.verdicts:
        name = f"{each.stage}, round {each.round}" if each.round else str(each.stage)
        found = f", {count(len(each.review.findings), 'finding')}" if each.review.findings else ""
        yield f"{name:<16} {each.review.verdict + found:<20} {one_line(each.review.model)}"


def _findings(account: Account) -> Iterator[str]:
    for item in account.findings:
        finding = item.finding
        why = f" ({item.reason})" if item.reason else ""
        said = one_line(f"{finding.severity}: {finding.where}: {finding.problem}{why}")
        yield f"{item.fate:<7}  {item.stage} {said}"


def _decisions(account: Account) -> Iterator[str]:
    for row in account.decisions:
        said = row.decision
        what = f" {said.stage}" if said.stage is not None else f" {said.subject[:SHORT]}" if said.subject else ""
        text = f": {said.text}" if said.text else ""
        taken = "" if row.consumed_at is not None or said.wait_id else " (not taken yet)"
        yield f"{moment(row.at)}  " + one_line(f"{said.actor}: {said.kind}{what}{text}{taken}")


def _change(change: ChangeReport | None) -> Iterator[str]:
    if change is None:
        return
    yield f"{change.stat()}, {change.base_sha[:SHORT]} to {change.head_sha[:SHORT]}"
    for file in change.files[:MOST_FILES]:
        lines = "binary" if file.insertions is None else f"+{file.insertions} -{file.deletions}"
        yield f"{one_line(file.path)}  {lines}"
    if len(change.files) > MOST_FILES:
        yield f"… {len(change.files) - MOST_FILES} more"


def _undone(round_: Undone) -> str:
    losses = ", ".join(round_.lost)
    return one_line(f"{round_.sha[:SHORT]} made it worse, so back to {round_.best_sha[:SHORT]}; it lost {losses}")


def _drafts(account: Account, *, full: bool) -> Iterator[str]:
    for each in account.redrafts:
        yield f"{each.earlier} to {each.later}: {changed(each)}"
        shown = each if full else shortened(each, MOST_DIFF_LINES)
        yield from (f"  {clean_line(line)}" for line in shown.diff)
    if not full and any(shortened(each, MOST_DIFF_LINES) != each for each in account.redrafts):
        yield "All of it: show --full"


def changed(redraft: Redraft) -> str:
    """How many lines a draft gained and lost."""
    body = [line for line in redraft.diff if not line.startswith(("+++", "---"))]
    gained, lost = (sum(line.startswith(sign) for line in body) for sign in "+-")
    return f"+{gained} -{lost}" if gained or lost else "nothing changed"


def _cost(account: Account) -> Iterator[str]:
    yield from spend_lines(account.cost_by_stage)
    yield from spend_lines(account.cost_by_model)
    if account.requests.made:
        yield f"{'GitHub, all runs':<28} {requests(account.requests)}"


def requests(asked: Requests) -> str:
    """What was asked of GitHub, in words."""
    made = f"{count(asked.made, 'request')} ({asked.unchanged} unchanged)"
    return f"{made}, {count(asked.changes, 'change')}, {count(asked.points, 'point')}"


def spend_lines(spends: Mapping[str, Spend]) -> Iterator[str]:
    """A line for each part: its name, calls, tokens and cost."""
    for name, spend in spends.items():
        yield f"{one_line(name):<28} {count(spend.calls, 'call'):>9} {spend.tokens:>9} tokens  {money(spend.usd)}"


def _documents(account: Account) -> Iterator[str]:
    for ref in account.artifacts:
        yield one_line(f"{ref.sha256[:SHORT]} {ref.size_bytes:>9} bytes  {PurePosixPath(ref.path).name}")
