"""Plan records: relations and expected files of each issue, and who is about to change the same."""

import pytest

from agentos.domain.error import FenceLost
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef, Relations
from agentos.domain.status import JobState
from agentos.store import Store
from agentos.store.fence import Fence
from agentos.store.plans import Meeting, PlanRecord
from agentos.store.runs import Change

ONE, TWO, ELSEWHERE = IssueRef("demo", 1), IssueRef("demo", 2), IssueRef("other", 3)


async def _owner(store: Store, issue: IssueRef) -> Fence:
    run = await store.runs.create(issue, target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=60)
    assert fence is not None
    change = Change(job=JobState.RUNNING)
    await store.runs.transition(fence, change, event=EventKind.RUN_ACCEPTED, data={}, event_id="on")
    return fence


async def test_relations_and_files_are_kept_apart_and_the_last_word_counts(store: Store) -> None:
    fence = await _owner(store, ONE)
    assert await store.plans.get(ONE) is None
    await store.plans.relate(fence, ONE, Relations(depends_on=(2,), unclear=("related: x",)))
    await store.plans.expect(fence, ONE, ["a.py", "b.py", "a.py"])
    assert await store.plans.get(ONE) == PlanRecord(ONE, Relations((2,), unclear=("related: x",)), ("a.py", "b.py"))
    await store.plans.relate(fence, ONE, Relations())
    assert await store.plans.get(ONE) == PlanRecord(ONE, Relations(), ("a.py", "b.py"))


async def test_only_live_runs_of_other_issues_here_that_touch_the_same_are_met(store: Store) -> None:
    fences = {issue: await _owner(store, issue) for issue in (ONE, TWO, ELSEWHERE)}
    for issue, fence in fences.items():
        await store.plans.expect(fence, issue, ["a.py", "b.py"])
    assert await store.plans.meeting(ONE, ["b.py", "c.py"]) == (Meeting(TWO, 1, JobState.RUNNING, ("b.py",)),)
    assert await store.plans.meeting(ONE, ["c.py"]) == ()
    assert await store.plans.meeting(ONE, []) == ()
    ended = Change(job=JobState.CANCELLED)
    await store.runs.transition(fences[TWO], ended, event=EventKind.RUN_ENDED, data={}, event_id="end")
    assert await store.plans.meeting(ONE, ["a.py"]) == ()


async def test_a_former_owner_plans_nothing(store: Store) -> None:
    fence = await _owner(store, ONE)
    await store.runs.release(fence)
    with pytest.raises(FenceLost):
        await store.plans.expect(fence, ONE, ["a.py"])
    assert await store.plans.get(ONE) is None
