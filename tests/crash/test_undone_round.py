"""A round that is undone is undone once, whatever dies meanwhile: the files of the worse commit never come back."""

import pytest

from tests.crash.conftest import World
from tests.crash.toy import GREET, _submit, _write, replies

pytestmark = pytest.mark.slow
BROKEN = GREET.replace("Hello", "Bye")


@pytest.mark.parametrize("point", ["effect:worktree:after_lookup#2", "effect:worktree:answer_lost"])
def test_killed_while_a_round_is_undone_the_run_goes_on_from_the_best_commit(world: World, point: str) -> None:
    said = world.server.replies
    said["impl", "implementer", 2] = [_write("greet.py", BROKEN), _write("worse.txt", "x"), *_submit("broken")]
    said["impl", "implementer", 3] = replies()["impl", "implementer", 2]
    killed = world.drive(crash_at=point)
    resumed = world.drive()

    assert killed.was_killed, killed.ended
    assert resumed.ended == "succeeded merged"
    assert set(world.asked.values()) == {1}
    assert not (world.target / "worse.txt").exists()
    assert "Hello" in (world.target / "greet.py").read_text("utf-8")
    logs = world.agentos("logs", "1").out
    assert logs.count("made it worse: back to") == 1
    assert "made it worse, so back to" in world.agentos("show", "1").out
