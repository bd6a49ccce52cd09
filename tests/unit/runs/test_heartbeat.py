"""Owning a run ends when its work ends."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agentos.domain.issue import IssueRef
from agentos.domain.run import RunRef
from agentos.runs.ownership import own
from agentos.store.fence import Fence


class DeafStore:
    """Renews a lease, and takes being cancelled for an answer: Python 3.11's `wait_for` does so when both come at once."""

    def __init__(self) -> None:
        self.renewing = asyncio.Event()

    async def acquire(self, run_id: int, **_: object) -> Fence:
        return Fence(run_id, 1)

    async def renew(self, fence: Fence, lease_s: float) -> bool:
        self.renewing.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return True
        return True

    async def release(self, fence: Fence) -> None:
        """Nothing is kept."""


class EndlessClock:
    """A clock whose sleepers are never woken."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


async def test_a_heartbeat_whose_cancelling_is_swallowed_still_ends(tmp_path: Path) -> None:
    runs = DeafStore()
    desk: Any = SimpleNamespace(store=SimpleNamespace(runs=runs), clock=EndlessClock(), home=tmp_path)
    run: Any = SimpleNamespace(ref=RunRef(1, IssueRef("toy", 1), 1))

    async def work() -> None:
        async with own(desk, run):
            await runs.renewing.wait()

    working = asyncio.create_task(work())
    # Not `asyncio.timeout`: its cancelling would end the heartbeat, too.
    done, _ = await asyncio.wait({working}, timeout=5)
    assert working in done
