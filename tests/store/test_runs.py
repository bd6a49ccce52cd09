import asyncio
import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.error import BugError, FenceLost, UsageError
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Gate, Outcome, Stage
from agentos.domain.run import Run
from agentos.domain.status import ALLOWED, LIVE, TERMINAL, JobState, WaitKind
from agentos.store import Store
from agentos.store.fence import Fence
from agentos.store.runs import Change, LiveRunExists

ISSUE = IssueRef("example.org/a/b", 7)
CREATE = """
import asyncio, sys
from pathlib import Path
from agentos.domain.issue import IssueRef
from agentos.store import Store
from agentos.store.database import open_database
from agentos.store.runs import LiveRunExists

async def main():
    async with open_database(Path("."), sys.argv[1]) as db:
        print("ready", flush=True)
        sys.stdin.readline()
        try:
            run = await Store.on(db, Path(".")).runs.create(
                IssueRef("example.org/a/b", 7), target="t", profile="cli", options={})
            print("made", run.ref.number)
        except LiveRunExists as exc:
            print("found", exc.run.ref.number)

asyncio.run(main())
"""


async def queued(store: Store, issue: IssueRef = ISSUE) -> Run:
    return await store.runs.create(issue, target="t", profile="cli", options={"until": "pr"})


async def owned(store: Store, run: Run, owner: str = "me") -> Fence:
    fence = await store.runs.acquire(run.ref.id, owner=owner, lease_s=60)
    assert fence is not None
    return fence


async def expire(store: Store, fence: Fence) -> None:
    """The lease runs out, as the database's clock sees it."""
    await store.db.count(
        "UPDATE runs SET lease_until = clock_timestamp() - interval '1 second' WHERE id = %s", (fence.run_id,)
    )


async def move(store: Store, fence: Fence, name: str, change: Change) -> Run:
    return await store.runs.transition(fence, change, event=EventKind.NOTE, data={"why": name}, event_id=name)


def test_ten_processes_that_create_the_same_issues_run_make_one_row(database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, database_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(10)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert said == ["found 1"] * 9 + ["made 1"]


async def test_a_live_run_is_named_and_the_next_number_follows_its_end(store: Store) -> None:
    first = await queued(store)
    with pytest.raises(LiveRunExists) as caught:
        await queued(store)
    assert caught.value.run == first
    await move(store, await owned(store, first), "stop", Change(job=JobState.CANCELLED, outcome=Outcome.CANCELLED))
    assert await store.runs.live(ISSUE) is None
    second = await queued(store)
    assert (first.ref.number, second.ref.number) == (1, 2)
    assert await store.runs.latest(ISSUE) == second


async def test_sixteen_racing_owners_get_one_fence(store: Store) -> None:
    for number in range(5):
        run = await queued(store, IssueRef("r", number))
        got = await asyncio.gather(
            *(store.runs.acquire(run.ref.id, owner=str(n), lease_s=60) for n in range(16)),
        )
        assert [fence for fence in got if fence is not None] == [Fence(run.ref.id, 1)]


async def test_racing_for_an_expired_lease_counts_one_takeover(store: Store) -> None:
    run = await queued(store)
    await expire(store, await owned(store, run))
    got = await asyncio.gather(*(store.runs.acquire(run.ref.id, owner=str(n), lease_s=60) for n in range(16)))
    assert [fence for fence in got if fence is not None] == [Fence(run.ref.id, 2)]
    assert (await store.runs.get(run.ref.id)).takeovers == 1


async def test_a_released_run_is_taken_without_counting_a_takeover(store: Store) -> None:
    run = await queued(store)
    first = await owned(store, run)
    await store.runs.release(first)
    second = await owned(store, run)
    assert (await store.runs.get(run.ref.id)).takeovers == 0
    await store.runs.release(first)
    assert await store.runs.renew(second, 60)


async def test_the_lease_goes_by_the_databases_clock_alone(store: Store) -> None:
    run = await queued(store)
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=90)
    assert fence is not None
    left = await store.db.row(
        "SELECT extract(epoch FROM lease_until - clock_timestamp())::float AS s FROM runs WHERE id = %s", (run.ref.id,)
    )
    assert left is not None
    assert 80 < left["s"] <= 90
    assert await store.runs.acquire(run.ref.id, owner="you", lease_s=60) is None


def test_a_worker_whose_clock_is_years_off_takes_no_lease(database_url: str, tmp_path: Path) -> None:
    """The worker's own clock says 2050; the lease it meets runs for another minute."""
    code = """
import asyncio, sys, time, datetime
from pathlib import Path
time.time = lambda: 2524608000.0
class Later(datetime.datetime):
    @classmethod
    def now(cls, tz=None): return cls(2050, 1, 1, tzinfo=tz)
datetime.datetime = Later
from agentos.domain.issue import IssueRef
from agentos.store import Store
from agentos.store.database import open_database
async def main():
    async with open_database(Path("."), sys.argv[1]) as db:
        runs = Store.on(db, Path(".")).runs
        run = await runs.create(IssueRef("r", 1), target="t", profile="cli", options={})
        first = await runs.acquire(run.ref.id, owner="a", lease_s=60)
        print(first.epoch, await runs.acquire(run.ref.id, owner="b", lease_s=60))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code, database_url], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "1 None\n", done.stderr


async def test_the_lease_of_an_owner_known_to_be_dead_need_not_expire(store: Store) -> None:
    run = await queued(store)
    await owned(store, run, "here/1/55")
    for alive in ("there/", "here/2", ""):
        assert await store.runs.acquire(run.ref.id, owner="here/1/66", lease_s=60, dead=alive) is None
    got = await asyncio.gather(
        *(store.runs.acquire(run.ref.id, owner=f"there/{n}", lease_s=60, dead="here/1/") for n in range(8))
    )
    assert [fence for fence in got if fence is not None] == [Fence(run.ref.id, 2)]
    assert (await store.runs.get(run.ref.id)).takeovers == 1


async def test_renewing_late_is_fine_until_somebody_took_over(store: Store) -> None:
    run = await queued(store)
    fence = await owned(store, run)
    await expire(store, fence)
    assert await store.runs.renew(fence, 60)
    await expire(store, fence)
    await owned(store, run, "other")
    assert not await store.runs.renew(fence, 60)


async def test_acquiring_a_run_that_does_not_exist_says_so(store: Store) -> None:
    with pytest.raises(UsageError, match="no run with the id 99"):
        await store.runs.acquire(99, owner="me", lease_s=60)
    with pytest.raises(UsageError, match="no run with the id 99"):
        await store.runs.get(99)


@pytest.mark.parametrize("before", JobState)
async def test_only_allowed_jobs_follow_each_other(store: Store, before: JobState) -> None:
    for number, after in enumerate(JobState):
        run = await queued(store, IssueRef("r", number))
        fence = await owned(store, run)
        if before is not JobState.QUEUED:
            await move(store, fence, "running", Change(job=JobState.RUNNING))
        if before not in (JobState.QUEUED, JobState.RUNNING):
            await move(store, fence, "before", Change(job=before))
        events = len(await store.ledger.read(run.ref.id))
        if after in ALLOWED[before]:
            assert (await move(store, fence, "after", Change(job=after))).job is after
            continue
        with pytest.raises(BugError, match=f"is {before}, after which {after} may not come"):
            await move(store, fence, "after", Change(job=after))
        assert (await store.runs.get(run.ref.id)).job is before
        assert len(await store.ledger.read(run.ref.id)) == events


def test_the_database_and_the_domain_mean_the_same_jobs() -> None:
    """The partial index and the check constraint repeat the domain's words; this is what keeps them together."""
    import agentos.store.migrating

    sql = (agentos.store.migrating.FOLDER / "0001_start.sql").read_text()
    listed = sql.split("CHECK (job IN (")[1].split(")")[0]
    assert {word.strip(" '") for word in listed.split(",")} == {str(job) for job in JobState}
    for part in sql.split("job NOT IN (")[1:]:
        assert {word.strip(" '") for word in part.split(")")[0].split(",")} == {str(job) for job in TERMINAL}


async def test_a_transition_writes_row_and_event_together_and_a_repeat_changes_nothing(store: Store) -> None:
    run = await queued(store)
    fence = await owned(store, run)
    started = await move(store, fence, "go", Change(job=JobState.RUNNING, stage=Stage.TRIAGE, step="kickoff"))
    assert (started.job, started.stage, started.step) == (JobState.RUNNING, Stage.TRIAGE, "kickoff")
    assert started.started_at is not None
    again = await move(store, fence, "go", Change(job=JobState.FAILED, stage=Stage.LLD))
    assert again == started
    later = await move(store, fence, "lld", Change(stage=Stage.LLD, step="design"))
    assert later.started_at == started.started_at
    assert later.stage_started_at is not None
    assert started.stage_started_at is not None
    assert later.stage_started_at > started.stage_started_at
    same = await move(store, fence, "review", Change(stage=Stage.LLD, step="design-review"))
    assert same.stage_started_at == later.stage_started_at
    events = await store.ledger.read(run.ref.id)
    assert [(event.seq, event.stage, event.step) for event in events] == [
        (1, None, None),
        (2, Stage.TRIAGE, "kickoff"),
        (3, Stage.LLD, "design"),
        (4, Stage.LLD, "design-review"),
    ]
    assert events[0].kind is EventKind.RUN_QUEUED


async def test_a_wait_is_kept_word_for_word_until_it_is_cleared(store: Store) -> None:
    run = await queued(store)
    fence = await owned(store, run)
    wait = Wait(
        WaitKind.GATE,
        Stage.IMPL,
        "Look at the change",
        "**what** changed: ü \\ \" '",
        (DecisionKind.APPROVE, DecisionKind.FEEDBACK),
        subject="abc",
        gate=Gate.BEFORE_PR,
        questions=("a?", "b?"),
        evidence=("x",),
        needs=("y",),
    )
    await move(store, fence, "go", Change(job=JobState.RUNNING))
    waiting = await move(store, fence, "wait", Change(job=JobState.WAITING, wait=wait))
    assert waiting.wait_kind is WaitKind.GATE
    assert await store.runs.wait(run.ref.id) == wait
    await move(store, fence, "hold", Change(job=JobState.PAUSED))
    assert await store.runs.wait(run.ref.id) == wait
    on = await move(store, fence, "on", Change(job=JobState.RUNNING, clear_wait=True))
    assert on.wait_kind is None
    assert await store.runs.wait(run.ref.id) is None


async def test_an_end_has_its_time_and_outcome_and_an_error_leaves_with_its_job(store: Store) -> None:
    run = await queued(store)
    fence = await owned(store, run)
    await move(store, fence, "go", Change(job=JobState.RUNNING))
    parked = await move(store, fence, "park", Change(job=JobState.RETRY_WAIT, error="no quota"))
    assert (parked.error, parked.completed_at) == ("no quota", None)
    resumed = await move(store, fence, "on", Change(job=JobState.RUNNING))
    assert resumed.error == ""
    ended = await move(store, fence, "end", Change(job=JobState.SUCCEEDED, outcome=Outcome.MERGED))
    assert ended.outcome is Outcome.MERGED
    assert ended.completed_at is not None


async def test_runs_are_found_by_repo_issue_and_job_newest_first(store: Store) -> None:
    made = [await queued(store, IssueRef(repo, number)) for repo, number in product("ab", (1, 2))]
    await move(store, await owned(store, made[0]), "x", Change(job=JobState.CANCELLED))
    ids = [run.ref.id for run in await store.runs.find()]
    assert ids == sorted(ids, reverse=True)
    assert [run.ref.id for run in await store.runs.find(repo="a")] == [made[1].ref.id, made[0].ref.id]
    assert [run.ref.id for run in await store.runs.find(number=1, jobs=LIVE)] == [made[2].ref.id]
    assert len(await store.runs.find(limit=2)) == 2
    assert await store.runs.find(jobs=()) == ()


async def test_what_a_run_was_started_with_comes_back(store: Store) -> None:
    options = {"until": "pr", "list": [1, 2.5, None, True], "deep": {"ü": "\u2028 \\ \" '"}}
    run = await store.runs.create(ISSUE, target="/x y/ü", profile="service", options=options)
    assert json.dumps(await store.runs.options(run.ref.id)) == json.dumps(options)
    assert (run.target, run.profile, run.job, run.epoch) == ("/x y/ü", "service", JobState.QUEUED, 0)
    assert run.created_at.endswith("+00:00")


async def test_a_decision_counts_once_for_each_source_and_is_consumed_once(store: Store) -> None:
    run = await queued(store)
    fence = await owned(store, run)
    decision = Decision(DecisionKind.APPROVE, "ann", "comment:5", text="go ü", subject="abc", stage=Stage.IMPL)
    rows = await asyncio.gather(*(store.decisions.record(run.ref.id, decision) for _ in range(8)))
    (row,) = [row for row in rows if row is not None]
    assert row.decision == decision
    assert await store.decisions.pending(run.ref.id) == (row,)
    await store.decisions.consume(fence, row.id)
    (consumed,) = await store.decisions.of_run(run.ref.id)
    await store.decisions.consume(fence, row.id)
    assert await store.decisions.pending(run.ref.id) == ()
    assert await store.decisions.of_run(run.ref.id) == (consumed,)
    assert await store.decisions.record(run.ref.id, decision) is None


async def test_a_decision_is_consumed_by_its_own_runs_owner_only(store: Store) -> None:
    run = await queued(store)
    row = await store.decisions.record(run.ref.id, Decision(DecisionKind.HOLD, "ann", "cli:1"))
    assert row is not None
    other = await owned(store, await queued(store, IssueRef("r", 9)))
    with pytest.raises(BugError, match="not one about run"):
        await store.decisions.consume(other, row.id)
    with pytest.raises(UsageError, match="no run with the id 99"):
        await store.decisions.record(99, Decision(DecisionKind.HOLD, "ann", "cli:1"))


async def test_a_released_fence_moves_nothing(store: Store) -> None:
    run = await queued(store)
    fence = await owned(store, run)
    await store.runs.release(fence)
    with pytest.raises(FenceLost):
        await move(store, fence, "go", Change(job=JobState.RUNNING))
