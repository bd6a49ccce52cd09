"""A process that lost its run can write nothing for it any more; whoever follows it sees all that it wrote."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from agentos.domain.artifact import ArtifactKind
from agentos.domain.budget import Spend
from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.effect import EffectKey
from agentos.domain.error import FenceLost
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.domain.status import JobState
from agentos.ports.chat_model import CallRef
from agentos.store import Store, database
from agentos.store.fence import Fence, check
from agentos.store.runs import Change
from agentos.store.saver import open_saver

ISSUE = IssueRef("example.org/a/b", 7)
KEY = EffectKey("branch")
HERE = {"configurable": {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "1"}}


async def reserve(store: Store, fence: Fence) -> int:
    call = CallRef(fence.run_id, "task", Stage.LLD, "drafter", 1)
    return (await store.exchanges.reserve(fence, call, 0, "d", model="m", worst=Spend(calls=1))).id


@dataclass
class Writer:
    """Every way to write for a run, by name."""

    store: Store
    fence: Fence
    decision_id: int
    call_id: int

    async def transition(self) -> None:
        change, event = Change(job=JobState.RUNNING), EventKind.RUN_RESUMED
        await self.store.runs.transition(self.fence, change, event=event, data={}, event_id="e1")

    async def event(self) -> None:
        await self.store.ledger.append(self.fence, EventKind.NOTE, stage=None, step=None, data={}, event_id="e2")

    async def intent(self) -> None:
        await self.store.effects.intend(self.fence, ISSUE, EffectKey("pr"))

    async def record(self) -> None:
        await self.store.effects.record(self.fence, ISSUE, KEY, {"sha": "new"})

    async def artifact(self) -> None:
        await self.store.artifacts.put(self.fence, ISSUE, 1, ArtifactKind.LLD, b"new", suffix=".md")

    async def reservation(self) -> None:
        await reserve(self.store, self.fence)

    async def settlement(self) -> None:
        await self.store.exchanges.keep_reply(self.fence, self.call_id, model="m", payload={}, spend=Spend(calls=1))

    async def refusal(self) -> None:
        await self.store.exchanges.give_up(self.fence, self.call_id, Spend())

    async def tool_start(self) -> None:
        await self.store.exchanges.start_tool(self.fence, "task", "call")

    async def tool_finish(self) -> None:
        await self.store.exchanges.finish_tool(self.fence, "task", "call", {"output": "x"})

    async def consumption(self) -> None:
        await self.store.decisions.consume(self.fence, self.decision_id)

    async def checkpoint(self) -> None:
        config = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        saved = empty_checkpoint()
        saved["channel_values"] = {"inline": "x", "blob": {"a": 1}}
        saver = open_saver(self.store.db, self.fence)
        await saver.aput(config, saved, {}, {"inline": "1", "blob": "1"})  # type: ignore[arg-type]

    async def checkpoint_writes(self) -> None:
        await open_saver(self.store.db, self.fence).aput_writes(HERE, [("channel", {"a": 1})], "task")  # type: ignore[arg-type]


WAYS: dict[str, Callable[[Writer], Awaitable[None]]] = {
    name: way for name, way in vars(Writer).items() if asyncio.iscoroutinefunction(way)
}
TABLES = [
    *("runs", "events", "effects", "decisions", "artifact_contents", "artifacts", "model_calls", "tool_calls"),
    *("checkpoints", "checkpoint_blobs", "checkpoint_writes"),
]


async def everything(store: Store) -> dict[str, list[dict[str, object]]]:
    return {table: await store.db.rows(f"SELECT * FROM {table}") for table in TABLES}


@pytest.fixture
async def stale(store: Store) -> Writer:
    """Somebody who lost the run to another process while working on it."""
    run = await store.runs.create(ISSUE, target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="slow", lease_s=60)
    row = await store.decisions.record(run.ref.id, Decision(DecisionKind.HOLD, "ann", "cli:1"))
    assert fence is not None
    assert row is not None
    await store.effects.intend(fence, ISSUE, KEY)
    return Writer(store, fence, row.id, await reserve(store, fence))


async def take_over(store: Store, fence: Fence) -> Fence:
    await store.db.count(
        "UPDATE runs SET lease_until = clock_timestamp() - interval '1 second' WHERE id = %s", (fence.run_id,)
    )
    taken = await store.runs.acquire(fence.run_id, owner="quick", lease_s=60)
    assert taken is not None
    return taken


@pytest.mark.parametrize("way", WAYS)
async def test_a_stale_owner_can_write_nothing(store: Store, stale: Writer, way: str) -> None:
    successor = await take_over(store, stale.fence)
    before = await everything(store)
    with pytest.raises(FenceLost, match="no longer owned"):
        await WAYS[way](stale)
    assert await everything(store) == before
    # The same write is good for the successor: it was the fence that refused, nothing else.
    await WAYS[way](replace(stale, fence=successor))
    assert await everything(store) != before


@pytest.mark.parametrize("way", WAYS)
async def test_an_owner_that_released_the_run_can_write_nothing(store: Store, stale: Writer, way: str) -> None:
    await store.runs.release(stale.fence)
    before = await everything(store)
    with pytest.raises(FenceLost):
        await WAYS[way](stale)
    assert await everything(store) == before


@pytest.mark.parametrize("way", WAYS)
async def test_an_owner_whose_lease_ran_out_may_write_while_nobody_took_over(
    store: Store, stale: Writer, way: str
) -> None:
    await store.db.count("UPDATE runs SET lease_until = clock_timestamp() - interval '1 hour'")
    before = await everything(store)
    await WAYS[way](stale)
    assert await everything(store) != before


async def test_every_kind_of_write_is_tried_here(store: Store, stale: Writer) -> None:
    """Together the ways above change every table but the one that needs no fence."""
    before = await everything(store)
    for way in WAYS.values():
        await way(stale)
    after = await everything(store)
    assert {table for table in TABLES if after[table] != before[table]} == set(TABLES)


async def test_a_takeover_waits_for_a_write_that_has_begun(store: Store, stale: Writer) -> None:
    await store.db.count("UPDATE runs SET lease_until = clock_timestamp() - interval '1 hour'")
    async with store.db.transaction() as conn:
        await check(conn, stale.fence)
        taking = asyncio.ensure_future(store.runs.acquire(stale.fence.run_id, owner="quick", lease_s=60))
        while not await store.db.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            assert not taking.done()
        await conn.execute("INSERT INTO tool_calls (run_id, task_id, call_id) VALUES (%s, 'a', 'b')", (1,))
        assert not taking.done()
    assert await taking == Fence(stale.fence.run_id, 2)
    assert await store.exchanges.tool_state("a", "b") is not None


async def test_a_writer_that_stops_in_a_checkpoint_holds_nobody_up_for_ever(
    store: Store, stale: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen inside the pipeline it is not idle in the server's eyes; yet its session ends and the run is free."""
    monkeypatch.setattr(database, "STUCK_AFTER", "500ms")
    async with database.open_database(tmp_path, store.db.url) as impatient:
        with pytest.raises(FenceLost):  # noqa: PT012 - it is the end of the pipeline that raises
            async with open_saver(impatient, stale.fence)._fenced() as (conn, _):
                await (await conn.execute("SELECT 1")).fetchone()
                await take_over(store, stale.fence)


async def test_one_owners_writes_do_not_block_each_other_for_ever(store: Store, stale: Writer) -> None:
    """Shared and exclusive locks on one row, all at once: a deadlock would raise."""

    async def append(n: int) -> None:
        await store.ledger.append(stale.fence, EventKind.NOTE, stage=None, step=None, data={}, event_id=f"n{n}")

    async def start(n: int) -> None:
        await store.exchanges.start_tool(stale.fence, "task", f"c{n}")

    async with asyncio.timeout(20):
        await asyncio.gather(*(write(n) for n in range(60) for write in (append, start)))
    assert [event.seq for event in await store.ledger.read(stale.fence.run_id)] == list(range(1, 62))


async def test_langgraphs_own_saver_would_let_the_stale_owner_write(store: Store, stale: Writer) -> None:
    """The hole that FencedSaver closes; if this fails, LangGraph closed it and the fence may go."""
    await take_over(store, stale.fence)
    await AsyncPostgresSaver(store.db.pool).aput_writes(HERE, [("channel", {"a": 1})], "task")  # type: ignore[arg-type]
    assert len(await store.db.rows("SELECT * FROM checkpoint_writes")) == 1
