import json

import pytest

from agentos.domain.budget import Spend
from agentos.domain.error import BugError
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef
from agentos.store import Store
from agentos.store.exchanges import ToolState
from agentos.store.fence import Fence

WORST = Spend(1, 1000, 1000, 10.0)


@pytest.fixture
async def fence(store: Store) -> Fence:
    run = await store.runs.create(IssueRef("r", 1), target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=60)
    assert fence is not None
    return fence


async def keep(store: Store, fence: Fence, n: int, payload: dict[str, object], spend: Spend, model: str = "m") -> None:
    call = CallRef(fence.run_id, "task", Stage.LLD if n % 2 else Stage.SPEC, "drafter", 1)
    reserved = await store.exchanges.reserve(fence, call, n, f"d{n}", model="asked", worst=WORST)
    await store.exchanges.keep_reply(fence, reserved.id, model=model, payload=payload, spend=spend)


async def test_a_reply_comes_back_key_for_key_and_the_first_one_stays(store: Store, fence: Fence) -> None:
    payload = {"z": 1, "a": [1.0, 1e-7, 2**70, None], "long key": {"ü": "\u2028\\"}, "b": ""}
    await keep(store, fence, 0, payload, Spend(calls=1))
    await keep(store, fence, 0, {"other": True}, Spend(calls=1))
    assert json.dumps(await store.exchanges.reply("task", 0, "d0")) == json.dumps(payload)
    assert await store.exchanges.reply("task", 0, "d1") is None
    assert await store.exchanges.reply("task", 1, "d0") is None
    assert len(await store.exchanges.calls(fence.run_id)) == 1
    assert (await store.costs.spend(fence.run_id)).calls == 2, "the second one was paid for, too"


async def test_spend_is_summed_and_one_unknown_price_makes_the_sum_unknown(store: Store, fence: Fence) -> None:
    assert await store.costs.spend(fence.run_id) == Spend()
    await keep(store, fence, 0, {}, Spend(1, 10, 5, 0.25))
    await keep(store, fence, 1, {}, Spend(3, 20, 6, 0.5))
    assert await store.costs.spend(fence.run_id) == Spend(4, 30, 11, 0.75)
    await keep(store, fence, 2, {}, Spend(1, 1, 1, None), model="unpriced")
    assert await store.costs.spend(fence.run_id) == Spend(5, 31, 12, None)
    assert await store.costs.spend_by(fence.run_id, "model") == {
        "m": Spend(4, 30, 11, 0.75),
        "unpriced": Spend(1, 1, 1, None),
    }
    by_stage = await store.costs.spend_by(fence.run_id, "stage")
    assert by_stage == {"lld": Spend(3, 20, 6, 0.5), "spec": Spend(2, 11, 6, None)}
    calls = await store.exchanges.calls(fence.run_id)
    assert [(call.stage, call.role, call.round, call.n, call.model) for call in calls] == [
        (Stage.SPEC, "drafter", 1, 0, "m"),
        (Stage.LLD, "drafter", 1, 1, "m"),
        (Stage.SPEC, "drafter", 1, 2, "unpriced"),
    ]
    assert calls[2].spend == Spend(1, 1, 1, None)


async def test_a_tool_call_is_unknown_started_or_finished_with_its_first_result(store: Store, fence: Fence) -> None:
    state = store.exchanges.tool_state
    assert await state("task", "c") is None
    await store.exchanges.start_tool(fence, "task", "c")
    await store.exchanges.start_tool(fence, "task", "c")
    assert await state("task", "c") == ToolState(started=True, result=None)
    await store.exchanges.finish_tool(fence, "task", "c", {"output": "one"})
    await store.exchanges.finish_tool(fence, "task", "c", {"output": "two"})
    assert await state("task", "c") == ToolState(started=True, result={"output": "one"})
    assert await state("other", "c") is None


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"deep": [{"x": "a\x00b"}]}, r"\$\.deep\[0\]\.x has a NUL"),
        ({"x": "\ud800"}, "lone surrogate"),
        ({"\ud800": 1}, "lone surrogate"),
        ({"a\x00": 1}, "NUL"),
        ({"x": float("nan")}, "nan"),
        ({"x": float("-inf")}, "-inf"),
        ({1: "x"}, "keys of stored JSON are text"),
        ({"x": {1, 2}}, "is a set"),
        ({"x": b"raw"}, "is a bytes"),
    ],
)
async def test_what_is_not_plain_json_is_refused_by_name_and_not_stored(
    store: Store, fence: Fence, bad: dict[str, object], words: str
) -> None:
    with pytest.raises(BugError, match=words):
        await keep(store, fence, 0, bad, Spend())
    assert await store.exchanges.calls(fence.run_id) == ()
