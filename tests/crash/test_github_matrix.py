"""A run on GitHub killed at any point of any effect there, or left without its answer, ends as if nothing had happened."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentos.domain.effect import CrashPoint
from tests.crash.conftest import Zygote
from tests.crash.github_world import MERGED, UndisturbedOnGitHub, undisturbed_on_github
from tests.crash.test_matrix import LOST_NOTICE, POINTS, difference
from tests.github.server import Fault

pytestmark = pytest.mark.slow

OF_GITHUB = [f"effect:{name}:{at}" for name in ("pr-ready", "thread-reply", "thread-resolved") for at in CrashPoint]
NODES = {
    "pr": ("watch_checks", "mark_ready"),
    "review": ("watch_checks", "find_threads", "answer_thread", "resolve_thread", "mark_ready"),
    "finalize": ("watch_checks",),
}
STEPS = [f"step:{stage}:{node}:{at}" for stage, nodes in NODES.items() for node in nodes for at in ("before", "after")]
"""What only a forge with checks, drafts and threads comes by."""
EFFECTS = [*(point for point in POINTS if point.startswith("effect:")), *OF_GITHUB]
SAMPLE = (
    "effect:branch:answer_lost",
    "effect:pr:answer_lost",
    "effect:pr-text:after_lookup",
    "effect:review-package:answer_lost",
    "effect:status-comment:answer_lost",
    "effect:ack:answer_lost",
    "effect:merge:answer_lost",
    "effect:follow-up:answer_lost",
    "effect:close:after_intent",
    "effect:branch-deleted:answer_lost",
    "effect:pr-ready:answer_lost",
    "effect:thread-reply:answer_lost",
    "effect:thread-resolved:after_lookup",
    "step:finalize:watch_checks:after",
)
"""The worst point of each effect that would be seen twice; every other one is a cell of the full suite."""
WRITES = (
    "new comment",
    "edit comment",
    "add labels",
    "take label",
    "new pull",
    "edit pull",
    "merge",
    "new issue",
    "edit issue",
    "MarkReady",
    "ReplyToThread",
    "ResolveThread",
)
SAMPLE_OF_WRITES = ("new comment", "new pull", "merge", "new issue", "ReplyToThread")


@pytest.fixture(scope="session")
def on_github(
    tmp_path_factory: pytest.TempPathFactory, postgresql: str, zygote: Zygote
) -> Iterator[UndisturbedOnGitHub]:
    """What every cell is compared with, made once a test process."""
    with undisturbed_on_github(tmp_path_factory.mktemp("github"), postgresql, zygote) as run:
        yield run


def cells(all_: list[str] | tuple[str, ...], sample: tuple[str, ...]) -> list[Any]:
    """One cell each, its id the place where it breaks."""
    return [pytest.param(each, id=each, marks=() if each in sample else pytest.mark.full) for each in all_]


def test_a_run_on_github_passes_every_point_of_every_effect(on_github: UndisturbedOnGitHub) -> None:
    passed = {point for each in on_github.parts for point in each.part.points}
    assert {point for point in passed if point.startswith("effect:")} == set(EFFECTS)
    assert passed >= set(STEPS)


@pytest.mark.figure("GitHub crash cells: kills")
@pytest.mark.parametrize("point", cells([*EFFECTS, *STEPS], SAMPLE))
def test_a_run_on_github_killed_there_ends_as_if_nobody_had(on_github: UndisturbedOnGitHub, point: str) -> None:
    with on_github.entered(on_github.part_of(point)) as world:
        killed = world.go(crash_at=point)
        assert killed.was_killed, killed.ended
        assert world.finish() == MERGED
        world.require_invariants()
        expected, actual = dict(on_github.outside), world.picture()
        if point == LOST_NOTICE:
            told = actual.pop("notices")
            assert [notice for notice in expected.pop("notices") if notice in told] == told
        assert difference(expected, actual) == []
        assert Counter(world.models.asked) == on_github.asked


@pytest.mark.figure("GitHub crash cells: lost answers")
@pytest.mark.parametrize("route", cells(WRITES, SAMPLE_OF_WRITES))
def test_a_run_on_github_that_loses_the_answer_there_ends_with_all_of_it_once(
    on_github: UndisturbedOnGitHub, route: str
) -> None:
    with on_github.entered(on_github.part_that(route)) as world:
        fault = Fault("answer lost", route, after=True)
        world.server.faults.append(fault)
        assert world.finish() == MERGED
        assert fault.fired == 1
        assert any(entry.fault == "answer lost" and entry.did for entry in world.hub.ledger)
        world.require_invariants()
        shown = ("hub", "comments", "issues", "pulls", "threads")
        actual = world.picture()
        assert difference({key: on_github.outside[key] for key in shown}, {key: actual[key] for key in shown}) == []


@pytest.mark.parametrize("point", ["effect:pr:answer_lost"])
def test_the_matrix_on_github_catches_an_order_that_acts_before_it_looks(
    on_github: UndisturbedOnGitHub, tmp_path: Path, point: str
) -> None:
    with on_github.entered(on_github.part_of(point)) as world:
        assert world.go(crash_at=point, mutant=True).was_killed
        world.go(mutant=True)
        assert difference(on_github.outside["comments"], world.picture()["comments"]) != []
