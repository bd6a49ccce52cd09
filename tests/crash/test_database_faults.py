"""A run whose database breaks at any moment goes on with the same command and ends as if nothing had happened."""

from collections import Counter
from typing import Any

import psycopg
import pytest

from tests.crash.conftest import Frail, World
from tests.crash.outside import without_costs
from tests.crash.parts import DATABASE, Enter, Undisturbed
from tests.crash.test_matrix import MERGED, POINTS, difference, in_sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

POSITIONS, POSITION_SAMPLE = 332, 28
"""Places in a run's stream of statements where its sessions end, evenly spread; every 28th is for `make test`."""
LAST_LOOK = 329
"""As well as the place where an ended run's board and report are brought up to date: nobody comes again after it."""
RESTARTS = [point for point in POINTS if in_sample(point) or point.startswith("effect:")][::3]
RESTART_SAMPLE = 14
STOPPED = ("retry_wait", "blocked")
AGAIN = 3
"""How often the command is given again at the most."""


def positions() -> list[Any]:
    """One cell a place; half of them lose the statement, the other half its answer."""
    return [
        pytest.param(n, id=f"{n}", marks=() if n % POSITION_SAMPLE == 0 or n == LAST_LOOK else pytest.mark.full)
        for n in range(POSITIONS)
    ]


def restarts() -> list[Any]:
    """One cell a crash point."""
    return [
        pytest.param(point, id=point, marks=() if n % RESTART_SAMPLE == 0 else pytest.mark.full)
        for n, point in enumerate(RESTARTS)
    ]


def go_on(world: World, ended: str) -> None:
    """Effect: the same command was given until the run had ended."""
    for _ in range(AGAIN):
        if ended == MERGED:
            return
        assert ended.startswith("retry_wait") or "OutsideError: the database broke off" in ended, ended
        ended = world.drive().ended
    assert ended == MERGED


def stays_charged(world: World) -> int:
    """How many calls were reserved and never settled: nobody can say of them that they were not made."""
    with psycopg.connect(world.environment[DATABASE]) as connection:
        row = connection.execute("SELECT count(*) FROM model_calls WHERE settled_at IS NULL").fetchone()
    assert row is not None
    return int(row[0])


def expect_nothing_happened(world: World, undisturbed: Undisturbed) -> None:
    lost = sum((world.asked - undisturbed.asked).values())
    assert lost <= 1, "one answer may be lost with its record"
    told, charged = (undisturbed.outside, world.picture()), stays_charged(world)
    assert charged <= 1, "one call may be reserved without its process hearing of it"
    # A lost answer was paid for, and is charged, as is a reservation nobody heard of; but for that, nothing differs.
    assert difference(*(map(without_costs, told) if lost or charged else told)) == []
    assert undisturbed.asked - world.asked == Counter()


@pytest.mark.figure("crash cells: database faults")
@pytest.mark.parametrize("position", positions())
def test_a_run_whose_sessions_end_there_goes_on(enter: Enter, undisturbed: Undisturbed, position: int) -> None:
    part, nth = undisturbed.part_at(position / POSITIONS)
    world = enter(part)
    url, answered = world.environment[DATABASE], position // POSITION_SAMPLE % 2 == 1
    go_on(world, world.drive(fault={"statement": {"nth": nth, "url": url, "answered": answered}}).ended)

    expect_nothing_happened(world, undisturbed)


@pytest.mark.figure("crash cells: database faults")
@pytest.mark.parametrize("point", restarts())
def test_a_run_whose_server_restarts_there_goes_on(
    frail_world: World, frail_postgresql: Frail, undisturbed: Undisturbed, point: str
) -> None:
    fault = {"restart": {"at": point, "home": str(frail_postgresql.home)}}
    go_on(frail_world, frail_world.drive(fault=fault).ended)

    expect_nothing_happened(frail_world, undisturbed)
