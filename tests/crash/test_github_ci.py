"""A run on GitHub killed while a red check is run again: once at the most, and nothing red is shown or merged."""

from pathlib import Path

import pytest

from agentos.domain.effect import CrashPoint
from tests.conftest import fresh_database
from tests.crash.conftest import Zygote
from tests.crash.github_world import MERGED, MOST_GOES, GitHubWorld, github_world
from tests.crash.test_github_matrix import cells
from tests.github.ci import ACTIONS, first_red
from tests.github.fake import ANNA

pytestmark = pytest.mark.slow
# What cannot be read back has no look-up and no answer to lose.
POINTS = tuple(
    f"effect:ci-rerun:{each}"
    for each in (CrashPoint.BEFORE_INTENT, CrashPoint.AFTER_INTENT, CrashPoint.AFTER_ANSWER, CrashPoint.AFTER_RECORD)
)


def answer(world: GitHubWorld, ended: str) -> None:
    """Effect: a person approves what the run waits for."""
    if not ended.startswith("waiting review"):
        world.answer(ended)
        return
    (pull,) = world.hub.pulls.values()
    head = world.hub.ref(pull["head"]["ref"])
    world.hub.review(pull["number"], state="approved", body="", sha=head, at="2099-01-01T00:00:00Z", id=7)


@pytest.mark.figure("GitHub crash cells: kills")
@pytest.mark.parametrize("point", cells(POINTS, ("effect:ci-rerun:after_answer",)))
def test_a_run_killed_while_a_red_check_is_run_again_ends_merged_and_green(
    point: str, tmp_path: Path, postgresql: str, zygote: Zygote
) -> None:
    with fresh_database(postgresql) as url, github_world(tmp_path, url, zygote) as world:
        ci = world.hub.ci
        ci.by_rule.append(("build", ACTIONS[0]))
        ci.starts = first_red
        world.environment["AGENTOS_CHECKS__APPEAR_S"] = "0.1"
        answer(world, world.go().ended)
        assert world.go(crash_at=point).was_killed
        for _ in range(MOST_GOES):
            ended = world.go().ended
            if not ended.startswith(("waiting", "retry_wait")):
                break
            if ended.startswith("waiting"):
                answer(world, ended)
        assert ended == MERGED
        assert ci.attempts == ({} if point.endswith(":after_intent") else {1: 2})
        world.require_invariants()
        assert [each["user"]["login"] for each in world.hub.comments.values()].count(ANNA[1]) == 1
