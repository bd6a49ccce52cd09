"""A run that kills its workers is not handed to one worker after another for ever."""

import pytest

from agentos.domain.failure import WORKER_DEATHS
from tests.crash.conftest import World

pytestmark = pytest.mark.slow
DEADLY = "step:lld:draft:before"


def test_a_run_that_killed_too_many_workers_blocks_and_a_retry_lets_it_go_on(world: World) -> None:
    for _ in range(WORKER_DEATHS + 1):
        assert world.drive(crash_at=DEADLY).was_killed

    ended = world.drive().ended

    assert ended.startswith("blocked")
    assert "4 workers died at this run" in ended
    assert world.asked["lld/drafter/1/0"] == 0
    assert world.drive().ended == "succeeded merged"
