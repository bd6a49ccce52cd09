import asyncio

import pytest

from agentos.domain.effect import EffectKey
from agentos.domain.error import BugError
from agentos.domain.issue import IssueRef
from agentos.store import Store
from agentos.store.effects import EffectRow
from agentos.store.fence import Fence

ISSUE = IssueRef("example.org/a/b", 7)
KEY = EffectKey("status-comment")


async def owner(store: Store, issue: IssueRef = ISSUE) -> Fence:
    run = await store.runs.latest(issue) or await store.runs.create(issue, target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=60)
    assert fence is not None
    return fence


async def row_of(store: Store) -> EffectRow:
    row = await store.effects.get(ISSUE, KEY)
    assert row is not None
    return row


async def test_an_intent_is_found_again_by_the_next_owner(store: Store) -> None:
    first = await owner(store)
    intended = await store.effects.intend(first, ISSUE, KEY)
    assert (intended.state, intended.result, intended.epoch) == ("intended", None, 1)
    await store.runs.release(first)
    found = await store.effects.intend(await owner(store), ISSUE, KEY)
    assert (found.state, found.at, found.epoch) == ("intended", intended.at, 2)


async def test_a_recorded_effect_stays_as_it_is(store: Store) -> None:
    fence = await owner(store)
    await store.effects.intend(fence, ISSUE, KEY, version="a")
    await store.effects.record(fence, ISSUE, KEY, {"id": "5"})
    recorded = await row_of(store)
    assert (recorded.state, recorded.result) == ("recorded", {"id": "5"})
    await store.effects.record(fence, ISSUE, KEY, {"id": "5"})
    assert await store.effects.intend(fence, ISSUE, KEY, version="a") == recorded == await row_of(store)


async def test_another_version_is_intended_anew_and_each_keeps_its_first_time(store: Store) -> None:
    fence = await owner(store)
    first = await store.effects.intend(fence, ISSUE, KEY, version="a")
    await store.effects.record(fence, ISSUE, KEY, {"id": "5"})
    other = await store.effects.intend(fence, ISSUE, KEY, version="b")
    assert (other.state, other.version, other.result) == ("intended", "b", None)
    assert other.at > first.at
    again = await store.effects.intend(fence, ISSUE, KEY, version="a")
    assert (again.state, again.at) == ("intended", first.at)
    assert again.at.endswith("+00:00")


async def test_a_later_run_finds_what_an_earlier_one_made_and_takes_it_over_by_recording(store: Store) -> None:
    first = await owner(store)
    await store.effects.intend(first, ISSUE, KEY)
    await store.effects.record(first, ISSUE, KEY, {"id": "5"})
    await store.db.count("UPDATE runs SET job = 'succeeded'")
    run = await store.runs.create(ISSUE, target="t", profile="cli", options={})
    second = await store.runs.acquire(run.ref.id, owner="me", lease_s=60)
    assert second is not None
    found = await store.effects.intend(second, ISSUE, KEY)
    assert (found.state, found.run_id) == ("recorded", first.run_id)
    await store.effects.record(second, ISSUE, KEY, {"id": "5"})
    assert (await row_of(store)).run_id == second.run_id


async def test_eight_intents_at_once_are_one_row(store: Store) -> None:
    fence = await owner(store)
    rows = await asyncio.gather(*(store.effects.intend(fence, ISSUE, KEY) for _ in range(8)))
    assert len({row.at for row in rows}) == 1
    assert await store.effects.of_issue(ISSUE) == (await row_of(store),)


async def test_effects_of_an_issue_come_in_the_order_they_were_intended(store: Store) -> None:
    fence = await owner(store)
    for key in ("pr", "branch", "deploy@abc"):
        await store.effects.intend(fence, ISSUE, EffectKey(key))
    other = IssueRef(ISSUE.repo, 8)
    await store.effects.intend(await owner(store, other), other, EffectKey("pr"))
    assert [row.key for row in await store.effects.of_issue(ISSUE)] == ["pr", "branch", "deploy@abc"]


async def test_a_result_without_an_intent_is_our_bug(store: Store) -> None:
    with pytest.raises(BugError, match="without an intent"):
        await store.effects.record(await owner(store), ISSUE, KEY, {})
