import contextlib
import json
import os
from pathlib import Path
from typing import TypedDict

import ormsgpack
import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from agentos.domain.error import FenceLost
from agentos.domain.issue import IssueRef
from agentos.store import Store
from agentos.store.fence import Fence
from agentos.store.saver import FencedSaver, open_saver

HERE: RunnableConfig = {"configurable": {"thread_id": "t"}}
EXT_CONSTRUCTOR_SINGLE_ARG = 0


class State(TypedDict, total=False):
    items: list[str]
    answer: str


async def fence_of(store: Store) -> Fence:
    run = await store.runs.create(IssueRef("r", 1), target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=60)
    assert fence is not None
    return fence


def graph_on(saver: AsyncPostgresSaver) -> "object":
    async def work(state: State) -> State:
        return {"items": ["one"]}

    async def ask(state: State) -> State:
        return {"answer": interrupt("?")}

    graph = StateGraph(State)
    graph.add_node("work", work)
    graph.add_node("ask", ask)
    graph.add_edge(START, "work")
    graph.add_edge("work", "ask")
    graph.add_edge("ask", END)
    return graph.compile(checkpointer=saver)


async def test_a_graph_pauses_and_resumes_on_the_fenced_saver_across_owners(store: Store) -> None:
    fence = await fence_of(store)
    first = graph_on(open_saver(store.db, fence))
    await first.ainvoke({"items": []}, HERE, durability="sync")  # type: ignore[attr-defined]
    await store.runs.release(fence)
    successor = await store.runs.acquire(fence.run_id, owner="you", lease_s=60)
    assert successor is not None
    second = graph_on(open_saver(store.db, successor))
    (asked,) = (await second.aget_state(HERE)).interrupts  # type: ignore[attr-defined]
    with pytest.raises(FenceLost):
        await first.ainvoke(Command(resume={asked.id: "old"}), HERE, durability="sync")  # type: ignore[attr-defined]
    done = await second.ainvoke(Command(resume={asked.id: "new"}), HERE, durability="sync")  # type: ignore[attr-defined]
    assert done == {"items": ["one"], "answer": "new"}


async def test_langgraphs_writes_are_in_the_transaction_that_holds_the_fence(store: Store) -> None:
    """The row lock of a pipeline without BEGIN ends with the write, not before: both carry one transaction's id."""
    fence = await fence_of(store)
    await graph_on(open_saver(store.db, fence)).ainvoke({"items": []}, HERE, durability="sync")  # type: ignore[attr-defined]
    locked = await store.db.row("SELECT xmax::text AS by FROM runs")
    written = await store.db.rows("SELECT xmin::text AS by FROM checkpoint_writes")
    assert locked in written


async def test_what_a_finished_step_wrote_is_kept_once(store: Store) -> None:
    saver = open_saver(store.db, await fence_of(store))
    await graph_on(saver).ainvoke({"items": []}, HERE, durability="sync")  # type: ignore[attr-defined]
    newest = await store.db.row("SELECT max(checkpoint_id) AS id FROM checkpoints")
    left = await store.db.rows("SELECT DISTINCT checkpoint_id FROM checkpoint_writes")
    assert newest is not None
    assert left == [{"checkpoint_id": newest["id"]}], "the interrupt of the step that waits, and nothing else"


def test_compiling_keeps_the_fence(store: Store) -> None:
    """LangGraph copies a checkpointer when it adds the types of a state to what may be read back."""
    saver = FencedSaver.__new__(FencedSaver)
    saver.serde = JsonPlusSerializer(allowed_msgpack_modules=None)
    saver.fence = Fence(1, 1)
    copied = saver.with_allowlist({("x", "Y")})
    assert copied is not saver
    assert isinstance(copied, FencedSaver)
    assert copied.fence == saver.fence


def crafted(marker: Path, form: str) -> tuple[str, bytes]:
    """What somebody who can write to the database could leave there: (type, bytes) of a value that runs a command."""
    command = f"touch {marker}"
    if form == "msgpack":
        call = ormsgpack.Ext(EXT_CONSTRUCTOR_SINGLE_ARG, ormsgpack.packb(["os", "system", command]))
        return "msgpack", ormsgpack.packb(call, option=ormsgpack.OPT_NON_STR_KEYS)
    if form == "json":
        return "json", json.dumps({"lc": 2, "type": "constructor", "id": ["os", "system"], "args": [command]}).encode()
    return "pickle", f"cposix\nsystem\n(V{command}\ntR.".encode()


async def plant(store: Store, planted: tuple[str, bytes]) -> None:
    fence = await fence_of(store)
    graph = graph_on(open_saver(store.db, fence))
    await graph.ainvoke({"items": []}, HERE, durability="sync")  # type: ignore[attr-defined]
    await store.db.count("UPDATE checkpoint_blobs SET type = %s, blob = %s WHERE channel = 'items'", planted)
    await store.db.count("UPDATE checkpoint_writes SET type = %s, blob = %s", planted)


@pytest.mark.parametrize("form", ["msgpack", "json", "pickle"])
async def test_a_crafted_checkpoint_runs_no_code(store: Store, tmp_path: Path, form: str) -> None:
    marker = tmp_path / "ran"
    await plant(store, crafted(marker, form))
    saver = open_saver(store.db, Fence(1, 1))
    # LangGraph reads the first two as plain data and does not know the third at all.
    with pytest.raises(NotImplementedError) if form == "pickle" else contextlib.nullcontext():
        assert await saver.aget_tuple(HERE) is not None
    assert not marker.exists()


async def test_the_crafted_checkpoint_does_run_code_without_our_serializer(store: Store, tmp_path: Path) -> None:
    """What makes the test above worth something."""
    marker = tmp_path / "ran"
    await plant(store, crafted(marker, "msgpack"))
    await AsyncPostgresSaver(store.db.pool, serde=JsonPlusSerializer(allowed_msgpack_modules=True)).aget_tuple(HERE)
    assert marker.exists()


def test_importing_the_saver_makes_langgraph_strict_everywhere() -> None:
    assert os.environ["LANGGRAPH_STRICT_MSGPACK"] == "true"
