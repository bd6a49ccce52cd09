"""The one status comment of an issue: what its newest run went through, what it cost and what it waits for (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from agentos.domain.block import CostBlock, StageBlock, StatusBlock, WaitBlock
from agentos.domain.budget import Spend
from agentos.domain.decision import Wait, answers_to
from agentos.domain.event import Event, EventKind
from agentos.domain.pipeline import SKIPPED_WHEN_TRIVIAL, Stage
from agentos.domain.run import Run
from agentos.domain.status import LIVE, JobState, Position, Status, derive_status
from agentos.workflows.kit.blocks import defused, hidden_block
from agentos.workflows.kit.markdown import bullets, table
from agentos.workflows.kit.package import SHORT, cost

MOST_ROWS = 40
MOST_CHARACTERS = 200
"""Of one sentence that stages or models wrote; the run record holds all of it."""
Row: TypeAlias = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of one stage. `verdict` is empty while it works; `skipped` says why it did not have to."""

    stage: Stage
    tries: int
    started_at: str
    ended_at: str | None = None
    verdict: str = ""
    why: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that the status comment is made of."""

    run: Run
    visits: tuple[Visit, ...]
    spend: Spend
    wait: Wait | None
    pr_url: str = ""


def visits(events: Iterable[Event]) -> tuple[Visit, ...]:
    """Every visit of a stage that the ledger tells of, in order."""
    found: list[Visit] = []
    for event in events:
        if event.kind is EventKind.STAGE_STARTED and event.stage is not None:
            found.append(Visit(event.stage, event.data["tries"], event.at))
        elif event.kind is EventKind.STAGE_SKIPPED and found:
            found[-1] = replace(found[-1], skipped=event.data["reason"])
        elif event.kind is EventKind.STAGE_ENDED and found:
            found[-1] = replace(
                found[-1], ended_at=event.at, verdict=event.data["verdict"], why=event.data.get("why", "")
            )
    return tuple(found)


def timeline_markdown(timeline: Timeline) -> str:
    """The status comment: for people a table of stages and what is awaited, for programs a hidden block at its end."""
    parts = [_headline(timeline), table(("Stage", "Result", "Why", "Started (UTC)"), _rows(timeline))]
    if timeline.wait is not None:
        parts.append(_awaited(timeline.wait, timeline.run.ref.issue.number))
    elif timeline.run.error:
        parts.append(f"Why: {_short(timeline.run.error)}")
    if timeline.pr_url:
        parts.append(f"Pull request: {timeline.pr_url}")
    parts.append(f"Cost so far: {cost(timeline.spend)}.")
    return defused("\n\n".join(parts)) + "\n\n" + hidden_block(_facts(timeline))


def _headline(timeline: Timeline) -> str:
    run = timeline.run
    where = f", ended as {run.outcome}" if run.outcome else f", {run.job}" + (f" at {run.stage}" if run.stage else "")
    return f"**Run #{run.ref.number}: {_status(run)}**{where}"


def _status(run: Run) -> Status:
    return derive_status(Position(run.job, run.stage, run.step, run.wait_kind, run.outcome))


def _rows(timeline: Timeline) -> list[Row]:
    """A row for each visit in order, and one for each stage that had none, in its place."""
    order, rows, reached = list(Stage), list[Row](), -1
    for visit in timeline.visits:
        place = order.index(visit.stage)
        rows += [_passed_over(stage, earlier=reached < 0) for stage in order[reached + 1 : place]]
        rows.append(_visited(visit, timeline.run.job if visit is timeline.visits[-1] else None))
        reached = max(reached, place)
    rest = "to come" if timeline.run.job in LIVE else "not reached"
    rows += [(str(stage), rest, "", "") for stage in order[reached + 1 :]]
    cut = len(rows) - MOST_ROWS
    return rows if cut <= 0 else [("…", f"{cut} earlier", "", ""), *rows[cut:]]


def _passed_over(stage: Stage, *, earlier: bool) -> Row:
    if earlier:
        return str(stage), "done", "by an earlier run", ""
    return str(stage), "skipped", "the change is trivial" if stage in SKIPPED_WHEN_TRIVIAL else "", ""


def _visited(visit: Visit, job: JobState | None) -> Row:
    """`job`: what the run does now, where this visit is its latest."""
    name = f"{visit.stage} (try {visit.tries})" if visit.tries > 1 else str(visit.stage)
    if visit.skipped:
        result = "skipped"
    elif visit.ended_at is None:
        result = str(job) if job in LIVE else "not finished"
    else:
        result = visit.verdict or "ended"
    return name, result, _short(visit.skipped or visit.why), _minute(visit.started_at)


def _awaited(wait: Wait, issue_number: int) -> str:
    about = f" It is about `{wait.subject[:SHORT]}`." if wait.subject else ""
    needs = f"\n\nWhat would let it go on: {_short('; '.join(wait.needs))}." if wait.needs else ""
    commands = bullets(f"`{command}`" for command in answers_to(wait, issue_number))
    return f"**Waits for you**: {_short(wait.title)}{about}{needs}\n\n{commands}"


def _facts(timeline: Timeline) -> StatusBlock:
    run, wait, spend = timeline.run, timeline.wait, timeline.spend
    return StatusBlock(
        run=run.ref.number,
        job=run.job,
        status=_status(run),
        stage=run.stage,
        outcome=run.outcome,
        stages=tuple(
            StageBlock(each.stage, each.tries, each.verdict, bool(each.skipped))
            for each in timeline.visits[-MOST_ROWS:]
        ),
        wait=None if wait is None else WaitBlock(wait.kind, wait.gate, wait.subject),
        pr=timeline.pr_url,
        cost=CostBlock(spend.usd, spend.calls, spend.input_tokens + spend.output_tokens),
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"


def _minute(at: str) -> str:
    return datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M")
