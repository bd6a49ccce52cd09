"""A run that waits for something outside is parked as often as that takes; one that fails there is not."""

from typing import Any

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.domain.error import NotYet, OutsideError
from agentos.domain.failure import RETRY, FailureKind
from agentos.domain.run import Run
from agentos.domain.status import JobState
from agentos.runs.advance import advance
from agentos.runs.desk import Desk
from tests.stages.conftest import Equip, Stand

pytestmark = pytest.mark.slow
LIMIT = RETRY[FailureKind.CAPACITY].limit


async def stopped_by(stand: Stand, error: OutsideError) -> Run:
    """The run after the world stopped it so."""

    async def equip(*_: object) -> Any:
        raise error

    desk = Desk(stand.store, ManualClock(), stand.ctx.home, equip)
    return await advance(desk, await stand.store.runs.get(stand.ctx.run.id))


async def test_a_wait_that_goes_on_parks_the_run_each_time_and_uses_up_no_retries(equip: Equip) -> None:
    stand = await equip()
    await stand.store.runs.release(stand.ctx.fence)
    for _ in range(LIMIT + 2):
        run = await stopped_by(stand, NotYet("CI of abc: 0 of 1 checks ended", retry_after_s=300))
        assert (run.job, run.due_at is not None) == (JobState.RETRY_WAIT, True)
    for _ in range(LIMIT):
        run = await stopped_by(stand, OutsideError("GitHub does not answer", kind=FailureKind.TRANSIENT))
        assert run.job is JobState.RETRY_WAIT
    run = await stopped_by(stand, OutsideError("GitHub does not answer", kind=FailureKind.TRANSIENT))
    assert run.job is JobState.BLOCKED
