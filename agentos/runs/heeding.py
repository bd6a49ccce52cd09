"""Hearing what people say to a run that works: a hold or a cancel stops it at the end of its present step."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from langgraph.runtime import RunControl

from agentos.domain.decision import DecisionKind
from agentos.domain.error import OutsideError
from agentos.domain.run import Run
from agentos.domain.status import JobState
from agentos.runs.desk import Desk

AGAIN_S = 5.0
"""Between two tries to listen to a database that broke off; a decision of that time is read when it is back."""


async def last_word(desk: Desk, run: Run) -> int:
    """The newest decision about the run."""
    return max((row.id for row in await desk.store.decisions.of_run(run.ref.id)), default=0)


async def is_told(desk: Desk, run: Run, *, after: int) -> bool:
    """Whether somebody decided something since the decision `after` that the run did not do yet."""
    order = await desk.store.decisions.order(run.ref.id)
    if order is not None:
        undone = order.decision.kind is DecisionKind.CANCEL or run.job is not JobState.PAUSED
        return order.id > after and undone
    wait = await desk.store.runs.wait(run.ref.id)
    pending = [row for row in await desk.store.decisions.pending(run.ref.id) if row.id > after]
    if wait is None:
        return False
    answers = [row.decision for row in pending if row.decision.wait_id == wait.id]
    # A wait without an id is a run that the world stopped: what answers it carries none either, as do words to any run.
    return any(wait.id or said.kind in wait.accepts for said in answers)


@contextlib.asynccontextmanager
async def heeding(desk: Desk, run_id: int, control: RunControl) -> AsyncIterator[None]:
    """While the body runs, a hold or a cancel drains `control` as soon as it is recorded, by whichever process."""
    over = asyncio.Event()

    async def listen() -> None:
        while not over.is_set():
            try:
                await _until_ordered(desk, run_id, control, over)
                return
            except OutsideError:
                # Whether the run can work without its database is for its own statements to find out.
                await desk.clock.sleep(AGAIN_S)

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        over.set()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


async def _until_ordered(desk: Desk, run_id: int, control: RunControl, over: asyncio.Event) -> None:
    async with contextlib.aclosing(desk.store.decisions.recorded(run_id)) as turns:
        async for _ in turns:
            order = await desk.store.decisions.order(run_id)
            if order is not None:
                control.request_drain(order.decision.kind)
            # Python 3.11's wait_for, inside the pool, may swallow the cancelling: then nobody would end us.
            if order is not None or over.is_set():
                return
