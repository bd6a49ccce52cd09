"""The network matrix where an App goes in: a fault at its own endpoints is told or overcome, and lets nobody else in."""

import pytest

from agentos.adapters.tracker.github import GitHubTracker
from agentos.domain.effect import EffectKey
from agentos.domain.failure import FailureKind
from agentos.domain.issue import IssueRef
from tests.github.apps import BOT, FakeApp
from tests.github.server import Fault, serving
from tests.github.test_network_matrix import KINDS, Kind, ending
from tests.models.clock import NotingClock

pytestmark = pytest.mark.slow
KEY, ISSUE = EffectKey("status-comment"), IssueRef("repo", 1)
ENDPOINTS = ("app", "installation", "app token", "account")


@pytest.mark.figure("GitHub network cells")
@pytest.mark.parametrize("route", ENDPOINTS)
@pytest.mark.parametrize("name", KINDS)
async def test_a_fault_on_the_way_in_is_told_or_overcome(name: str, route: str) -> None:
    how, clock = KINDS[name], NotingClock()
    with serving() as server:
        server.github.app = FakeApp()
        server.github.open_issue("A flag", "Add it.")
        tracker = GitHubTracker(server.app_place(clock), "repo", clock)
        fault = Fault(name, route, how.status, dict(how.headers), how.body, after=how.after, part=how.part)
        server.faults.append(fault)
        ended = await ending(tracker.find_comment(ISSUE, KEY))
        assert fault.fired == 1
        assert ended is expected(route, how)
        assert how.waits_s == 0 or ended is not None or sum(clock.waits) >= how.waits_s
        assert await tracker.find_comment(ISSUE, KEY) is None
        written = await tracker.write_comment(ISSUE, "here", KEY)
        assert server.github.comments[int(written)]["user"]["login"] == BOT[1]
        assert server.github.app.refused == []


def expected(route: str, how: Kind) -> FailureKind | None:
    if route == "account" and how.status == 401:
        return None  # a token that is not known is asked for anew
    if route in ("installation", "app token") and how.ends in (FailureKind.GONE, FailureKind.INVALID):
        return FailureKind.DENIED  # the App is not installed there
    return how.ends
