"""What people wait for goes first: a share of each limit is kept from pictures, and work goes on without those."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agentos.adapters import opening
from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.deployer.github import GitHubDeployer
from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.pace import LIMITS, Pace
from agentos.adapters.tracker.github import GitHubTracker
from agentos.config.delivery import DeploySettings
from agentos.domain.effect import STATUS_COMMENT, EffectKey, marker
from agentos.domain.error import Crowded
from agentos.domain.event import EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.issue import IssueRef
from agentos.domain.status import READY_LABEL, JobState, Status
from agentos.ports.deployer import DeployRequest
from agentos.ports.tracker import Board
from tests.github.server import Server, serving
from tests.github.service import Yard

ISSUE, ACK = IssueRef("repo", 1), EffectKey("ack:comment:1")
RUNNING = Board(Status.IN_PROGRESS, "agentos:running")
ASKING = Board(Status.IN_REVIEW, "agentos:waiting", attention=True)


@pytest.fixture
def bare() -> Iterator[Server]:
    """A GitHub without any git."""
    with serving() as bare:
        bare.github.open_issue("A flag", "Add it.")
        yield bare


async def full_of_pictures(clock: ManualClock, most: int = 50) -> Pace:
    """A pace of `most` changes an hour, of which only what is kept for people is left."""
    pace = Pace(clock, [(most, 3600.0)])
    with suppress(Crowded):
        while True:
            await pace.turn("a picture", picture=True)
    return pace


@pytest.mark.parametrize(("number", "seconds"), LIMITS)
async def test_a_fifth_of_each_limit_is_kept_from_pictures(number: int, seconds: float) -> None:
    clock = ManualClock()
    pace = Pace(clock, [(number, seconds)])
    for _ in range(number * 4 // 5):
        await pace.turn("a picture", picture=True)
    late = asyncio.create_task(pace.turn("a picture", picture=True))
    await clock.advance(0)
    for _ in range(number // 5):
        await pace.turn("an acknowledgement")
    assert clock.monotonic_s() == 0
    if seconds > 60:
        with pytest.raises(Crowded, match="of the 500 changes an hour that GitHub takes, 100 are kept") as caught:
            await late
        assert (caught.value.kind, caught.value.retry_after_s) == (FailureKind.TRANSIENT, seconds)
    else:
        assert not late.done()
        await clock.advance(seconds)
        await late


async def test_what_people_wait_for_passes_every_picture_that_waits() -> None:
    clock = ManualClock()
    pace = Pace(clock, [(5, 60.0)])
    for _ in range(4):
        await pace.turn("a picture", picture=True)
    late = [asyncio.create_task(pace.turn("a picture", picture=True)) for _ in range(9)]
    await clock.advance(0)
    await clock.advance(59)
    await pace.turn("an acknowledgement")
    assert (clock.monotonic_s(), any(each.done() for each in late)) == (59, False)
    await clock.advance(1)
    done = await asyncio.gather(*(each for each in late if each.done()), return_exceptions=True)
    assert done[:3] == [None] * 3, "with the acknowledgement there is room for three"
    assert [type(each) for each in done[3:]] == [Crowded] * 6, "nobody waits for longer than a minute on the spot"
    await pace.turn("a merge")
    assert clock.monotonic_s() == 60


async def test_which_writes_are_pictures(bare: Server) -> None:
    clock = ManualClock()
    pace = await full_of_pictures(clock)
    tracker = GitHubTracker(bare.place(), "repo", clock, pace)
    status = await tracker.write_comment(ISSUE, "It begins.", STATUS_COMMENT)
    ack = await tracker.write_comment(ISSUE, "It is recorded.", ACK)
    for picture in (tracker.show(ISSUE, RUNNING), tracker.edit_comment(ISSUE, status, "It goes on.")):
        with pytest.raises(Crowded):
            await picture
    assert bare.github.issues[1]["labels"] == []
    await tracker.edit_comment(ISSUE, ack, "It is recorded: approve.")
    await tracker.show(ISSUE, ASKING)
    assert len(bare.github.issues[1]["labels"]) == 2, "a person is called"
    await tracker.close(ISSUE, "Done.")
    await tracker.show(ISSUE, Board(Status.DONE, "agentos:done"))
    assert [each["name"] for each in bare.github.issues[1]["labels"]] == ["agentos:done"]


async def test_a_deployment_goes_on_without_the_picture_of_its_beginning(bare: Server) -> None:
    clock = ManualClock()
    api = GitHubClient(bare.place(), clock, await full_of_pictures(clock))
    deployer = GitHubDeployer(api, DeploySettings(kind="github"), MemoryDeployer())
    request = DeployRequest("1" * 40, Path(), "demo_1")
    assert (await deployer.deploy(request)).sha == request.sha
    ((number, states),) = bare.github.ci.deployment_statuses.items()
    assert [each["state"] for each in states] == ["success"], number


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_run_goes_on_while_there_is_no_room_for_pictures_and_still_calls_a_person(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    pace = await full_of_pictures(ManualClock(), 100)
    monkeypatch.setattr(opening, "_pace", lambda *_: pace)
    hub = yard.server.github
    number = hub.open_issue("Add a shout function", "Make it loud.", labels=(READY_LABEL,))
    async with yard.serving() as service:
        await service.first()
        assert service.labels(number) == {"agentos:waiting", "agent-review"}
        hub.comment(number, "/agentos answer greet.py gets shout(name): the greeting in capitals.")
        await service.look(by_itself=True)
        (run,) = await service.runs()
        assert (run.job, len(hub.pulls)) == (JobState.WAITING, 1), service.notices
        assert service.count(EventKind.RUN_PARKED) == 0
        (status,) = (each["body"] for each in hub.comments.values() if marker(STATUS_COMMENT) in each["body"])
        assert "| lld | to come |" in status, "it is as it was first written"
        notes = [event.data["text"] for event in service.events if event.kind is EventKind.NOTE]
        assert [each.partition(":")[0] for each in notes] == [
            "board and status comment could not be brought up to date"
        ] * 2
