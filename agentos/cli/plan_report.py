"""`run --dry-run`: what would happen, as a table or as JSON. Nothing is changed, and no server is started."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from agentos.bootstrap import Place, database_url, open_place, past_runs, require_policy
from agentos.cli.args import Request
from agentos.cli.documents import PlanDocument, PlannedStageDocument, text_of
from agentos.cli.terminal import as_called, command, console, count, duration, money, one_line, print_table
from agentos.config.load import keys_present
from agentos.config.models import ModelChoice, choose
from agentos.domain.error import UsageError
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.runs.rehearse import Plan, PlannedStage, busy_by, plan
from agentos.runs.relations import stands_in_the_way
from agentos.runs.result import ExitCode
from agentos.runs.unknown import Former, former_run, require_nothing_lost

if TYPE_CHECKING:
    from rich.table import Table

_ACTIONS = {"run": "runs", "skip": "skipped", "done": "done", "not_reached": "not reached"}


async def rehearse(request: Request) -> int:
    """The exit code of a rehearsal: 0, or 2 where the run would be refused."""
    place = await open_place(request.repo, request.overrides)
    assert request.issue is not None
    issue = await place.target.tracker.get(request.issue)
    choice = _choice(place)
    past = await past_runs(place)
    planned = plan(issue, place.settings, choice, past, request.resume_from)
    related = await stands_in_the_way(place.target.tracker, issue, busy=busy_by(past, issue.ref.number))
    lost = partial(require_nothing_lost, await _lost(place, past, issue.ref, request), issue.ref)
    looks: list[Callable[[], None]] = [lost, partial(require_policy, place), place.target.require_means]
    refusals = [text for text in (planned.refusal, related, *map(_refusal, looks)) if text]
    if request.json:
        print(text_of(_document(planned, refusals)))
    else:
        screen = console()
        for part in _parts(request, planned, refusals, choice):
            if isinstance(part, str):
                screen.print(part, soft_wrap=True)
            else:
                print_table(screen, part)
    return int(ExitCode.USAGE if refusals else ExitCode.FINISHED)


async def _lost(place: Place, past: list[dict[str, Any]], issue: IssueRef, request: Request) -> Former | None:
    """The run of the issue that the database lost. Where AgentOS starts its own, nobody asks it now."""
    known = any(each["identity"]["issue"] == issue.number for each in past)
    if known or request.resume_from is Stage.TRIAGE or database_url(place.settings) is None:
        return None
    return await former_run(place.settings.home, place.target.tracker, issue)


def _choice(place: Place) -> ModelChoice | None:
    try:
        return choose(place.settings, keys_present())
    except UsageError:
        return None  # that there is no model is one of the refusals


def _refusal(look: Callable[[], None]) -> str:
    try:
        look()
    except UsageError as exc:
        return str(exc)
    return ""


def _document(planned: Plan, refusals: list[str]) -> PlanDocument:
    return PlanDocument(
        repo=planned.issue.ref.repo,
        issue=planned.issue.ref.number,
        title=planned.issue.title,
        refusals=refusals,
        stages=[_stage_document(stage) for stage in planned.stages],
        expected_s=planned.expected_s,
        expected_usd=planned.expected_usd,
        past_runs=planned.runs,
        ceilings=list(planned.ceilings),
        exit_code=ExitCode.USAGE if refusals else ExitCode.FINISHED,
    )


def _stage_document(stage: PlannedStage) -> PlannedStageDocument:
    return PlannedStageDocument(
        stage=stage.stage,
        action=stage.action,
        why=stage.why,
        gate=stage.gate,
        models=list(stage.models),
        limits=list(stage.limits),
        expected_s=stage.expected_s,
        expected_usd=stage.expected_usd,
    )


def _parts(request: Request, planned: Plan, refusals: list[str], choice: ModelChoice | None) -> "Iterator[str | Table]":
    yield one_line(f"Rehearsal of issue {planned.issue.ref.number}: {planned.issue.title}")
    yield "Nothing is changed and no model is asked."
    yield ""
    yield _table(planned)
    yield ""
    if planned.runs:
        known = planned.expected_s is not None
        time = f"about {duration(planned.expected_s or 0.0)} of work" if known else "time unknown"
        yield f"Expected: {time}, {money(planned.expected_usd)}, going by {count(planned.runs, 'earlier run')} here."
    else:
        yield "Expected time and cost: unknown, this is the first run here."
    yield f"Ceilings: {', '.join(planned.ceilings) or 'none; budget.usd=5 would set one for the issue'}."
    yield from choice.announcements if choice is not None else ()
    for refusal in refusals:
        yield f"It would not start: {as_called(refusal.removesuffix('.'), request)}."
    if not refusals:
        yield f"To do it: {command(request, 'run', '--issue', str(planned.issue.ref.number))}"


def _table(planned: Plan) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("stage", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("models, limits, gates", overflow="fold")
    for stage in planned.stages:
        table.add_row(stage.stage, _ACTIONS[stage.action], "\n".join(_notes(stage)), style=_style(stage))
    return table


def _notes(stage: PlannedStage) -> Iterator[str]:
    if stage.why:
        yield stage.why
    if stage.action != "run":
        return
    if stage.models:
        yield ", ".join(stage.models)
    if stage.limits:
        yield ", ".join(stage.limits)
    if stage.gate is not None:
        yield f"then waits for you: {stage.gate}"


def _style(stage: PlannedStage) -> str:
    return "" if stage.action == "run" else "dim"
