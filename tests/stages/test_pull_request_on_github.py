"""The pr stage and its redeployment on a GitHub: a draft until there is something to see, and threads that are answered."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from agentos.adapters.forge.github import GitHubForge
from agentos.domain.decision import source_of_review
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Verdict
from agentos.workflows.kit.state import RunState
from agentos.workflows.pr.graph import build, build_redeploy
from tests.github.board import Thread
from tests.github.server import Fault, Server, serving
from tests.models.clock import NotingClock
from tests.stages.conftest import Equip
from tests.stages.delivery import MENDED, Delivery, delivered
from tests.stages.dying import dying_all_the_way

pytestmark = pytest.mark.slow


@dataclass
class Hub:
    """A delivery whose pull requests lie on a GitHub."""

    made: Delivery
    server: Server

    @property
    def draft(self) -> bool:
        (pull,) = self.server.github.pulls.values()
        return bool(pull["draft"])

    async def publish(self) -> RunState:
        state = await self.made.stand.run_stage(build(), self.made.state)
        self.made.state = {**state, "verdict": ""}
        return state

    async def asked(self, **state: Any) -> RunState:
        """The state after review 5 asked for changes and a new commit came of it."""
        await self.made.passes_with({"calc/core.py": MENDED + "\n\nZERO = 0\n"})
        return {**self.made.state, "cycle": 1, "reviews": {source_of_review("5"): 1}, **state}  # type: ignore[typeddict-item]

    def says(self, path: str = "calc/core.py", *, review: int = 5, line: int = 1) -> Thread:
        return self.server.github.say_of_line(2, review=review, path=path, line=line, body="rename it")

    def done(self, route: str) -> int:
        return [entry.route for entry in self.server.github.ledger if entry.did].count(route)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


async def hub(equip: Equip, stack: ExitStack) -> Hub:
    made = await delivered(equip)
    stand = made.stand
    server = stack.enter_context(serving(stand.target / ".git"))
    server.github.open_issue("Divide safely")
    forge: Any = GitHubForge(server.place(), stand.ctx.repo, NotingClock())
    ports = replace(stand.ctx.ports, forge=forge)
    return Hub(replace(made, forge=forge, stand=replace(stand, ctx=replace(stand.ctx, ports=ports))), server)


async def test_a_pull_request_is_a_draft_until_there_is_something_to_look_at(equip: Equip, stack: ExitStack) -> None:
    there = await hub(equip, stack)
    there.made.deployer.broken = "the port is taken"
    blocked = await there.publish()
    assert (blocked["verdict"], there.draft) == (Verdict.BLOCK, True)
    there.made.deployer.broken = ""
    there.made.state = {**there.made.state, "wait": {}}
    passed = await there.publish()
    assert (passed["verdict"], there.draft, there.done("MarkReady")) == (Verdict.PASS, False, 1)
    events = await there.made.stand.store.ledger.read(there.made.stand.ctx.run.id)
    keys = [event.data["key"] for event in events if event.kind is EventKind.EFFECT_DONE]
    assert keys.index("pr-ready") < keys.index("review-package:1.0"), "it is ready before anybody is invited"


async def test_what_a_person_makes_a_draft_again_stays_one(equip: Equip, stack: ExitStack) -> None:
    there = await hub(equip, stack)
    await there.publish()
    there.server.github.pulls[2]["draft"] = True
    await there.publish()
    assert (there.draft, there.done("MarkReady")) == (True, 1)


async def test_a_repository_without_drafts_gets_a_plain_pull_request(equip: Equip, stack: ExitStack) -> None:
    there = await hub(equip, stack)
    there.server.github.has_drafts = False
    assert (await there.publish())["verdict"] == Verdict.PASS
    assert (there.draft, there.done("new pull"), there.done("MarkReady")) == (False, 1, 0)


async def test_each_thread_of_the_feedback_is_answered_and_settled_once_and_no_other(
    equip: Equip, stack: ExitStack
) -> None:
    there = await hub(equip, stack)
    await there.publish()
    asked, second, since = there.says(), there.says(line=2), there.says(review=6)
    state = await there.asked()
    for _ in range(2):
        after = await there.made.stand.run_stage(build_redeploy(), state)
    assert after["threads"] == []
    for thread in (asked, second):
        [_, reply] = [remark.body for remark in thread.remarks]
        assert f"Worked in with {state['good_sha']}." in reply
        assert thread.resolved
    assert (len(since.remarks), since.resolved) == (1, False)
    assert (there.done("ReplyToThread"), there.done("ResolveThread")) == (2, 2)


async def test_a_thread_in_which_somebody_said_more_is_answered_and_stays_open(equip: Equip, stack: ExitStack) -> None:
    there = await hub(equip, stack)
    await there.publish()
    thread = there.says()
    there.server.github.say_in_thread(2, thread, "and the other one, too")
    await there.made.stand.run_stage(build_redeploy(), await there.asked())
    assert (len(thread.remarks), thread.resolved) == (3, False)


async def test_where_no_commit_came_of_it_the_thread_is_told_and_stays_open(equip: Equip, stack: ExitStack) -> None:
    there = await hub(equip, stack)
    await there.publish()
    thread = there.says()
    state: Any = {**there.made.state, "cycle": 1, "reviews": {source_of_review("5"): 1}}
    await there.made.stand.run_stage(build_redeploy(), state)
    assert "No new commit came of this." in thread.remarks[1].body
    assert not thread.resolved


async def test_a_thread_settled_or_deleted_by_a_person_stays_as_they_left_it(equip: Equip, stack: ExitStack) -> None:
    there = await hub(equip, stack)
    await there.publish()
    settled = there.says()
    settled.resolved = True
    state = await there.asked(threads=["deleted"])
    after = await there.made.stand.run_stage(build_redeploy(), state)
    assert (after["verdict"], len(settled.remarks), there.done("ReplyToThread")) == ("", 1, 0)


@pytest.mark.parametrize("status", [404, 403, 500])
async def test_a_server_that_shows_no_threads_stops_no_work_and_one_that_is_busy_is_asked_again(
    equip: Equip, stack: ExitStack, status: int
) -> None:
    there = await hub(equip, stack)
    await there.publish()
    thread = there.says()
    there.server.faults.append(Fault("no", "ReviewThreads", status, body=b"{}", times=1))
    after = await there.made.stand.run_stage(build_redeploy(), await there.asked())
    assert (after["verdict"], len(thread.remarks)) == ("", 2 if status == 500 else 1)


async def test_a_marker_of_somebody_else_in_a_thread_is_no_answer_of_ours(equip: Equip, stack: ExitStack) -> None:
    there = await hub(equip, stack)
    await there.publish()
    thread = there.says()
    await there.made.stand.run_stage(build_redeploy(), await there.asked())
    forged = thread.remarks[1].body
    thread.remarks[1:] = []
    thread.resolved = False
    there.server.github.say_in_thread(2, thread, forged, review=5)
    [found] = await there.made.forge.threads(2)
    assert found.marks == ()


async def test_dying_at_any_call_outside_and_going_on_answers_every_thread_once(equip: Equip, stack: ExitStack) -> None:
    there = await hub(equip, stack)
    await there.publish()
    threads = [there.says(line=line) for line in (1, 2)]
    there.server.github.pulls[2]["draft"] = True
    await dying_all_the_way(there.made, build_redeploy(), await there.asked(), visit=2)
    assert [(len(thread.remarks), thread.resolved) for thread in threads] == [(2, True)] * 2
    assert (there.done("ReplyToThread"), there.done("ResolveThread"), there.done("new pull")) == (2, 2, 1)
