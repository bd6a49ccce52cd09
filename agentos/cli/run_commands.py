"""`run` and the decisions: work on an issue until it is done or waits for a person, and take a person's word."""

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agentos.bootstrap import (
    Place,
    Spot,
    database_url,
    find_spot,
    leftovers,
    open_desk,
    open_place,
    require_policy,
)
from agentos.cli.args import Request
from agentos.cli.interrupts import draining
from agentos.cli.reports import Report, print_report
from agentos.cli.result_document import result_document
from agentos.cli.terminal import SHORT, command, console, one_line, tell
from agentos.cli.view import View, open_view
from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.error import UsageError
from agentos.domain.run import Run
from agentos.domain.status import JobState
from agentos.runs.brief import read_given
from agentos.runs.decide import decide as take
from agentos.runs.desk import GIVEN_BRIEF, Desk
from agentos.runs.engine import load_engine
from agentos.runs.ownership import AlreadyRunning
from agentos.runs.query import WAITING, find_run, history_of
from agentos.runs.result import ExitCode, result_of
from agentos.runs.start import restart, start

if TYPE_CHECKING:
    from langgraph.runtime import RunControl

    Work = Callable[[RunControl], Awaitable[Run]]


def run(request: Request) -> int:
    """The exit code of working on an issue, or of rehearsing it."""
    if request.from_brief is not None:
        given = {GIVEN_BRIEF: read_given(request.from_brief)}
        request = replace(request, overrides={**request.overrides, **given})
    if request.dry_run:
        from agentos.cli.plan_report import rehearse  # only a rehearsal needs it

        return asyncio.run(rehearse(request))
    return show(request, asyncio.run(work_on(request)))


def decide(request: Request) -> int:
    """The exit code of a decision, and of the work that it set going."""
    report = asyncio.run(take_word(request))
    # What the run waits for was only just answered: to say it again would mislead whoever reads along.
    return show(request, report) if request.wait or request.json else int(report.exit_code)


def show(request: Request, report: Report) -> int:
    """The exit code of what a run came to. Effect: standard output says what that is."""
    for sentence in report.leftovers:
        tell(f"Warning: {sentence}.")
    if request.json:
        document = result_document(report)
        print(document.model_dump_json(by_alias=True, indent=2))
    else:
        print_report(console(), report)
    return int(report.exit_code)


async def work_on(request: Request) -> Report:
    """How far the work on the issue got. Effect: it went on, shown as it did."""
    loading = asyncio.get_running_loop().run_in_executor(None, load_engine)
    place = await open_place(request.repo, request.overrides)
    require_policy(place)
    assert request.issue is not None
    number, target, settings = request.issue, place.target, place.settings
    with open_view(quiet=request.quiet) as view:
        async with open_desk(settings.home, database_url(settings), observe=view.observe) as desk:
            await loading
            announce(request, place)
            last = await desk.store.runs.latest(target.issue(number))
            if request.resume_from is None and last is not None:
                view.begin(_label(last), await history_of(desk.store, last))
            else:
                view.begin(f"issue {number} in {target.folder.name}", ())

            async def work(control: "RunControl") -> Run:
                if request.resume_from is not None:
                    return await restart(desk, target, number, request.resume_from, control=control)
                return await start(desk, target, number, control=control)

            done = await drained(work, view)
            if not view.seen and done.job is JobState.SUCCEEDED:
                tell(f"Nothing is left to do: run {done.ref} ended before.")
            return await report_on(request, desk, done)


async def take_word(request: Request) -> Report:
    """How far the run got after a person's word; where it is only to be recorded, where the run stands."""
    assert request.issue is not None
    if request.command == DecisionKind.RETRY and request.stage is not None and not request.wait:
        raise UsageError(
            f"retry from {request.stage} begins a new run, so it cannot only be recorded; leave --no-wait out"
        )
    spot = await find_spot(request.repo, request.overrides, inside=request.repo_given)
    jobs = WAITING if DecisionKind(request.command) in ANSWERS else None
    with open_view(quiet=request.quiet or not request.wait) as view:
        async with open_desk(spot.home, spot.database_url, observe=view.observe) as desk:
            found = await find_run(desk.store, spot.repo, request.issue, jobs=jobs, anywhere=not request.repo_given)
            taken = await take(desk, found, _decision(request, desk))
            _echo(request, found, taken, spot)
            if not request.wait:
                report = await report_on(request, desk, found, repo=_elsewhere(request, spot, found))
                return replace(report, code=ExitCode.FINISHED)
            loading = asyncio.get_running_loop().run_in_executor(None, load_engine)
            view.begin(_label(found), await history_of(desk.store, found))
            await loading
            done, code = await _carry_out(request, desk, found, view)
            report = await report_on(request, desk, done, repo=_elsewhere(request, spot, done))
            return replace(report, code=_code(request, report) if code is None else code)


ANSWERS = frozenset(
    {
        DecisionKind.APPROVE,
        DecisionKind.REJECT,
        DecisionKind.FEEDBACK,
        DecisionKind.ANSWER,
        DecisionKind.RETRY,
        DecisionKind.SKIP,
    }
)
"""Words for a run that waits; the others may be said at any time."""


async def _carry_out(request: Request, desk: Desk, found: Run, view: View) -> tuple[Run, ExitCode | None]:
    """The run after the word took effect, and the exit code where another process does what it says."""

    async def work(control: "RunControl") -> Run:
        from agentos.runs.advance import advance  # brings LangGraph, which recording a decision does not need

        if request.stage is not None and request.command == DecisionKind.RETRY:
            place = await open_place(Path(found.target), request.overrides)
            return await restart(desk, place.target, found.ref.issue.number, request.stage, control=control)
        return await advance(desk, found, control=control)

    try:
        return await drained(work, view), None
    except AlreadyRunning:
        if request.command not in _ELSEWHERE:
            raise
        tell(_ELSEWHERE[DecisionKind(request.command)])
        return await desk.store.runs.get(found.ref.id), ExitCode.FINISHED


_ELSEWHERE = {
    DecisionKind.HOLD: "Another process works on the run; it stops at the end of its present step.",
    DecisionKind.CANCEL: "Another process works on the run; it stops at the end of its present step and cleans up.",
    DecisionKind.RESUME: "Another process works on the run; where it stops all the same, `run` goes on.",
}


def _code(request: Request, report: Report) -> ExitCode | None:
    """A hold that holds did what it was asked for; else the run's own code says it."""
    return ExitCode.FINISHED if request.command == DecisionKind.HOLD and report.result.held is not None else None


async def drained(work: "Work", view: View) -> Run:
    """The run after `work`, which a signal ends early at a step's end."""
    from langgraph.runtime import RunControl

    control = RunControl()
    with draining(control, leave=lambda: view.__exit__(None, None, None)):
        return await work(control)


async def report_on(request: Request, desk: Desk, done: Run, *, repo: str = "") -> Report:
    """How far the run got, for whom asked."""
    unasked = await leftovers(desk, done) if done.job is JobState.SUCCEEDED else ()
    return Report(request, await result_of(desk.store, done), desk.home, repo, unasked)


def announce(request: Request, place: Place) -> None:
    """Effect: people know which models will work, and what is unusual about them."""
    from agentos.config.load import keys_present
    from agentos.config.models import choose

    if request.quiet:
        return
    with suppress(UsageError):  # without a model a run still says what it waits for, and a new one is refused later
        for sentence in choose(place.settings, keys_present()).announcements:
            tell(sentence)


def _decision(request: Request, desk: Desk) -> Decision:
    """The person's word. Its source is the moment and this process: each call of the program counts once."""
    return Decision(
        kind=DecisionKind(request.command),
        actor=_person(),
        source=f"cli:{desk.clock.now().isoformat()}:{os.getpid()}",
        text=request.text,
        subject=request.sha,
        stage=request.stage,
    )


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


def _echo(request: Request, found: Run, taken: Decision, spot: Spot) -> None:
    if request.quiet and request.wait:
        return
    what = f" {taken.stage}" if taken.stage is not None else f" {taken.subject[:SHORT]}" if taken.subject else ""
    where = "" if spot.repo == found.ref.issue.repo else f" in {found.target}"
    tell(
        f"Recorded: {taken.kind}{what} for run {found.ref}{where}."
        + (f" “{one_line(taken.text)}”" if taken.text else "")
    )
    if not request.wait and taken.kind not in (DecisionKind.HOLD, DecisionKind.CANCEL):
        again = command(request, "run", "--issue", str(request.issue), repo=_elsewhere(request, spot, found))
        tell(f"Go on with: {again}")


def _elsewhere(request: Request, spot: Spot, found: Run) -> str:
    """The folder to name in hints where the person is not in it."""
    return "" if request.repo_given or spot.repo == found.ref.issue.repo else str(Path(found.target))


def _label(found: Run) -> str:
    return f"issue {found.ref.issue.number} in {Path(found.target).name}, run #{found.ref.number}"
