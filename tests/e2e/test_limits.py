"""Every limit of a run, reached: it stops cleanly, says so with its evidence, keeps the work, and the printed command
goes on."""

import json
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.crash.conftest import Called, World
from tests.crash.model_server import Replies
from tests.crash.toy import GREET, LLD, SHOUT_LOUD, SHOUT_WRONG, SPEC, _submit, _write, replies

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
    _, _, words = command.partition("orchestrate.py ")
    return world.agentos(*shlex.split(words), "--json")


def priced(said: Replies, usd: float | None) -> Replies:
    """`said`, each reply at this price."""
    return {key: [{**turn, "usd": usd} for turn in turns] for key, turns in said.items()}


@pytest.mark.parametrize(
    ("ceiling", "stops", "sentence"),
    [
        ("budget.calls=8", 8, "the model calls reached 8 of 8"),
        ("budget.tokens=1200", 8, "the tokens reached 1200 of 1200"),
        ("budget.usd=0.75", 8, "the cost reached $0.80 of $0.75"),
        ("budget.stage.calls=5", 11, "the model calls of this stage reached 5 of 5"),
        ("budget.day.usd=0.75", 8, "the cost of this day reached $0.80 of $0.75"),
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


def test_an_unknown_price_keeps_no_money_ceiling_and_with_one_of_tokens_it_goes_on(world: World) -> None:
    world.server.replies = priced(world.server.replies, None)
    stopped = world.agentos("run", "--issue", "1", "--set", "budget.usd=5", "--json")
    assert stopped.code == 3, stopped.err
    assert "cost of a model call is unknown" in says(stopped)["wait"]["title"]
    assert sum(world.asked.values()) == 1
    assert says(goes_on(world, stopped))["wait"]["gate"] == "before_pr"


STAGES = "orchestrator.stages"


def revised(*problems: str) -> list[list[dict[str, Any]]]:
    """What a reviewer says who finds something else each time, and nothing at last."""
    found = [{"severity": "major", "where": "logic", "problem": each} for each in problems]
    told = [{"verdict": "revise", "summary": "Not yet.", "confidence": 50, "findings": [each]} for each in found]
    return [[{"json": each}] for each in told] + [replies()["lld", "reviewer", 1]]


def too_many_drafts(world: World, document: str, draft: dict[str, Any]) -> Called:
    """A design or spec that the reviewer never likes."""
    said = world.server.replies
    for round_, judged in enumerate(revised("One is open.", "Two is open."), 1):
        said[document, "drafter", round_] = [{"json": {**draft, _FREE[document]: f"Draft {round_}."}}]
        said[document, "reviewer", round_] = judged
    return world.agentos("run", "--issue", "1", "--set", f"{STAGES}.{document}.max_revisions=1", "--json")


_FREE = {"lld": "performance", "spec": "overview"}


def too_many_designs(world: World) -> Called:
    return too_many_drafts(world, "lld", LLD)


def too_many_specs(world: World) -> Called:
    return too_many_drafts(world, "spec", SPEC)


def too_many_red_rounds(world: World) -> Called:
    """Tests that stay red, each time in another way."""
    said = world.server.replies
    said["impl", "implementer", 3] = said["impl", "implementer", 2]
    said["impl", "implementer", 2] = [_write("greet.py", SHOUT_WRONG + "\n\nAGAIN = 1\n"), *_submit("tried")]
    return world.agentos("run", "--issue", "1", "--set", f"{STAGES}.implementation.max_test_retries=1", "--json")


def too_many_cycles(world: World) -> Called:
    """Feedback, and once more."""
    said = world.server.replies
    said["review", "implementer", 2] = [_write("greet.py", SHOUT_LOUD + "\n\nTWICE = 2\n"), *_submit("twice")]
    said["review", "reviewer", 2] = said["review", "reviewer", 1]
    world.agentos("run", "--issue", "1", "--set", f"{STAGES}.review.max_feedback_cycles=1")
    world.agentos("approve", "1")
    world.agentos("feedback", "1", "Louder.")
    return world.agentos("feedback", "1", "Twice.", "--json")


def too_many_edits(world: World) -> Called:
    """An issue that is edited again and again."""
    said, ticket = world.server.replies, world.target / "tickets" / "001-shout.md"
    said["triage", "drafter", 2] = said["triage", "drafter", 3] = said["triage", "drafter", 1]
    called = world.agentos("run", "--issue", "1", "--set", f"{STAGES}.triage.max_edits=1", "--json")
    for word, command in (("now", ("approve", "1")), ("soon", ("run", "--issue", "1"))):
        ticket.write_text(ticket.read_text("utf-8").replace("can ", f"can {word} ", 1), "utf-8")
        called = world.agentos(*command, "--json")
    return called


def too_many_verifications(world: World) -> Called:
    """A merge that fails a check for a reason outside of it, until that is gone."""
    reason = world.home.parent / "no-room"
    seen = ("--set", "sandbox=process", "--set", f"commands.room.run=test ! -e '{reason}'")  # a box would hide it
    world.agentos("run", "--issue", "1", *seen)
    world.agentos("approve", "1")
    reason.touch()
    called = world.agentos("approve", "1", "--json")
    reason.unlink()
    return called


@pytest.mark.parametrize(
    ("reach", "code", "evidence", "after"),
    [
        pytest.param(too_many_designs, "revisions_spent", "Two is open.", "before_pr", id="lld"),
        pytest.param(too_many_specs, "revisions_spent", "Two is open.", "before_pr", id="spec", marks=pytest.mark.full),
        pytest.param(
            too_many_red_rounds, "max_test_retries", "AC-1", "before_pr", id="test-retries", marks=pytest.mark.full
        ),
        pytest.param(too_many_cycles, "max_feedback_cycles", "", "before_merge", id="cycles"),
        pytest.param(too_many_edits, "max_edits", "", "before_merge", id="edits"),
        pytest.param(too_many_verifications, "verify_failed", "room ended with exit code 1", "", id="verify"),
    ],
)
def test_a_bound_stops_the_run_with_its_evidence_and_the_printed_retry_goes_on(
    world: World, reach: Callable[[World], Called], code: str, evidence: str, after: str
) -> None:
    stopped = reach(world)
    assert stopped.code == 3, stopped.err
    events = next(world.home.glob("runs/*/1/1/events.jsonl")).read_text("utf-8").splitlines()
    kept = [event["data"] for event in map(json.loads, events) if event["kind"] == "run_blocked"][-1]
    assert kept["code"] == code
    assert evidence in "\n".join(kept["evidence"])
    before, paths = Counter(world.asked), says(stopped)["paths"]

    commands = says(stopped)["wait"]["commands"]
    [retry] = [place for place, command in enumerate(commands) if " retry " in command]
    on = goes_on(world, stopped, retry)
    assert on.code == (4 if after else 0), on.err
    assert (says(on)["wait"] or {}).get("gate", "") == after
    assert paths.keys() <= says(on)["paths"].keys(), "the work is kept"
    assert set(world.asked.values()) == {1}, "nothing is paid twice"
    assert world.asked != before or not after


def test_time_at_work_stops_the_run_and_the_printed_ceiling_goes_on(world: World) -> None:
    called = world.agentos("run", "--issue", "1", "--set", "budget.wall_s=0.001", "--json")
    assert (called.code, says(called)["stage"]) == (3, "triage"), called.err
    for _ in range(12):  # each time twice what it took: enough for any machine
        assert says(called)["wait"]["title"].startswith("the time at work reached")
        called = goes_on(world, called)
        if called.code != 3:
            break
    assert says(called)["wait"]["gate"] == "before_pr"
    assert set(world.asked.values()) == {1}


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
