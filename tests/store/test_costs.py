"""What calls cost is added up by scope and part, across runs, days and processes."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import psycopg
import pytest

from agentos.domain.budget import Scope, Spend, Used
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.domain.requests import Requests
from agentos.ports.chat_model import CallRef
from agentos.store import Store
from agentos.store.database import open_database
from agentos.store.fence import Fence
from agentos.store.migrating import FOLDER
from tests.store import spender

ROOT = Path(__file__).parents[2]


async def started(store: Store, issue: IssueRef) -> Fence:
    run = await store.runs.create(issue, target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=600)
    assert fence is not None
    return fence


async def ended(store: Store, fence: Fence) -> None:
    async with store.db.connection() as conn:
        await conn.execute("UPDATE runs SET job = 'cancelled' WHERE id = %s", (fence.run_id,))


async def pay(store: Store, fence: Fence, stage: Stage, spend: Spend, *, model: str = "m", days_ago: int = 0) -> None:
    call = CallRef(fence.run_id, f"task-{stage}", stage, "drafter", 1)
    reserved = await store.exchanges.reserve(fence, call, 0, "d", model="asked", worst=Spend(1, 9000, 9000, 900.0))
    await store.exchanges.keep_reply(fence, reserved.id, model=model, payload={}, spend=spend)
    async with store.db.connection() as conn:
        await conn.execute(
            "UPDATE model_calls SET at = at - make_interval(days => %s) WHERE id = %s", (days_ago, reserved.id)
        )


async def test_an_issue_counts_all_its_runs_a_stage_its_part_and_a_day_everybodys(store: Store) -> None:
    one, other = IssueRef("r", 1), IssueRef("r", 2)
    first = await started(store, one)
    await pay(store, first, Stage.LLD, Spend(1, 10, 1, 1.0), days_ago=1)
    await pay(store, first, Stage.IMPL, Spend(1, 20, 2, 2.0))
    await ended(store, first)
    second, stranger = await started(store, one), await started(store, other)
    await pay(store, second, Stage.LLD, Spend(2, 40, 4, None))
    await pay(store, stranger, Stage.LLD, Spend(1, 80, 8, 8.0))
    assert await store.costs.used(second.run_id, Stage.LLD) == {
        Scope.ISSUE: Used(4, 77, 3.0, 2),
        Scope.STAGE: Used(3, 55, 1.0, 2),
        Scope.DAY: Used(4, 154, 10.0, 2),
    }
    assert await store.costs.used(stranger.run_id, Stage.IMPL) == {
        Scope.ISSUE: Used(1, 88, 8.0, 0),
        Scope.STAGE: Used(),
        Scope.DAY: Used(4, 154, 10.0, 2),
    }


async def test_a_call_is_charged_at_its_worst_until_it_is_settled_and_is_told_what_was_used_before(
    store: Store,
) -> None:
    fence = await started(store, IssueRef("r", 1))
    call = CallRef(fence.run_id, "task", Stage.LLD, "drafter", 1)

    async def reserve(n: int) -> tuple[int, Used]:
        worst = Spend(1, 100, 50, 5.0)
        reserved = await store.exchanges.reserve(fence, call, n, "d", model="m", worst=worst, counted=True)
        return reserved.id, reserved.used[Scope.DAY]

    first, before = await reserve(0)
    assert before == Used()
    second, before = await reserve(1)
    assert before == Used(1, 150, 5.0), "the one that is under way counts"
    await store.exchanges.keep_reply(fence, first, model="m", payload={}, spend=Spend(1, 10, 5, 0.5))
    await store.exchanges.give_up(fence, second, Spend())
    third, before = await reserve(2)
    assert before == Used(1, 15, 0.5), "the one that came to nothing does not count"
    await store.exchanges.give_up(fence, third, Spend(2, 200, 100, 10.0))
    assert (await reserve(3))[1] == Used(3, 315, 10.5)
    assert await store.exchanges.reply("task", 2, "d") is None
    assert [row.n for row in await store.exchanges.calls(fence.run_id)] == [0]


async def test_all_that_was_spent_is_told_by_issue_stage_model_and_day(store: Store) -> None:
    one, other = IssueRef("r", 1), IssueRef("elsewhere", 1)
    mine, theirs = await started(store, one), await started(store, other)
    await pay(store, mine, Stage.LLD, Spend(1, 10, 1, 1.0), model="a", days_ago=1)
    await pay(store, mine, Stage.IMPL, Spend(1, 20, 2, 2.0), model="b")
    await pay(store, theirs, Stage.LLD, Spend(1, 40, 4, None), model="b")
    call = CallRef(theirs.run_id, "task", Stage.FINALIZE, "drafter", 1)
    await store.exchanges.reserve(theirs, call, 0, "d", model="a", worst=Spend(1, 80, 8, 8.0))

    costs = await store.costs.whole()
    assert costs.total == Spend(4, 150, 15, None)
    assert costs.unsettled == Spend(1, 80, 8, 8.0)
    assert costs.by_issue == {other: Spend(2, 120, 12, None), one: Spend(2, 30, 3, 3.0)}
    assert list(costs.by_stage.items()) == [
        (Stage.LLD, Spend(2, 50, 5, None)),
        (Stage.IMPL, Spend(1, 20, 2, 2.0)),
        (Stage.FINALIZE, Spend(1, 80, 8, 8.0)),
    ]
    assert costs.by_model == {"a": Spend(2, 90, 9, 9.0), "b": Spend(2, 60, 6, None)}
    assert [spend.calls for _, spend in sorted(costs.by_day.items())] == [1, 3]
    assert (await store.costs.whole(repo="r")).total == Spend(2, 30, 3, 3.0)
    assert (await store.costs.whole(repo="r", issue=2)).total == Spend()
    assert (await store.costs.whole(repo="r", issue=2)).by_issue == {}


async def test_what_was_asked_of_github_is_the_sum_over_all_runs_of_the_issue(store: Store) -> None:
    async def tell(fence: Fence, id_: str, asked: Requests) -> None:
        kind, data = EventKind.REQUESTS_COUNTED, asdict(asked)
        await store.ledger.append(fence, kind, stage=None, step=None, data=data, event_id=id_)

    first = await started(store, IssueRef("r", 1))
    assert await store.costs.requests(first.run_id) == Requests()
    await tell(first, "one", Requests(3, 1, 1, 6))
    await tell(first, "two", Requests(4, 4, 0, 0))
    await ended(store, first)
    second, stranger = await started(store, IssueRef("r", 1)), await started(store, IssueRef("r", 2))
    await tell(second, "one", Requests(10, 0, 2, 18))
    await tell(stranger, "one", Requests(100, 0, 0, 100))
    for run in (first, second):
        assert await store.costs.requests(run.run_id) == Requests(17, 5, 3, 24)


def _race(url: str, runs: Sequence[int], *words: str) -> list[int]:
    """How many calls each of as many processes made, which begin at the same moment."""
    command = [sys.executable, "-m", spender.__name__, url]
    racers = [
        subprocess.Popen(
            [*command, str(run), *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for run in runs
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    return [int(racer.communicate(timeout=60)[0]) for racer in racers]


@pytest.mark.parametrize("settled", ["settles", "leaves it under way"])
async def test_processes_that_race_for_a_days_budget_pass_it_by_one_call_each_at_most(
    store: Store, database_url: str, settled: str
) -> None:
    runs = []
    for number in range(1, 5):
        run = await store.runs.create(IssueRef("r", number), target="t", profile="cli", options={})
        runs.append(run.ref.id)
    made = _race(database_url, runs, "6.0", "1.0", settled)
    total = (await store.costs.whole()).total
    assert total.calls == sum(made), "what was refused is not charged"
    assert total.usd is not None
    # Who is refused saw others' calls at their worst, so what they came to may leave as much unused.
    assert 6.0 - len(runs) * 0.5 <= total.usd <= 6.0 + len(runs) * 1.0


async def test_replies_of_an_earlier_version_stay_found_and_charged(empty_database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as conn:
        conn.execute("CREATE TABLE agentos_migrations (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())")
        for path in sorted(FOLDER.glob("000[123]*.sql")):
            conn.execute(path.read_bytes())
            conn.execute("INSERT INTO agentos_migrations (name) VALUES (%s)", (path.stem,))
        conn.execute(
            "INSERT INTO runs (repo, issue, number, target, profile, options) VALUES ('r', 1, 1, 't', 'cli', '{}')"
        )
        conn.execute(
            "INSERT INTO replies VALUES ('task', 0, 'd', 1, 'lld', 'drafter', 1, 'm', '{\"a\": 1}', 1, 10, 5, 0.5)"
        )
    async with open_database(tmp_path, empty_database_url) as db:
        store = Store.on(db, tmp_path)
        assert await store.exchanges.reply("task", 0, "d") == {"a": 1}
        costs = await store.costs.whole()
    assert (costs.total, costs.unsettled) == (Spend(1, 10, 5, 0.5), Spend())
