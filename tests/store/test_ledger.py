import asyncio

import pytest

from agentos.domain.error import BugError
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.store import Store
from agentos.store.fence import Fence

ISSUE = IssueRef("example.org/a/b", 7)


@pytest.fixture
async def fence(store: Store) -> Fence:
    run = await store.runs.create(ISSUE, target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=60)
    assert fence is not None
    return fence


async def note(store: Store, fence: Fence, text: str) -> int | None:
    event = await store.ledger.append(
        fence, EventKind.NOTE, stage=Stage.IMPL, step="code", data={"text": text}, event_id=text
    )
    return None if event is None else event.seq


async def test_numbers_have_no_gap_under_concurrency_and_a_repeat_adds_nothing(store: Store, fence: Fence) -> None:
    names = [str(n % 40) for n in range(80)]
    seqs = await asyncio.gather(*(note(store, fence, name) for name in names))
    assert sorted(seq for seq in seqs if seq is not None) == list(range(2, 42))
    events = await store.ledger.read(fence.run_id)
    assert [event.seq for event in events] == list(range(1, 42))
    assert sorted(event.data["text"] for event in events[1:]) == sorted({*names})


async def test_an_event_that_fails_leaves_no_gap(store: Store, fence: Fence) -> None:
    await note(store, fence, "a")
    with pytest.raises(BugError):
        await note(store, fence, "NUL\x00")
    assert await note(store, fence, "b") == 3


async def test_follow_tells_what_was_and_what_comes_without_polling(store: Store, fence: Fence) -> None:
    await note(store, fence, "before")
    async with asyncio.timeout(10):
        following = store.ledger.follow(fence.run_id, after=1)
        assert (await anext(following)).data == {"text": "before"}
        waiting = asyncio.ensure_future(anext(following))
        assert await store.db.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%%' AND state = 'idle'")
        for name in ("one", "two", "three"):
            await note(store, fence, name)
        got = [(await waiting).data["text"], *[(await anext(following)).data["text"] for _ in range(2)]]
        await following.aclose()
    assert got == ["one", "two", "three"]


async def test_follow_hears_no_other_run(store: Store, fence: Fence) -> None:
    other = await store.runs.create(IssueRef(ISSUE.repo, 8), target="t", profile="cli", options={})
    theirs = await store.runs.acquire(other.ref.id, owner="me", lease_s=60)
    assert theirs is not None
    async with asyncio.timeout(10):
        following = store.ledger.follow(fence.run_id, after=1)
        waiting = asyncio.ensure_future(anext(following))
        await note(store, theirs, "theirs")
        await note(store, fence, "ours")
        assert (await waiting).data == {"text": "ours"}
        await following.aclose()
