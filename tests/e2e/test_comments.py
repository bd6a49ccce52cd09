"""A run steered by what stands in the ticket's thread: heard at the next look, answered there, and by nobody else."""

import json

import pytest

from agentos.adapters.tracker.files import FilesTracker
from agentos.bootstrap import database_url, open_desk, open_place
from agentos.domain.decision import DecisionKind
from agentos.domain.error import OutsideError
from agentos.domain.event import Event, EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.status import JobState
from agentos.runs.advance import advance
from agentos.runs.start import start
from tests.crash.conftest import World
from tests.crash.toy import BRIEF, replies
from tests.e2e.conftest import Desk

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


def test_a_question_is_answered_in_the_thread(desk: Desk) -> None:
    said = replies()
    said["triage", "drafter", 1] = [{"json": {**BRIEF, "open_questions": ["Which language?"]}}]
    said["triage", "drafter", 2] = [{"json": BRIEF}]
    desk.says(said)
    assert "Which language?" in desk.agentos("--issue", "1").out
    say(desk, "/agentos answer English,\nof Britain.")
    done = desk.agentos("--issue", "1", "--json")
    assert (done.code, done.result["wait"]["gate"]) == (4, "before_pr"), done.err
    assert "`/agentos answer` by local is recorded: **answer**" in thread(desk)


async def test_what_was_said_before_the_run_asked_counts_for_nothing_but_a_hold(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)
    place = await open_place(desk.target)
    said_at: dict[EventKind, list[str]] = {
        EventKind.STAGE_ENDED: ["/agentos approve", "/agentos reject Not this."],
        EventKind.RUN_WAITING: ["/agentos hold until Monday"],
    }

    def observe(event: Event) -> None:
        for text in said_at.pop(event.kind, []):
            say(desk, text)

    say(desk, "/agentos cancel")
    url = database_url(place.settings)
    async with open_desk(place.settings.home, url, observe=observe) as inner:
        run = await start(inner, place.target, 1)
        assert (run.job, run.error) == (JobState.PAUSED, "on hold by local: until Monday")
        kinds = [row.decision.kind for row in await inner.store.decisions.of_run(run.ref.id)]
        assert kinds == [DecisionKind.HOLD]
        assert "`/agentos cancel` by local does not count: it was said before run #1 began" in thread(desk)
        for word in ("approve", "reject"):
            assert f"`/agentos {word}` by local does not count: run {run.ref} is running and waits" in thread(desk)

        with monkeypatch.context() as without_tracker:
            without_tracker.setattr(FilesTracker, "comments", unheard)
            held = await advance(inner, run)
        assert (held.job, held.error) == (run.job, run.error), "it stays as it is where nobody can be heard"
        say(desk, "/agentos resume")
        resumed = await advance(inner, run)
        assert resumed.job is JobState.WAITING
        say(desk, "/agentos cancel")
        assert (await advance(inner, resumed)).job is JobState.CANCELLED


async def unheard(*_: object) -> None:
    raise OutsideError("nobody can be heard", kind=FailureKind.TRANSIENT)


def say(at: World | Desk, text: str) -> None:
    """Effect: somebody who may write here added it to the ticket's thread."""
    with (at.target / THREAD).open("a", encoding="utf-8") as file:
        file.write(f"\n{text}\n")


def thread(world: World | Desk) -> str:
    """What stands in the ticket's thread."""
    return (world.target / THREAD).read_text("utf-8")
