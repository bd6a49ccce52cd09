"""A GitHub that breaks at random and lags behind its own changes: a run ends all the same, with everything there once."""

import random

import pytest

from tests.crash.github_world import MERGED, UndisturbedOnGitHub
from tests.crash.test_github_matrix import on_github  # noqa: F401 - a fixture
from tests.github.lag import Lag
from tests.github.server import Fault
from tests.github.test_network_matrix import ENDPOINTS, KINDS

pytestmark = pytest.mark.slow
PASSING = sorted(name for name, kind in KINDS.items() if kind.ends is None)
FAULTS, SOONEST, MOST_GOES = 12, 25, 40
SAMPLE = (1, 2)


def faults_of(chance: random.Random) -> list[Fault]:
    """Faults of the network matrix at requests anywhere in the run, some of which it may never come to."""
    made = []
    for _ in range(FAULTS):
        name, route = chance.choice(PASSING), chance.choice(sorted(ENDPOINTS))
        kind = KINDS[name]
        how = {"after": kind.after, "part": kind.part, "skips": chance.randrange(SOONEST)}
        made.append(Fault(name, route, kind.status, dict(kind.headers), kind.body, **how))  # type: ignore[arg-type]
    return made


@pytest.mark.figure("GitHub weather: seeds")
@pytest.mark.parametrize(
    "seed", [pytest.param(n, id=f"seed {n}", marks=() if n in SAMPLE else pytest.mark.full) for n in range(1, 13)]
)
def test_a_run_in_any_weather_ends_with_everything_there_once(
    on_github: UndisturbedOnGitHub,  # noqa: F811
    seed: int,
) -> None:
    chance = random.Random(seed)
    with on_github.entered(on_github.parts[0]) as world:
        world.server.faults[:] = faults_of(chance)
        lag = world.hub.lag = Lag(chance, requests=60)
        ended = ""
        for _ in range(MOST_GOES):
            ended = world.go().ended
            lag.passes()
            if ended.startswith("blocked"):
                world.hub.comment(1, "/agentos retry")
            elif ended.startswith("waiting"):
                world.answer(ended)
            elif not ended.startswith("retry_wait"):
                break
        assert ended == MERGED, ended
        assert sum(each.fired for each in world.server.faults) + lag.missed > 0
        world.require_invariants()
