"""Takes issue 1 as far as it goes, deciding at each wait as a person would: what crash tests kill and repeat."""

import asyncio
from pathlib import Path

from agentos.bootstrap import open_desk, open_place
from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.run import Run
from agentos.domain.status import JobState, WaitKind
from agentos.runs.advance import advance
from agentos.runs.decide import decide
from agentos.runs.desk import Desk
from agentos.runs.start import start

THREAD = "tickets/001-shout.thread.md"
COMMAND = "/agentos feedback End it with an exclamation mark."


async def say(desk: Desk, run: Run, target: Path, wait: Wait) -> None:
    """Effect: everything is approved, but that the review is answered in the ticket's thread first, with feedback. Once
    that is written, nothing else is said until it was heard: a later approval would win over it."""
    rows = await desk.store.decisions.of_run(run.ref.id)
    is_heard = any(row.decision.kind is DecisionKind.FEEDBACK for row in rows)
    thread = target / THREAD
    if wait.kind is not WaitKind.REVIEW or is_heard:
        await decide(desk, run, Decision(DecisionKind.APPROVE, "ann", f"drive:{wait.id}"))
    elif COMMAND not in thread.read_text("utf-8"):
        with thread.open("a", encoding="utf-8") as file:
            file.write(f"\n{COMMAND}\n")


async def _drive(target: Path, most_waits: int | None) -> str:
    place = await open_place(target)
    url = place.settings.database_url
    async with open_desk(place.settings.home, url.get_secret_value() if url else None) as desk:
        run, passed = await start(desk, place.target, 1), 0
        while run.job is JobState.WAITING and passed != most_waits:
            wait = await desk.store.runs.wait(run.ref.id)
            assert wait is not None
            rows = await desk.store.decisions.of_run(run.ref.id)
            if all(row.decision.wait_id != wait.id for row in rows):
                await say(desk, run, target, wait)
            run, passed = await advance(desk, run), passed + 1
        return f"{run.job} {run.outcome or ''} {run.error}".strip()


def drive(target: Path, most_waits: int | None = None) -> str:
    """How the run of issue 1 in `target` ended: `succeeded merged` where all went well. Settings: the environment.

    It stops at the wait behind the `most_waits` it decided: `waiting`.
    """
    return asyncio.run(_drive(target, most_waits))


async def _go(target: Path) -> str:
    place = await open_place(target)
    url = place.settings.database_url
    async with open_desk(place.settings.home, url.get_secret_value() if url else None) as desk:
        run = await start(desk, place.target, 1)
        wait = await desk.store.runs.wait(run.ref.id)
        return " ".join(filter(None, (run.job, run.outcome, wait.kind if wait else "", run.error)))


def go(target: Path) -> str:
    """How far issue 1 in `target` comes by itself: `waiting review`, `retry_wait <why>`, `succeeded merged`."""
    return asyncio.run(_go(target))
