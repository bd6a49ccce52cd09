"""The loop: it looks for work, takes runs on, a few at a time, and rests until something happens."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from agentos.domain.error import FenceLost, OutsideError, UsageError
from agentos.domain.issue import IssueRef
from agentos.domain.run import Run
from agentos.domain.status import JobState
from agentos.runs.desk import Desk
from agentos.runs.heeding import AGAIN_S
from agentos.runs.ownership import AlreadyRunning
from agentos.runs.tending import has_word, is_due
from agentos.service.notice import Notice, Tell
from agentos.service.watch import Watch

if TYPE_CHECKING:
    from langgraph.runtime import RunControl

NAP_S = 5.0
"""Between two tries to read a database that broke off."""


class Service:
    """The watched repositories, and at most `slots` runs of theirs at work in this process.

    Which run may be worked on is not decided here: its lease is (`runs/ownership.py`), so any number of services, and
    people at their terminals, may work on one database.
    """

    def __init__(self, desk: Desk, watches: Sequence[Watch], slots: int, tell: Tell) -> None:
        self._desk, self._watches, self._slots, self._tell = desk, tuple(watches), slots, tell
        self._working: dict[int, asyncio.Task[None]] = {}
        self._controls: dict[int, RunControl] = {}
        self._touched: set[int] = set()
        self._heard: set[int] = set()
        self._tried: set[tuple[int, str | None]] = set()
        self._stir = asyncio.Event()
        self._woken = {watch.repo: asyncio.Event() for watch in watches}
        self._stopping = self._is_cut_off = False
        self._over = asyncio.Event()
        self.issues: dict[int, IssueRef] = {}
        """The issue of every run that was at work here, by the run's id."""

    @property
    def repos(self) -> tuple[str, ...]:
        """The repo-keys of what is watched."""
        return tuple(self._woken)

    def wake(self, repo: str = "") -> None:
        """Effect: the repository, or every one, is looked at without waiting for its time, and soon once more, since what
        it was woken for may show up a little later. Repeating is harmless."""
        for watch in self._watches:
            if not repo or watch.repo == repo:
                watch.rhythm.begin_again()
                self._woken[watch.repo].set()

    def request_drain(self, reason: str) -> None:
        """Effect: nothing new is begun; runs at work stop after their present step; `run` returns when they have."""
        self._stopping = True
        for control in self._controls.values():
            control.request_drain(reason)
        self.wake()
        self._stir.set()

    async def run(self) -> None:
        """Returns once it was asked to drain and every run has stopped. What is out of reach ends nothing."""
        watching = [asyncio.create_task(self._watch(watch)) for watch in self._watches]
        watching.append(asyncio.create_task(self._hear()))
        try:
            await self._work(watching)
        finally:
            self.request_drain("the service ends")
            self._over.set()
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, *self._working.values(), return_exceptions=True)

    async def _work(self, watching: Sequence["asyncio.Task[None]"]) -> None:
        while not self._stopping:
            for task in watching:
                if task.done():
                    task.result()  # a fault of ours: not to be gone over
            self._stir.clear()
            await rest(self._desk, await self._take_on_or_nap(), self._stir)
        await asyncio.gather(*self._working.values())

    # -- looking -----------------------------------------------------------------------------------------------------

    async def _watch(self, watch: Watch) -> None:
        try:
            while not self._stopping:
                busy, touched = await watch.look()
                self._touched |= touched
                self._tried.clear()
                self._stir.set()
                await rest(self._desk, watch.rhythm.after(busy=busy or bool(self._working)), self._woken[watch.repo])
        finally:
            self._stir.set()

    async def _hear(self) -> None:
        """What people decide anywhere is heard of at once; where the database broke off, all runs are looked at."""
        over = self._over
        while not over.is_set():
            with contextlib.suppress(OutsideError):
                async with contextlib.aclosing(self._desk.store.decisions.heard()) as turns:
                    async for run_id in turns:
                        if over.is_set():
                            return  # Python 3.11's wait_for, inside the driver, may have swallowed the cancelling
                        self._heard |= {run_id} if run_id is not None else set()
                        self._stir.set()
            await self._desk.clock.sleep(AGAIN_S)

    # -- working -----------------------------------------------------------------------------------------------------

    async def _take_on_or_nap(self) -> float | None:
        """Seconds until a run is due, or the database is tried again; None where nothing is due by itself."""
        try:
            due_s = await self._take_on()
        except OutsideError as exc:
            if not self._is_cut_off:
                self._tell(Notice(f"the queue cannot be read now: {exc}", is_trouble=True))
            self._is_cut_off = True
            return NAP_S
        self._is_cut_off = False
        return due_s

    async def _take_on(self) -> float | None:
        """Seconds until the next parked run is due; None where none is. Effect: as many runs are at work as there are
        slots for and something to do."""
        due_s = []
        for watch in self._watches:
            for run in await watch.runs() if watch.is_fit else ():
                if len(self._working) >= self._slots or self._stopping:
                    return None
                if run.ref.id in self._working:
                    continue
                if await self._is_due(run):
                    self._begin(watch, run)
                elif run.job is JobState.RETRY_WAIT and run.due_at is not None:
                    due_s.append((datetime.fromisoformat(run.due_at) - self._desk.clock.now()).total_seconds())
        return min((seconds for seconds in due_s if seconds > 0), default=None)

    async def _is_due(self, run: Run) -> bool:
        if run.ref.id in self._heard:
            self._heard.discard(run.ref.id)
            self._touched |= {run.ref.id} if await has_word(self._desk, run) else set()
        touched = run.ref.id in self._touched
        tried = (run.ref.id, run.due_at) in self._tried
        return (touched or not tried) and await is_due(self._desk, run, touched=touched)

    def _begin(self, watch: Watch, run: Run) -> None:
        from langgraph.runtime import RunControl

        self.issues[run.ref.id] = run.ref.issue
        self._touched.discard(run.ref.id)
        self._tried.add((run.ref.id, run.due_at))
        self._controls[run.ref.id] = RunControl()
        self._working[run.ref.id] = asyncio.create_task(self._drive(run))
        if watch.rhythm.is_slow:
            self.wake(watch.repo)

    async def _drive(self, run: Run) -> None:
        """Effect: the run went as far as it can without a person."""
        from agentos.runs.advance import advance

        try:
            await advance(self._desk, run, control=self._controls[run.ref.id])
        except AlreadyRunning:
            pass  # another process was faster, and does what there is to do
        except FenceLost:
            self._say(run, "another process took the run over")
        except (OutsideError, UsageError) as exc:
            self._say(run, f"cannot go on now: {exc}")
        except Exception as exc:  # noqa: BLE001 - a fault in one run must not take the others' service away
            self._say(run, f"a fault of AgentOS: {type(exc).__name__}: {exc}")
        finally:
            del self._working[run.ref.id], self._controls[run.ref.id]
            self._stir.set()

    def _say(self, run: Run, text: str) -> None:
        self._tell(Notice(text, run.ref.issue.repo, run.ref.issue.number, is_trouble=True))


async def rest(desk: Desk, seconds: float | None, woken: asyncio.Event) -> None:
    """Returns after `seconds` (None: never by itself), or as soon as `woken` is set, which it is no more then."""
    waiting = [asyncio.ensure_future(woken.wait())]
    waiting += [] if seconds is None else [asyncio.ensure_future(_slept(desk, seconds))]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    woken.clear()


async def _slept(desk: Desk, seconds: float) -> Literal[True]:
    await desk.clock.sleep(seconds)
    return True
