"""Every limit of a run, reached: it stops cleanly, says so with its evidence, keeps the work, and the printed command
goes on."""

import json
import shlex
import subprocess
from typing import Any

import pytest

from tests.crash.conftest import Called, World
from tests.crash.model_server import Replies
from tests.crash.toy import GREET, SHOUT_LOUD, _write, replies

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def says(called: Called) -> dict[str, Any]:
    """The JSON object a call ended with."""
    assert called.out, called.err
    found: dict[str, Any] = json.loads(called.out)
    return found


def goes_on(world: World, called: Called, which: int = 0) -> Called:
    """What the command does that `called` said would let it go on."""
    command = says(called)["wait"]["commands"][which]
    assert "…" not in command, "it can be typed as it is printed"
    _, _, words = command.partition("agentos ")
    return world.agentos(*shlex.split(words), "--json")


def priced(said: Replies, usd: float | None) -> Replies:
    """`said`, each reply at this price."""
    return {key: [{**turn, "usd": usd} for turn in turns] for key, turns in said.items()}


@pytest.mark.parametrize(
    ("ceiling", "stops", "sentence"),
    [
        ("budget.calls=6", 6, "the model calls reached 6 of 6"),
        ("budget.tokens=900", 6, "the tokens reached 900 of 900"),
        ("budget.usd=0.55", 6, "the cost reached $0.60 of $0.55"),
    ],
)
def test_a_ceiling_stops_a_session_midway_and_raised_it_goes_on_without_paying_twice(
    world: World, ceiling: str, stops: int, sentence: str
) -> None:
    world.server.replies = priced(world.server.replies, 0.1)
    stopped = world.agentos("run", "--issue", "1", "--set", ceiling, "--json")

    assert stopped.code == 3, stopped.err
    found = says(stopped)
    assert found["wait"]["title"] == sentence
    assert found["stage"] == "impl"
    assert found["cost"]["calls"] == stops == sum(world.asked.values())
    assert "lld.md" in found["paths"], "the work is kept"
    assert world.agentos("run", "--issue", "1", "--json").code == 3, "under the same ceiling it stays there"
    assert sum(world.asked.values()) == stops

    on = goes_on(world, stopped)
    assert on.code == 4, on.err
    assert says(on)["wait"]["gate"] == "before_pr"
    assert set(world.asked.values()) == {1}


def test_an_unknown_price_keeps_no_money_ceiling_and_taken_away_it_goes_on(world: World) -> None:
    world.server.replies = priced(world.server.replies, None)
    stopped = world.agentos("run", "--issue", "1", "--set", "budget.usd=5", "--json")
    assert stopped.code == 3, stopped.err
    assert "cost of a model call is unknown" in says(stopped)["wait"]["title"]
    assert sum(world.asked.values()) == 1
    assert says(goes_on(world, stopped))["wait"]["gate"] == "before_pr"


def test_a_base_that_moved_on_sends_the_change_back_to_work_and_before_the_person_again(world: World) -> None:
    whisper = "\n\ndef whisper(name: str) -> str:\n    return greet(name).lower()\n"
    both = SHOUT_LOUD + whisper
    turns = replies()["review", "implementer", 1]
    world.server.replies["review", "implementer", 1] = [_write("greet.py", both), *turns[1:]]
    world.agentos("run", "--issue", "1")
    first = says(world.agentos("approve", "1", "--json"))["wait"]
    (world.target / "greet.py").write_text(GREET + whisper, "utf-8")
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for words in (("add", "greet.py"), (*identity, "commit", "-q", "-m", "whisper")):
        subprocess.run(["git", *words], cwd=world.target, check=True)

    asked = world.agentos("approve", "1", "--json")
    assert asked.code == 4, asked.err
    wait = says(asked)["wait"]
    assert wait["gate"] == first["gate"] == "before_merge"
    assert wait["subject"] != first["subject"]
    assert "main moved on" in asked.err
    shown = world.agentos("show", "1").out
    assert "finalize       RETRY: main moved on" in shown
    merged = world.agentos("approve", "1", "--json")
    assert (merged.code, says(merged)["outcome"]) == (0, "merged"), merged.err
    assert (world.target / "greet.py").read_text("utf-8") == both
