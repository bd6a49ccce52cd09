"""What is asked of GitHub is counted as it weighs there: all that was sent, by what came of it."""

from collections.abc import Iterator

import pytest

from agentos.adapters.deployer.github import GitHubDeployer
from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.graphql import QueryData
from agentos.adapters.github.queries import OPERATIONS, RESOLVE_THREAD, REVIEW_THREADS
from agentos.adapters.tracker.github import GitHubTracker
from agentos.config.delivery import DeploySettings
from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.issue import IssueRef
from agentos.domain.requests import Requests
from tests.github.fake import Entry
from tests.github.server import Fault, Server, serving
from tests.models.clock import NotingClock

KEY, ISSUE = EffectKey("ack:comment:1"), IssueRef("repo", 1)
WHERE = {"owner": "acme", "name": "todo", "number": 2, "after": None}
READING = {each.name for each in OPERATIONS if each.reads}


def weighed(entry: Entry) -> Requests:
    """What GitHub itself makes of a request, by its page on limits; its fake charges one point for every query."""
    changes = entry.method != "GET" and entry.route not in READING
    unchanged = entry.status == 304
    return Requests(1, int(unchanged), int(changes), 0 if unchanged else 5 if changes else 1)


@pytest.fixture
def bare() -> Iterator[Server]:
    """A GitHub without any git."""
    with serving() as bare:
        bare.github.open_issue("A flag", "Add it.")
        bare.github.pulls[2] = {"node_id": "PR_2", "draft": False}
        yield bare


def seen_by(server: Server) -> Requests:
    return sum(map(weighed, server.github.ledger), Requests())


async def test_a_look_a_look_in_vain_and_a_change_weigh_what_github_says(bare: Server) -> None:
    tracker = GitHubTracker(bare.place(), "repo", NotingClock())
    assert tracker.requests == Requests()
    await tracker.get(1)
    assert tracker.requests == Requests(made=1, points=1)
    await tracker.get(1)
    assert tracker.requests == Requests(made=2, unchanged=1, points=1)
    await tracker.write_comment(ISSUE, "hello", KEY)
    assert tracker.requests == Requests(made=3, unchanged=1, changes=1, points=6)
    assert tracker.requests == seen_by(bare)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("answer lost", "new comment", after=True),
        Fault("limit", "new comment", 429, {"Retry-After": "1"}),
        Fault("broken", "issue", 502),
    ],
    ids=lambda each: each.name,
)
async def test_each_try_counts_whatever_came_of_it(bare: Server, fault: Fault) -> None:
    tracker = GitHubTracker(bare.place(), "repo", NotingClock())
    bare.faults.append(fault)
    await tracker.get(1)
    try:
        await tracker.write_comment(ISSUE, "hello", KEY)
    except OutsideError:
        assert fault.name == "answer lost"
    assert fault.fired == 1
    assert tracker.requests == seen_by(bare)


async def test_what_was_never_sent_weighs_nothing() -> None:
    with serving() as gone:
        place = gone.place()
    tracker = GitHubTracker(place, "repo", NotingClock())
    with pytest.raises(OutsideError, match="cannot be reached"):
        await tracker.get(1)
    assert tracker.requests == Requests()


async def test_a_query_weighs_what_it_says_and_a_mutation_what_every_change_does(bare: Server) -> None:
    api = GitHubClient(bare.place(), NotingClock())
    await api.ask(REVIEW_THREADS, WHERE, QueryData)
    assert api.requests == Requests(made=1, points=1)
    cost = b'{"data": {"rateLimit": {"cost": 7, "remaining": 9, "resetAt": "2026-01-01T01:00:00Z"}}}'
    bare.faults.append(Fault("dear", REVIEW_THREADS.name, 200, body=cost))
    await api.ask(REVIEW_THREADS, WHERE, QueryData)
    assert api.requests == Requests(made=2, points=8)
    with pytest.raises(OutsideError):
        await api.ask(RESOLVE_THREAD, {"input": {"threadId": "none"}}, dict[str, object])
    assert api.requests == Requests(made=3, changes=1, points=13)


async def test_the_deployer_tells_what_it_asked(bare: Server) -> None:
    deployer = GitHubDeployer(
        GitHubClient(bare.place(), NotingClock()), DeploySettings(kind="github"), MemoryDeployer()
    )
    await deployer.teardown("demo_1")
    assert deployer.requests == seen_by(bare) == Requests(made=1, points=1)
