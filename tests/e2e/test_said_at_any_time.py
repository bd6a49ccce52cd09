"""Hold, resume and cancel: said at a wait, while the run works, or before it began; each takes effect once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count

import pytest

from agentos.bootstrap import Place, database_url, open_desk, open_place
from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.error import UsageError
from agentos.domain.event import Event, EventKind
from agentos.domain.pipeline import Outcome, Stage
from agentos.domain.run import Run
from agentos.domain.status import JobState
from agentos.runs.advance import advance
from agentos.runs.decide import decide
from agentos.runs.desk import ENTRY, Desk
from agentos.runs.former import former_values, supersede
from agentos.runs.start import restart, start
from agentos.store.ledger import unseen
from agentos.workflows.orchestrator.state import resumed
from tests.crash.toy import LLD, PROOF, SPEC, replies
from tests.e2e.conftest import Desk as Machine

_sources = count(1)


@dataclass
class Person:
    """Somebody at the machine, whose runs are driven in this process."""

    desk: Desk
    place: Place
    machine: Machine

    async def begin(self) -> Run:
        return await start(self.desk, self.place.target, 1)

    async def says(self, run: Run, kind: DecisionKind, text: str = "", stage: Stage | None = None) -> Decision:
        said = Decision(kind, "ann", f"test:{next(_sources)}", text, stage=stage)
        return await decide(self.desk, run, said)

    async def takes_on(self, run: Run) -> Run:
        return await advance(self.desk, run)

    async def kinds(self, run: Run) -> list[str]:
        """What was decided, as the ledger tells it."""
        events = await self.desk.store.ledger.read(run.ref.id)
        return [str(each.data["kind"]) for each in events if each.kind is EventKind.DECISION_TAKEN]

    def left_over(self) -> list[str]:
        """What a cancelled run must not leave behind."""
        branches = self.machine.git("for-each-ref", "--format=%(refname)", "refs/heads/agentos").splitlines()
        scratch = [str(path) for path in self.machine.home.glob("scratch/*")]
        open_prs = [
            str(path) for path in self.machine.home.glob("forge/*/*.json") if '"state": "open"' in path.read_text()
        ]
        return branches + scratch + open_prs + self.machine.worktrees()


Open = Callable[..., AbstractAsyncContextManager[Person]]


@pytest.fixture
def person(desk: Machine, monkeypatch: pytest.MonkeyPatch) -> Open:
    for name, value in desk.environment.items():
        monkeypatch.setenv(name, value)

    @asynccontextmanager
    async def opened(observe: Callable[[Event], None] = unseen) -> AsyncIterator[Person]:
        place = await open_place(desk.target)
        async with open_desk(place.settings.home, database_url(place.settings), observe=observe) as inner:
            yield Person(inner, place, desk)

    return opened


async def test_a_run_held_at_a_gate_takes_no_answer_until_it_is_resumed(person: Open) -> None:
    async with person() as ann:
        run = await ann.begin()
        asked = await ann.desk.store.runs.wait(run.ref.id)
        await ann.says(run, DecisionKind.HOLD, "until Monday")
        held = await ann.takes_on(run)
        assert (held.job, held.error) == (JobState.PAUSED, "on hold by ann: until Monday")
        with pytest.raises(UsageError, match=r"on hold \(by ann: until Monday\): `agentos resume 1` first"):
            await ann.says(held, DecisionKind.APPROVE)
        with pytest.raises(UsageError, match="on hold already"):
            await ann.says(held, DecisionKind.HOLD)
        with pytest.raises(UsageError, match="on hold"):
            await restart(ann.desk, ann.place.target, 1, Stage.TRIAGE)
        assert (await ann.begin()).job is JobState.PAUSED

        await ann.says(held, DecisionKind.RESUME)
        resumed = await ann.takes_on(held)
        assert resumed.job is JobState.WAITING
        assert await ann.desk.store.runs.wait(run.ref.id) == asked
        await ann.says(resumed, DecisionKind.APPROVE)
        assert (await ann.takes_on(resumed)).stage is Stage.REVIEW
        assert await ann.kinds(run) == ["hold", "resume", "approve"]


@pytest.mark.parametrize("node", ["write_brief", "code", "test"])
async def test_a_hold_while_it_works_drains_it_at_its_step_and_resuming_goes_on(person: Open, node: str) -> None:
    said: list[asyncio.Task[Decision]] = []

    def hear(event: Event) -> None:
        if event.kind is EventKind.STEP_STARTED and event.data["node"] == node and not said:
            said.append(asyncio.create_task(ann.says(run, DecisionKind.HOLD)))

    async with person(hear) as ann:
        run = await ann.desk.store.runs.create(
            ann.place.target.issue(1), target=str(ann.place.target.folder), profile="cli", options={}
        )
        held = await ann.takes_on(run)
        assert said, "the step was never begun"
        assert held.job is JobState.PAUSED
        await ann.says(held, DecisionKind.RESUME)
        done = await ann.takes_on(held)
        assert done.job is JobState.WAITING
        calls = await ann.desk.store.exchanges.calls(run.ref.id)
        assert len({(call.stage, call.role, call.round, call.n) for call in calls}) == len(calls), "paid once"


async def _to_the_gate(ann: Person) -> Run:
    return await ann.begin()


async def _to_the_review(ann: Person) -> Run:
    run = await ann.begin()
    await ann.says(run, DecisionKind.APPROVE)
    return await ann.takes_on(run)


async def _to_a_hold_in_the_review(ann: Person) -> Run:
    run = await _to_the_review(ann)
    await ann.says(run, DecisionKind.HOLD)
    return await ann.takes_on(run)


async def _not_begun(ann: Person) -> Run:
    target = ann.place.target
    return await ann.desk.store.runs.create(target.issue(1), target=str(target.folder), profile="cli", options={})


async def _killed(ann: Person) -> Run:
    """`--resume-from impl`, and the process died when the new run had its row and nothing more."""
    first = await ann.begin()
    entry = resumed(await former_values(ann.desk, first), Stage.IMPL, started_at="2026-03-01T10:00:00+00:00")
    await supersede(ann.desk, first)
    target = ann.place.target
    return await ann.desk.store.runs.create(
        target.issue(1), target=str(target.folder), profile="cli", options={ENTRY: entry}
    )


@pytest.mark.parametrize("stand", [_to_the_gate, _to_the_review, _to_a_hold_in_the_review, _not_begun, _killed])
async def test_a_cancelled_run_leaves_nothing_behind_wherever_it_stood(
    person: Open, stand: Callable[[Person], Awaitable[Run]]
) -> None:
    async with person() as ann:
        run = await stand(ann)
        await ann.says(run, DecisionKind.CANCEL, "done by hand")
        done = await ann.takes_on(run)
        assert (done.job, done.outcome) == (JobState.CANCELLED, Outcome.CANCELLED)
        assert ann.left_over() == []
        assert (await ann.kinds(run)).count("cancel") == 1
        with pytest.raises(UsageError, match="has ended"):
            await ann.says(done, DecisionKind.CANCEL)


@pytest.mark.parametrize(("node", "from_gate"), [("code", False), ("review", False), ("deploy", True)])
async def test_a_cancel_while_it_works_cleans_up_after_the_step(person: Open, node: str, from_gate: bool) -> None:
    said: list[asyncio.Task[Decision]] = []

    def hear(event: Event) -> None:
        if event.kind is EventKind.STEP_STARTED and event.data["node"] == node and not said:
            said.append(asyncio.create_task(ann.says(run, DecisionKind.CANCEL, "never mind")))

    async with person(hear) as ann:
        run = await _not_begun(ann)
        if from_gate:
            run = await ann.takes_on(run)
            await ann.says(run, DecisionKind.APPROVE)
        done = await ann.takes_on(run)
        assert said, "the step was never begun"
        assert done.outcome is Outcome.CANCELLED
        assert ann.left_over() == []
        assert "never mind" in (ann.machine.target / "tickets" / "001-shout.thread.md").read_text("utf-8")


async def test_a_word_said_while_the_run_lets_go_is_not_lost(person: Open) -> None:
    said: list[asyncio.Task[Decision]] = []

    def hear(event: Event) -> None:
        if event.kind is EventKind.RUN_WAITING and not said:
            said.append(asyncio.create_task(ann.says(run, DecisionKind.CANCEL)))

    async with person(hear) as ann:
        run = await _not_begun(ann)
        assert (await ann.takes_on(run)).outcome is Outcome.CANCELLED


async def test_a_merged_change_cannot_be_cancelled(person: Open) -> None:
    def hear(event: Event) -> None:
        if event.kind is EventKind.EFFECT_DONE and event.data["key"] == "merge":
            said.append(asyncio.create_task(ann.says(run, DecisionKind.CANCEL)))

    said: list[asyncio.Task[Decision]] = []
    async with person(hear) as ann:
        run = await _to_the_review(ann)
        await ann.says(run, DecisionKind.APPROVE)
        done = await ann.takes_on(run)
        assert done.outcome is Outcome.MERGED
        with pytest.raises(UsageError, match="merged already as"):
            await said[0]


async def test_a_run_that_died_before_its_first_step_enters_where_it_was_told_to(person: Open) -> None:
    async with person() as ann:
        run = await _killed(ann)
        assert (await former_values(ann.desk, run))["resumed_from"] == Stage.IMPL
        done = await ann.begin()
        assert (done.ref.number, done.stage, done.job) == (2, Stage.IMPL, JobState.WAITING)
        calls = await ann.desk.store.exchanges.calls(run.ref.id)
        assert {call.stage for call in calls} == {Stage.IMPL}, "what was made before is not paid for again"


async def test_a_blocked_design_is_skipped_retried_or_rejected_and_takes_no_other_word(
    person: Open, desk: Machine
) -> None:
    script = replies()
    block = {"json": {"verdict": "block", "summary": "No.", "confidence": 90, "findings": []}}
    script["lld", "reviewer", 1] = script["lld", "reviewer", 2] = [block]
    script["lld", "drafter", 2] = [{"json": {**LLD, "logic": "The greeting, by upper()."}}]
    script["spec", "drafter", 1] = [
        {"json": {**SPEC, "tests": [{"scenario": "AC-1", "test": PROOF}], "checklist": ["AC-1 proved"]}}
    ]
    desk.says(script)
    async with person() as ann:
        run = await ann.begin()
        assert (run.job, run.stage) == (JobState.BLOCKED, Stage.LLD)
        with pytest.raises(UsageError, match="which takes retry, feedback, reject, not answer"):
            await ann.says(run, DecisionKind.ANSWER, "yes")
        with pytest.raises(UsageError, match="spec cannot be skipped now"):
            await ann.says(run, DecisionKind.SKIP, "no need", Stage.SPEC)
        with pytest.raises(UsageError, match="skip needs a reason"):
            await ann.says(run, DecisionKind.SKIP, "", Stage.LLD)
        await ann.says(run, DecisionKind.RETRY)
        again = await ann.takes_on(run)
        assert (again.job, again.stage) == (JobState.BLOCKED, Stage.LLD), (
            "the reviewer says the same of the second draft"
        )
        await ann.says(again, DecisionKind.SKIP, "it is in the issue", Stage.LLD)
        done = await ann.takes_on(again)
        assert (done.job, done.stage) == (JobState.WAITING, Stage.IMPL)
        reasons = [
            event.data["reason"]
            for event in await ann.desk.store.ledger.read(run.ref.id)
            if event.kind is EventKind.STAGE_SKIPPED
        ]
        assert reasons == ["ann: it is in the issue"]
        await ann.says(done, DecisionKind.REJECT, "not wanted")
        assert (await ann.takes_on(done)).outcome is Outcome.CANCELLED
        assert ann.left_over() == []
