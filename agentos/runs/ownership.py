"""Who works on a run: the right to write for it, held by one process at a time and renewed while it works."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from agentos.domain.error import FenceLost, OutsideError, UsageError
from agentos.domain.run import Run
from agentos.runs.desk import Desk
from agentos.store.fence import Fence
from agentos.store.presence import has_died, owner_name, present

LEASE_S = 60.0
BEAT_S = 15.0


class AlreadyRunning(UsageError):
    """Another process works on the run."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"run {run.ref} is being worked on by another process; `agentos status` shows it")
        self.run = run


def is_orphan(run: Run, home: Path, now: datetime) -> bool:
    """Whether nobody works on a run that is at work by its row: its process died here, or stopped saying elsewhere that
    it lives."""
    if run.lease_until is None or datetime.fromisoformat(run.lease_until) < now:
        return True
    return run.owner is not None and has_died(home, run.owner)


@contextlib.asynccontextmanager
async def own(desk: Desk, run: Run) -> AsyncIterator[Fence]:
    """The right to write for `run`, renewed while the body runs. Raises AlreadyRunning while another process has it."""
    with present(desk.home, run.ref.id) as place:
        fence = None
        if place is not None:
            owner = owner_name(place)
            fence = await desk.store.runs.acquire(run.ref.id, owner=owner, lease_s=LEASE_S, dead=place)
        if fence is None:
            raise AlreadyRunning(run)
        try:
            async with _heartbeat(desk, fence):
                yield fence
        finally:
            await desk.store.runs.release(fence)


@contextlib.asynccontextmanager
async def _heartbeat(desk: Desk, fence: Fence) -> AsyncIterator[None]:
    """The lease is renewed while the body runs; where that fails the body is cancelled and FenceLost raised."""
    body = asyncio.current_task()
    assert body is not None
    lost, over = asyncio.Event(), asyncio.Event()

    async def held() -> bool:
        try:
            return await desk.store.runs.renew(fence, LEASE_S)
        except OutsideError:
            return True  # the next beat asks again; until then the fence guards every write

    async def beat() -> None:
        while await held():
            if over.is_set():
                return  # Python 3.11's wait_for, inside the pool, may swallow the cancelling: then nobody would end us
            await desk.clock.sleep(BEAT_S)
        lost.set()
        body.cancel()

    beating = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError as exc:
        if lost.is_set():
            raise FenceLost("another process took the run over") from exc
        raise
    finally:
        over.set()
        beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beating
