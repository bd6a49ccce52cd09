"""A run steered by what stands in the ticket's thread: heard at the next look, answered there, and by nobody else."""

import json

import pytest

from tests.crash.conftest import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

THREAD = "tickets/001-shout.thread.md"


def test_an_approval_in_the_thread_takes_the_run_to_its_merge_and_a_strangers_is_answered_once(world: World) -> None:
    world.agentos("run", "--issue", "1", "--json")
    say(world, "/agentos approve")
    waits = json.loads(world.agentos("run", "--issue", "1", "--json").out)["wait"]
    assert waits["kind"] == "review"

    say(world, f"## 2026-11-03 10:00 - comment - Mallory\n\n/agentos approve {waits['subject']}")
    say(world, "## 2026-11-03 10:01 - comment - Mallory\n\n/agentos cancel")
    say(world, f"> /agentos approve {waits['subject']}")
    for _ in range(2):
        still = world.agentos("run", "--issue", "1", "--json")
        assert (still.code, json.loads(still.out)["wait"]["kind"]) == (4, "review"), still.err
    assert thread(world).count("by Mallory does not count") == 1

    say(world, f"/agentos approve {'0' * 40}")
    say(world, f"/agentos approve {waits['subject'][:12]}")
    done = world.agentos("run", "--issue", "1", "--json")
    assert (done.code, json.loads(done.out)["outcome"]) == (0, "merged"), done.err
    said = f"`/agentos approve` by local is recorded: **approve** at {waits['subject'][:12]}."
    assert thread(world).count(said) == 2, "at the gate before the pull request, and at the review of the same commit"
    assert thread(world).count(f"{'0' * 40} is not what run") == 1


def say(world: World, text: str) -> None:
    """Effect: somebody who may write here added it to the ticket's thread."""
    with (world.target / THREAD).open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")


def thread(world: World) -> str:
    """What stands in the ticket's thread."""
    return (world.target / THREAD).read_text("utf-8")
