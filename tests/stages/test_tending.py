"""Which runs the service takes on: what nobody works on, what is due, what somebody spoke to; never what is theirs."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.issue import IssueRef
from agentos.domain.run import Run
from agentos.domain.status import JobState
from agentos.runs.desk import Desk
from agentos.runs.tending import hidden, is_due
from agentos.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
async def desk(store: Store, tmp_path: Any) -> Desk:
    async def nothing(*_: object) -> Any:
        raise AssertionError("nothing is equipped here")

    return Desk(store, ManualClock(), tmp_path / "home", nothing)


@pytest.fixture
async def run(store: Store) -> Run:
    return await store.runs.create(IssueRef("repo", 1), target="there", profile="service", options={})


def at(desk: Desk, seconds: float) -> str:
    return (desk.clock.now() + timedelta(seconds=seconds)).isoformat()


async def test_what_waits_for_nobody_is_taken_on(desk: Desk, run: Run) -> None:
    for state, due in {
        JobState.QUEUED: True,
        JobState.RUNNING: True,  # its lease is over
        JobState.WAITING: False,
        JobState.BLOCKED: False,
        JobState.PAUSED: True,  # stopped with the service before
        JobState.SUCCEEDED: False,
    }.items():
        assert await is_due(desk, replace(run, job=state), touched=False) is due, state
    for state in (JobState.WAITING, JobState.BLOCKED):
        assert await is_due(desk, replace(run, job=state), touched=True)
    at_work = replace(run, job=JobState.RUNNING, owner="elsewhere/x/1", lease_until=at(desk, 60))
    assert not await is_due(desk, at_work, touched=True)


def test_who_waits_for_a_person_without_a_mark_is_looked_at(run: Run) -> None:
    states = list(JobState)
    runs = [
        replace(run, job=job, ref=replace(run.ref, id=at, issue=IssueRef("repo", at))) for at, job in enumerate(states)
    ]
    waiting = {at for at, job in enumerate(states) if job in (JobState.WAITING, JobState.BLOCKED)}
    assert hidden(runs, ()) == waiting
    assert hidden(runs, range(len(states))) == frozenset()


async def test_a_parked_run_goes_on_when_its_time_comes_and_not_before(desk: Desk, run: Run) -> None:
    parked = replace(run, job=JobState.RETRY_WAIT, due_at=at(desk, 60))
    assert not await is_due(desk, parked, touched=False)
    assert not await is_due(desk, parked, touched=True)
    assert await is_due(desk, replace(parked, due_at=at(desk, 0)), touched=False)
    await desk.store.decisions.record(run.ref.id, Decision(DecisionKind.CANCEL, "ann", "cli:1"))
    assert await is_due(desk, parked, touched=True)


async def test_a_run_on_hold_stays_there_and_one_stopped_at_a_terminal_is_its_persons(desk: Desk, run: Run) -> None:
    paused = replace(run, job=JobState.PAUSED)
    theirs = replace(paused, profile="cli")
    assert not await is_due(desk, theirs, touched=True)
    await desk.store.decisions.record(run.ref.id, Decision(DecisionKind.HOLD, "ann", "cli:1"))
    assert not await is_due(desk, paused, touched=False)
    assert await is_due(desk, paused, touched=True)  # somebody may have resumed it in a comment
    await desk.store.decisions.record(run.ref.id, Decision(DecisionKind.RESUME, "ann", "cli:2"))
    assert await is_due(desk, theirs, touched=False)
