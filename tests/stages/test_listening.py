"""What people write on an issue reaches the run that waits there: recorded once, acknowledged once, strangers turned away."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from agentos.adapters.clock.system import SystemClock
from agentos.adapters.forge.memory import MemoryForge
from agentos.adapters.tracker.ticket import OUR_NAME
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait
from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.event import EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.issue import OPT_OUT_LABEL, Comment
from agentos.domain.pipeline import Stage
from agentos.domain.status import JobState, WaitKind
from agentos.ports.forge import PullRequestDraft, ReviewNote
from agentos.runs.decide import decide
from agentos.runs.desk import Desk
from agentos.runs.listening import listen
from agentos.store.runs import Change
from tests.stages.conftest import Equip, Stand

pytestmark = pytest.mark.slow

SHA = "c0ffee" + "0" * 34
BRANCH = "agentos/1-divide-safely"
WAIT = Wait(WaitKind.REVIEW, Stage.REVIEW, "look", "", ACCEPTED_BY[WaitKind.REVIEW], subject=SHA, id="interrupt-1")


@dataclass
class Scene:
    """A run that waits for the review of its change at `SHA`."""

    stand: Stand
    desk: Desk

    def say(self, text: str, **facts: Any) -> None:
        self.stand.tracker.say(self.stand.ctx.issue, text, **facts)

    async def listen(self) -> None:
        await listen(self.desk, self.stand.ctx, branch=BRANCH)

    async def decided(self) -> list[tuple[DecisionKind, str]]:
        rows = await self.stand.store.decisions.of_run(self.stand.ctx.run.id)
        return [(row.decision.kind, row.decision.actor) for row in rows]

    async def acknowledged(self) -> list[str]:
        """What we answered."""
        return [
            each.body for each in await self.stand.tracker.comments(self.stand.ctx.issue) if each.author == OUR_NAME
        ]


@pytest.fixture
async def scene(equip: Equip) -> Scene:
    stand = await equip()
    ctx = stand.ctx

    async def nothing(*_: object) -> Any:
        raise AssertionError("it is equipped already")

    change = Change(job=JobState.WAITING, stage=Stage.REVIEW, wait=WAIT)
    await stand.store.runs.transition(ctx.fence, change, event=EventKind.RUN_WAITING, data={}, event_id="waits")
    return Scene(stand, Desk(stand.store, SystemClock(), ctx.home, nothing))


async def test_a_command_of_somebody_who_may_write_is_recorded_and_acknowledged_once(scene: Scene) -> None:
    scene.say("/agentos approve c0ffee0\n\nGood work.")
    for _ in range(3):
        await scene.listen()
    assert await scene.decided() == [(DecisionKind.APPROVE, "local")]
    assert await scene.acknowledged() == ["`/agentos approve` by local is recorded: **approve** at c0ffee000000."]


async def test_a_stranger_is_answered_once_and_what_they_said_never_counts(scene: Scene) -> None:
    scene.say("/agentos approve", author="mallory", author_id="66")
    await scene.listen()
    scene.say("/agentos cancel", author="mallory", author_id="66")
    scene.say("/agentos nonsense", author="mallory-renamed", author_id="66")
    await scene.listen()
    [answer] = await scene.acknowledged()
    assert "by mallory does not count: only people who may write" in answer

    scene.stand.tracker.writers.add("66")
    await scene.listen()
    assert await scene.decided() == [], "each of their words is used up"
    scene.say("/agentos approve", author="mallory", author_id="66")
    await scene.listen()
    assert await scene.decided() == [(DecisionKind.APPROVE, "mallory")]


async def test_a_bot_is_neither_heard_nor_answered(scene: Scene) -> None:
    scene.stand.tracker.writers.add("99")
    scene.say("/agentos approve", author="robot", author_id="99", is_bot=True)
    await scene.listen()
    assert (await scene.decided(), await scene.acknowledged()) == ([], [])


async def test_whom_the_operator_trusts_is_heard_by_id_where_people_have_one(scene: Scene) -> None:
    scene.stand = scene.stand.with_settings(trust={"people": ["ann", "17"]})
    scene.say("/agentos feedback Louder.", author="ann")
    scene.say("/agentos feedback Faster.", author="anybody", author_id="17")
    scene.say("/agentos reject Mine now.", author="ann", author_id="66")
    await scene.listen()
    assert await scene.decided() == [(DecisionKind.FEEDBACK, "ann"), (DecisionKind.FEEDBACK, "anybody")]


class Failing:
    """The tracker of a stand, which cannot say who may write."""

    def __init__(self, stand: Stand, kind: FailureKind) -> None:
        self._tracker, self._kind = stand.tracker, kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracker, name)

    async def may_write(self, author: str, author_id: str) -> bool:
        raise OutsideError("who may write cannot be found out", kind=self._kind)


def with_ports(scene: Scene, **ports: Any) -> Scene:
    """The same scene with other ports."""
    ctx = scene.stand.ctx
    return replace(scene, stand=replace(scene.stand, ctx=replace(ctx, ports=replace(ctx.ports, **ports))))


async def test_where_nobody_can_say_who_may_write_nothing_counts(scene: Scene) -> None:
    scene.say("/agentos approve")
    with pytest.raises(OutsideError):
        await with_ports(scene, tracker=Failing(scene.stand, FailureKind.TRANSIENT)).listen()
    assert (await scene.decided(), await scene.acknowledged()) == ([], []), "it is asked again"
    await with_ports(scene, tracker=Failing(scene.stand, FailureKind.DENIED)).listen()
    assert await scene.decided() == []
    assert len(await scene.acknowledged()) == 1


async def test_what_was_recorded_before_a_death_is_acknowledged_after_it_and_recorded_no_second_time(
    scene: Scene,
) -> None:
    scene.say("/agentos approve")
    with pytest.raises(OutsideError):
        await with_ports(scene, tracker=Mute(scene.stand)).listen()
    assert (await scene.decided(), await scene.acknowledged()) == ([(DecisionKind.APPROVE, "local")], [])
    await scene.listen()
    assert len(await scene.decided()) == 1
    assert await scene.acknowledged() == ["`/agentos approve` by local is recorded: **approve** at c0ffee000000."]


class Mute(Failing):
    """The tracker of a stand, which takes no comment."""

    def __init__(self, stand: Stand) -> None:
        super().__init__(stand, FailureKind.TRANSIENT)

    async def may_write(self, author: str, author_id: str) -> bool:
        return True

    async def write_comment(self, *_: object) -> str:
        raise OutsideError("no comment is taken", kind=self._kind)


async def test_what_was_acknowledged_counts_for_no_later_run_nor_after_the_database_was_lost(scene: Scene) -> None:
    scene.say("/agentos approve")
    scene.say("/agentos approve", author="mallory")
    await scene.listen()
    said = await scene.acknowledged()
    async with scene.stand.store.db.connection() as conn:
        await conn.execute("DELETE FROM effects")
        await conn.execute("DELETE FROM decisions")
    await scene.listen()
    assert (await scene.decided(), await scene.acknowledged()) == ([], said)
    fence, on = scene.stand.ctx.fence, Change(job=JobState.RUNNING, clear_wait=True)
    await scene.stand.store.runs.transition(fence, on, event=EventKind.RUN_RESUMED, data={}, event_id="on")
    later = replace(scene, stand=await scene.stand.next_run())
    await later.listen()
    assert (await later.decided(), await later.acknowledged()) == ([], said)


async def test_reviews_and_comments_of_the_pull_request_are_heard_like_those_of_the_issue(scene: Scene) -> None:
    forge = scene.stand.ctx.ports.forge
    assert isinstance(forge, MemoryForge)
    await forge.push(BRANCH, SHA, expected=None)
    opened = await forge.open_pr(PullRequestDraft(BRANCH, "main", "Divide safely", ""), EffectKey("pr"))
    ctx = scene.stand.ctx
    await scene.stand.store.effects.intend(ctx.fence, ctx.issue, EffectKey("pr"))
    await scene.stand.store.effects.record(ctx.fence, ctx.issue, EffectKey("pr"), {"number": opened.number})
    forge.say(opened.number, Comment("p1", "local", "/agentos status", "2026-01-02T00:00:00Z"))
    for number, state in enumerate(("changes_requested", "approved")):
        at = f"2026-01-02T00:00:0{number + 1}Z"
        await forge.add_review(opened.number, ReviewNote(f"r{number}", "local", state, "Louder.", SHA, at))
    await scene.listen()
    assert await scene.decided() == [(DecisionKind.FEEDBACK, "local"), (DecisionKind.APPROVE, "local")]
    status, *others = await scene.acknowledged()
    assert "run #1 is waiting in review at “look”" in status
    assert [each.partition(" by ")[0] for each in others] == [
        "The review that asks for changes",
        "The review that approves",
    ]

    await forge.push(BRANCH, "1" * 40, expected=SHA)
    scene.say("/agentos approve")
    await scene.listen()
    assert "the branch is at 111111111111 now" in (await scene.acknowledged())[-1]
    assert len(await scene.decided()) == 2


async def test_a_pull_request_that_is_gone_keeps_nobody_from_being_heard(scene: Scene) -> None:
    ctx = scene.stand.ctx
    await scene.stand.store.effects.intend(ctx.fence, ctx.issue, EffectKey("pr"))
    await scene.stand.store.effects.record(ctx.fence, ctx.issue, EffectKey("pr"), {"number": 99})
    scene.say("/agentos approve")
    await scene.listen()
    assert len(await scene.decided()) == len(await scene.acknowledged()) == 1


async def test_nothing_is_heard_or_written_on_an_issue_that_is_not_to_be_automated(scene: Scene) -> None:
    tracker, issue = scene.stand.tracker, scene.stand.ctx.issue
    scene.say("/agentos approve")
    kept = tracker._find(issue.number)
    kept.issue = replace(kept.issue, labels=(OPT_OUT_LABEL,))
    await scene.listen()
    assert (await scene.decided(), await scene.acknowledged()) == ([], [])


async def test_what_the_command_line_and_a_comment_say_meets_in_one_place(scene: Scene) -> None:
    run = await scene.stand.store.runs.get(scene.stand.ctx.run.id)
    await decide(scene.desk, run, Decision(DecisionKind.HOLD, "bob", "cli:1", "until Monday"))
    scene.say("/agentos approve")
    scene.say("/agentos resume")
    await scene.listen()
    assert [kind for kind, _ in await scene.decided()] == [DecisionKind.HOLD, DecisionKind.RESUME]
    assert "is on hold (by bob: until Monday)" in (await scene.acknowledged())[0]
