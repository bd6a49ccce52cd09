"""`status`, `diff` and `logs`: what waits for a person, what a run changed, what happened in it. Nothing is changed."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from agentos.bootstrap import Spot, find_spot, open_desk
from agentos.cli.args import Request
from agentos.cli.documents import StatusDocument, StatusEntry, text_of
from agentos.cli.result_document import HoldDocument
from agentos.cli.terminal import command, moment, near, one_line, page
from agentos.domain.decision import answers_to
from agentos.domain.event import EventKind
from agentos.domain.naming import clean_text
from agentos.domain.run import Run
from agentos.domain.status import TERMINAL, JobState, Position, derive_status
from agentos.runs.decide import told
from agentos.runs.ownership import is_orphan
from agentos.runs.query import WAITING, Listed, find_run, history_of, list_runs
from agentos.runs.result import ExitCode

if TYPE_CHECKING:
    from agentos.runs.change import Shown
    from agentos.runs.desk import Desk

_ANSWERED = "Answered, and not gone on with yet"
_GROUPS: tuple[tuple[str, Collection[JobState]], ...] = (
    ("Waiting for you", WAITING),
    (_ANSWERED, ()),
    ("At work", frozenset({JobState.QUEUED, JobState.RUNNING})),
    ("On hold, interrupted or parked", frozenset({JobState.PAUSED, JobState.RETRY_WAIT})),
    ("Ended", TERMINAL),
)


def status(request: Request) -> int:
    """The exit code of listing the runs: 0."""
    return asyncio.run(_status(request))


async def _status(request: Request) -> int:
    spot = await find_spot(request.repo, request.overrides, inside=request.repo_given)
    async with open_desk(spot.home, spot.database_url) as desk:
        listed = await list_runs(desk.store, ended=request.everything)
        if request.repo_given:
            listed = tuple(each for each in listed if each.run.ref.issue.repo == spot.repo)
        now = desk.clock.now()
    told_of = [(each, is_orphan(each.run, spot.home, now)) for each in listed]
    if request.json:
        print(text_of(StatusDocument(runs=[_entry_document(each, left=left) for each, left in told_of])))
        return 0
    _print(request, spot, told_of)
    return 0


def _print(request: Request, spot: Spot, listed: Sequence[tuple[Listed, bool]]) -> None:
    """Effect: the list is on standard output; plainly, for a display library would double the time this takes.

    `listed`: each run, and whether nobody works on it though it is at work."""
    if not listed:
        print("Nothing is waiting and nothing runs.")
        print(f"Start with: {command(request, 'run', '--issue', 'N')}")
    for heading, jobs in _GROUPS:
        group = [
            (each, left) for each, left in listed if (heading == _ANSWERED if each.given else each.run.job in jobs)
        ]
        if group:
            print(heading)
        for each, left in group:
            print(*_entry(request, spot, each, left=left), sep="\n")


def _entry(request: Request, spot: Spot, listed: Listed, *, left: bool) -> Iterator[str]:
    run, here = listed.run, spot.repo == listed.run.ref.issue.repo
    number, repo = str(run.ref.issue.number), "" if here or request.repo_given else run.target
    where = "" if here else f" in {near(Path(run.target))}"
    yield f"  issue {number}{where}, run #{run.ref.number}: {_stands(listed, left=left)}"
    if listed.held is not None and run.job is JobState.PAUSED:
        yield f"      {command(request, 'resume', number, repo=repo)}"
    elif listed.given is not None:
        yield f"      {command(request, 'run', '--issue', number, repo=repo)}"
    elif listed.wait is not None:
        for answer in answers_to(listed.wait, run.ref.issue.number, program=""):
            yield f"      {command(request, answer.strip(), repo=repo)}"
    elif run.job not in TERMINAL and (run.job is not JobState.RUNNING or left):
        yield f"      {command(request, 'run', '--issue', number, repo=repo)}"


def _stands(listed: Listed, *, left: bool) -> str:
    run = listed.run
    place = f"{run.stage}, {run.step}" if run.stage is not None and run.step else str(run.stage or "not begun")
    match run.job:
        case JobState.WAITING | JobState.BLOCKED if listed.given is not None:
            return one_line(f"{listed.given.kind} by {listed.given.actor}", 200)
        case JobState.WAITING | JobState.BLOCKED:
            return one_line(listed.wait.title if listed.wait is not None else run.error, 200)
        case JobState.RUNNING:
            return f"{place}; its process is gone, it goes on where it stood" if left else place
        case JobState.QUEUED:
            return "accepted, not begun"
        case JobState.RETRY_WAIT:
            return one_line(f"parked until {moment(run.due_at)}: {run.error}", 200)
        case JobState.PAUSED:
            return one_line(f"on hold {told(listed.held)}", 200) if listed.held else f"interrupted in {place}"
        case _:
            return f"{run.outcome or run.job}, {moment(run.completed_at)}"


def _entry_document(listed: Listed, *, left: bool) -> StatusEntry:
    run, wait, held = listed.run, listed.wait, listed.held
    at = Position(run.job, run.stage, run.step, run.wait_kind, run.outcome)
    return StatusEntry(
        repo=run.ref.issue.repo,
        issue=run.ref.issue.number,
        run=run.ref.number,
        target=run.target,
        status=derive_status(at),
        job=run.job,
        stage=run.stage,
        step=run.step,
        outcome=run.outcome,
        waits_for=None if wait is None else wait.title,
        accepts=[] if wait is None else [str(kind) for kind in wait.accepts],
        held=None if held is None else HoldDocument(by=held.actor, why=held.text),
        created_at=run.created_at,
        completed_at=run.completed_at,
        process_gone=left and run.job is JobState.RUNNING,
    )


def diff(request: Request) -> int:
    """The exit code of showing a run's change: 0."""
    run, shown = asyncio.run(_diff(request))
    if request.json:
        from agentos.cli.documents import DiffDocument
        from agentos.cli.show_document import change_document

        issue, patch = run.ref.issue, shown.text.decode("utf-8", "replace")
        change = change_document(shown.report)
        document = DiffDocument(repo=issue.repo, issue=issue.number, run=run.ref.number, change=change, patch=patch)
        print(text_of(document))
    elif sys.stdout.isatty():
        # What git says byte for byte could move the cursor: people get its text, programs its bytes.
        page(clean_text(shown.text.decode("utf-8", "replace")))
    else:
        sys.stdout.buffer.write(shown.text)
        sys.stdout.flush()
    return 0


async def _diff(request: Request) -> "tuple[Run, Shown]":
    from agentos.runs.change import change_of  # git, which a list of runs does without

    async with _opened(request) as (desk, run):
        width = shutil.get_terminal_size().columns if request.stat and not request.json else None
        return run, await change_of(desk, run, stat_width=width)


def logs(request: Request) -> int:
    """The exit code of telling a run's events: 0; 130 where the person left while following."""
    try:
        asyncio.run(_logs(request))
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)  # leaving is how following ends; nothing else was interrupted
    return 0


async def _logs(request: Request) -> None:
    from agentos.cli.log_lines import LogLines

    async with _opened(request) as (desk, run):
        lines = LogLines(as_json=request.json)
        if not request.follow or run.job in TERMINAL:
            for event in await history_of(desk.store, run):
                print(lines.line(event))
            return
        async with aclosing(desk.store.ledger.follow(run.ref.id)) as events:
            async for event in events:
                print(lines.line(event), flush=True)
                if event.kind is EventKind.RUN_ENDED:
                    return


@asynccontextmanager
async def _opened(request: Request) -> "AsyncIterator[tuple[Desk, Run]]":
    """The desk and the run that the person means."""
    spot = await find_spot(request.repo, request.overrides, inside=request.repo_given)
    assert request.issue is not None
    async with open_desk(spot.home, spot.database_url) as desk:
        yield desk, await find_run(desk.store, spot.repo, request.issue, anywhere=not request.repo_given)
