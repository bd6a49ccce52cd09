"""GraphQL beyond the matrix: what we send is what GitHub publishes, what it costs is counted, and lists are read to their end."""

from collections.abc import Iterator

import pytest
from graphql import OperationDefinitionNode, parse, validate, validate_schema
from pydantic import SecretStr

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.forge.github import GitHubForge
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.graphql import Operation, QueryData
from agentos.adapters.github.pace import Pace
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.queries import OPERATIONS, RESOLVE_THREAD, REVIEW_THREADS
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from tests.github.excerpt import excerpt, published
from tests.github.server import REPO, Fault, Server, serving
from tests.models.clock import NotingClock

WHERE = {"owner": "acme", "name": "todo", "number": 2, "after": None}


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.github.open_issue("A flag")
        server.github.pulls[2] = {"node_id": "PR_2", "draft": False}
        yield server


def test_the_schema_is_sound_and_holds_no_more_than_what_we_ask_for() -> None:
    assert validate_schema(published()) == []
    documents = [parse(each.text) for each in OPERATIONS]
    for each in documents:
        assert validate(published(), each) == []
    kept = published()
    before = {name: sorted(getattr(kind, "fields", ())) for name, kind in kept.type_map.items()}
    excerpt(kept, documents)
    published.cache_clear()
    assert {name: sorted(getattr(kind, "fields", ())) for name, kind in kept.type_map.items()} == before


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_an_operation_is_called_as_its_text_says_and_a_query_tells_its_cost(operation: Operation) -> None:
    (found,) = parse(operation.text).definitions
    assert isinstance(found, OperationDefinitionNode)
    assert found.name is not None
    assert (found.name.value, found.operation.value == "query") == (operation.name, operation.reads)
    assert ("rateLimit { cost remaining resetAt }" in operation.text) == operation.reads


def test_a_server_of_ones_own_has_graphql_beside_its_rest() -> None:
    def url(api: str, repo: str = "github.example.com/a/b") -> str:
        return GitHubPlace.named(repo, SecretStr("t"), api_url=api).graphql_url

    assert url("https://github.example.com/api/v3/") == "https://github.example.com/api/graphql"
    assert url("https://api.acme.ghe.com", "acme.ghe.com/a/b") == "https://api.acme.ghe.com/graphql"
    assert url("", "github.com/a/b") == "https://api.github.com/graphql"


async def test_points_are_counted_and_a_spent_hour_is_not_asked_into(server: Server) -> None:
    clock = ManualClock()
    api = GitHubClient(server.place(), clock)
    server.github.remaining = 1
    await api.ask(REVIEW_THREADS, WHERE, QueryData)
    assert (api.points.spent, api.points.last and api.points.last.remaining) == (1, 1)
    server.github.remaining = 0
    await api.ask(REVIEW_THREADS, WHERE, QueryData)
    asked = len(server.github.ledger)
    with pytest.raises(OutsideError, match="no point is left in this hour") as caught:
        await api.ask(REVIEW_THREADS, WHERE, QueryData)
    assert caught.value.kind is FailureKind.TRANSIENT
    assert caught.value.retry_after_s == 3600
    assert len(server.github.ledger) == asked
    server.github.remaining = 5000
    await clock.advance(3600)
    await api.ask(REVIEW_THREADS, WHERE, QueryData)
    assert api.points.spent == 3


async def test_a_query_is_no_change_and_a_mutation_is_one(server: Server) -> None:
    clock = NotingClock()
    api = GitHubClient(server.place(), clock, Pace(clock, [(1, 60.0)]))
    thread = server.github.say_of_line(2, review=1, path="a", line=1, body="x")
    for _ in range(3):
        await api.ask(REVIEW_THREADS, WHERE, QueryData)
    assert clock.waits == []
    for _ in range(2):
        await api.ask(RESOLVE_THREAD, {"input": {"threadId": thread.id}}, dict[str, object])
    assert clock.waits == [60]


async def test_threads_and_their_comments_are_read_to_the_last_page(server: Server) -> None:
    hub = server.github
    for line in range(1, 121):
        hub.say_of_line(2, review=1, path="a", line=line, body="x")
    for number in range(230):
        hub.say_in_thread(2, hub.threads[2][3], f"comment {number}", review=100 + number)
    forge = GitHubForge(server.place(), None, NotingClock())  # type: ignore[arg-type]
    found = await forge.threads(2)
    assert [each.line for each in found] == [*range(1, 121)]
    assert [len(each.reviews) for each in found[:5]] == [1, 1, 1, 231, 1]


async def test_a_query_that_the_server_does_not_know_is_refused_at_once(server: Server) -> None:
    api = GitHubClient(server.place(), NotingClock())
    unknown = Operation("Unknown", "query Unknown { viewer { login } rateLimit { cost remaining resetAt } }")
    with pytest.raises(OutsideError, match="Cannot query field 'viewer'") as caught:
        await api.ask(unknown, {}, QueryData)
    assert (caught.value.kind, len(server.github.ledger)) == (FailureKind.INVALID, 1)


async def test_a_no_is_told_in_one_line_without_what_a_terminal_obeys(server: Server) -> None:
    body = (
        b'{"data": {}, "errors": [{"type": "FORBIDDEN", "message": "\\u001b[31mno\\u0000\\nnever"}, {"message": "x"}]}'
    )
    server.faults.append(Fault("no", "ReviewThreads", 200, body=body))
    api = GitHubClient(server.place(), NotingClock())
    # Of a no that passes and one that stays, in one answer, the first is told: it is tried again.
    await api.ask(REVIEW_THREADS, WHERE, QueryData)
    server.faults.append(Fault("no", "ReviewThreads", 200, body=body.replace(b', {"message": "x"}', b"")))
    with pytest.raises(OutsideError, match=r"refuses this to the token \(POST /api/graphql ReviewThreads: ") as caught:
        await api.ask(REVIEW_THREADS, WHERE, QueryData)
    assert not {"\x1b", "\0", "\n"} & set(str(caught.value))


def test_the_address_of_the_fake_is_that_of_a_server_of_ones_own() -> None:
    place = GitHubPlace.named(REPO, SecretStr("t"), api_url="http://127.0.0.1:1/api/v3")
    assert place.graphql_url == "http://127.0.0.1:1/api/graphql"
