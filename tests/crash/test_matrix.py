"""A run killed at any point and started again ends as if nobody had killed it: nothing doubled, nothing paid twice."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from agentos.domain.effect import CrashPoint
from tests.crash.conftest import World
from tests.crash.outside import calls_paid, without_costs
from tests.crash.parts import Enter, Undisturbed

pytestmark = pytest.mark.slow

POINTS = (Path(__file__).parent / "points.txt").read_text("utf-8").split()
"""Every crash point that an undisturbed run passes: six around each effect, two around each step, and those inside."""
LOST_ANSWER = "model:answer_lost"
"""Between the provider's answer and its record: the one moment in which a reply can be lost and is asked for again."""
UNDER_WAY = ("model:before_call", LOST_ANSWER)
"""While a call is under way: nobody knows whether it was answered, so it stays charged besides the one that is made again."""
LOST_NOTICE = "effect:notify:after_intent"
"""A notice cannot be read back, so one that was begun is never sent again: it may be lost, never doubled (I6)."""
MERGED = "succeeded merged"


def in_sample(point: str) -> bool:
    """All points inside of steps, and of effects all but the one where nothing of it was begun, and the one right after the
    intent where nothing but a look was added; of steps the moment before their checkpoint is written: those of the last
    stage, where a cell is short, and some of the others."""
    if not point.startswith("step:"):
        return not point.endswith((f":{CrashPoint.BEFORE_INTENT}", f":{CrashPoint.AFTER_LOOKUP}"))
    return point.endswith(":after") and (point.startswith("step:finalize:") or POINTS.index(point) % 8 == 1)


def cells() -> list[Any]:
    """One cell a point; its id says where the run dies."""
    return [pytest.param(point, id=point, marks=() if in_sample(point) else pytest.mark.full) for point in POINTS]


def difference(expected: Any, actual: Any, where: str = "") -> list[str]:
    """The places where two pictures are not the same, a line each."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        keys = sorted({*expected, *actual})
        return [line for key in keys for line in difference(expected.get(key), actual.get(key), f"{where}/{key}")]
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [line for n, (one, other) in pairs for line in difference(one, other, f"{where}[{n}]")]
    return [] if expected == actual else [f"{where}: {json.dumps(expected)[:400]} became {json.dumps(actual)[:400]}"]


def test_an_undisturbed_run_passes_every_listed_point_and_no_other(
    world: World, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    ended = world.drive(trace=tmp_path / "trace")

    assert ended.ended == MERGED
    passed = {line.partition("#")[0] for line in (tmp_path / "trace").read_text("utf-8").split()}
    assert passed == set(POINTS)
    assert passed == {point for part in undisturbed.parts for point in part.points}
    assert difference(undisturbed.outside, world.picture()) == [], "in one go or from wait to wait is the same"


@pytest.mark.figure("crash cells: kills")
@pytest.mark.parametrize("point", cells())
def test_a_run_killed_there_ends_as_if_nobody_had(enter: Enter, undisturbed: Undisturbed, point: str) -> None:
    world = enter(undisturbed.part_of(point))
    killed = world.drive(crash_at=point)
    resumed = world.drive()

    assert killed.was_killed, killed.ended
    assert resumed.ended == MERGED
    expected, actual = dict(undisturbed.outside), world.picture()
    if point == LOST_NOTICE:
        told = actual.pop("notices")
        assert [notice for notice in expected.pop("notices") if notice in told] == told
    if point in UNDER_WAY:
        assert calls_paid(actual) == calls_paid(expected) + 1
        expected, actual = without_costs(expected), without_costs(actual)
    assert difference(expected, actual) == []
    assert sum((world.asked - undisturbed.asked).values()) == (1 if point == LOST_ANSWER else 0)
    assert undisturbed.asked - world.asked == Counter()


@pytest.mark.parametrize("point", ["effect:lld:answer_lost", "effect:follow-up:answer_lost"])
def test_the_matrix_catches_an_order_that_acts_before_it_looks(
    enter: Enter, undisturbed: Undisturbed, point: str
) -> None:
    world = enter(undisturbed.part_of(point))
    killed = world.drive(crash_at=point, mutant=True)
    world.drive(mutant=True)

    assert killed.was_killed
    assert difference(undisturbed.outside, world.picture()) != []
