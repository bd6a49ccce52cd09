"""The service in this process over the fake GitHub, with a clock that the test moves."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.bootstrap import open_desk, open_place
from agentos.cli.serve_command import AS_SERVICE
from agentos.domain.event import Event, EventKind
from agentos.domain.run import Run
from agentos.runs.desk import Desk
from agentos.service.loop import Service
from agentos.service.notice import Notice
from agentos.service.watch import Watch
from tests.crash.toy import make_target, replies
from tests.e2e.conftest import as_script
from tests.github.fake import NAME, OWNER, TOKEN, US, FakeGitHub
from tests.github.server import API, Server

SHORTEST_NAP_S = 30.0
BODY = """\
## Objective
`greet.py` can shout a greeting.

## Acceptance criteria
- `shout("Ann")` gives the greeting in capitals.
"""


class NapClock(ManualClock):
    """Notes how long the service rests between two looks; shorter sleeps are other people's."""

    def __init__(self, stirred: asyncio.Event) -> None:
        super().__init__()
        self.naps: list[float] = []
        self._stirred = stirred

    async def sleep(self, seconds: float) -> None:
        if seconds >= SHORTEST_NAP_S:
            self.naps.append(seconds)
            self._stirred.set()
        await super().sleep(seconds)


@dataclass
class Serving:
    """A running service. Nothing here waits for a time: a look is over when the service rests."""

    server: Server
    desk: Desk
    service: Service
    clock: NapClock
    stirred: asyncio.Event
    events: list[Event]
    notices: list[Notice]
    task: "asyncio.Task[None]" = field(init=False)

    _is_taking_on: bool = False

    def __post_init__(self) -> None:
        takes_on = self.service._take_on_or_nap

        async def noted() -> float | None:
            self._is_taking_on = True
            try:
                return await takes_on()
            finally:
                self._is_taking_on = False

        self.service._take_on_or_nap = noted  # type: ignore[method-assign]
        self.task = asyncio.create_task(self.service.run())

    @property
    def hub(self) -> FakeGitHub:
        return self.server.github

    async def until(self, happened: Callable[[], bool]) -> None:
        """Returns once that is so; raises what ended the service."""
        while not happened():
            self.stirred.clear()
            turn = asyncio.ensure_future(self.stirred.wait())
            await asyncio.wait([turn, self.task], return_when=asyncio.FIRST_COMPLETED, timeout=60)
            assert turn.done() or self.task.done(), (self.notices, self.events[-3:])
            turn.cancel()
            if self.task.done():
                self.task.result()
                return

    async def look(self, *, by_itself: bool = False) -> None:
        """Effect: the service looked once more, and what it began has come as far as it can."""
        looks = len(self.clock.naps)
        if by_itself:
            await self.clock.advance(self.clock.naps[-1])
        else:
            self.service.wake()
        await self.until(lambda: len(self.clock.naps) > looks)
        await self.at_rest()

    async def at_rest(self) -> None:
        """Returns once no run is at work and none is about to be."""
        quiet = 0
        while quiet < 20 and not self.task.done():
            await asyncio.gather(*self.service._working.values())
            await self.desk.store.runs.find(limit=1)  # as long as a word of the database is on its way
            is_busy = self._is_taking_on or self.service._working or self.service._stir.is_set()
            quiet = 0 if is_busy else quiet + 1

    async def first(self) -> None:
        """Effect: the first look is over, and what it began."""
        await self.until(lambda: bool(self.clock.naps))
        await self.at_rest()

    def count(self, kind: EventKind) -> int:
        return len([event for event in self.events if event.kind is kind])

    async def runs(self) -> tuple[Run, ...]:
        return await self.desk.store.runs.find()

    def ours(self, number: int) -> list[str]:
        """What we wrote on the issue, without the hidden first lines."""
        theirs = [each for _, each in sorted(self.hub.comments.items()) if each["issue_url"].endswith(f"/{number}")]
        return [each["body"].partition("\n")[2].strip() for each in theirs if each["user"]["id"] == US[0]]

    def labels(self, number: int) -> set[str]:
        return {each["name"] for each in self.hub.issues[number]["labels"]}


@dataclass(frozen=True)
class Yard:
    """A clone of the repository on the fake GitHub, and the settings for it in the environment."""

    server: Server
    target: Path
    home: Path
    database_url: str

    @asynccontextmanager
    async def serving(self, **overrides: Any) -> AsyncIterator[Serving]:
        """A service here, told to stop at the end."""
        stirred, events, notices = asyncio.Event(), list[Event](), list[Notice]()

        def observe(event: Event) -> None:
            events.append(event)
            stirred.set()

        def tell(notice: Notice) -> None:
            notices.append(notice)
            stirred.set()

        opens = partial(open_place, self.target, {**overrides, **AS_SERVICE})
        place = await opens()
        async with open_desk(self.home, self.database_url, observe=observe) as real:
            clock = NapClock(stirred)
            desk = replace(real, clock=clock)
            service = Service(desk, [Watch(desk, place, opens, tell)], place.settings.service.runs, tell)
            made = Serving(self.server, desk, service, clock, stirred, events, notices)
            try:
                yield made
            finally:
                service.request_drain("the test ends")
                await made.task


def make_yard(server: Server, folder: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """The yard below `folder`, around a `server` whose repository is at `folder / "hub.git"`."""
    target, home, script = folder / "target", folder / "home", folder / "replies.json"
    subprocess.run(["git", "clone", "-q", str(folder / "hub.git"), str(target)], check=True)
    address = f"{server.github.url}/{OWNER}/{NAME}.git"
    subprocess.run(["git", "-C", str(target), "remote", "set-url", "origin", address], check=True)
    (folder / "config.yaml").write_text("tracker: {kind: github}\nforge: {kind: github}\n", "utf-8")
    script.write_text(json.dumps(as_script(replies())), "utf-8")
    for name, value in {
        "HOME": str(home),
        "CONFIG": str(folder / "config.yaml"),
        "GITHUB__API_URL": server.github.url + API,
        "GITHUB_TOKEN": TOKEN,
        "MODELS__SCRIPT": str(script),
    }.items():
        monkeypatch.setenv(f"AGENTOS_{name}", value)
    return Yard(server, target, home, database_url)


def make_hub(folder: Path) -> Path:
    """The bare repository of the fake GitHub, with the toy in it."""
    toy, hub = make_target(folder / "toy"), folder / "hub.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(toy), str(hub)], check=True)
    subprocess.run(["git", "--git-dir", str(hub), "config", "http.receivepack", "true"], check=True)
    return hub
