"""The tracker on GitHub beyond the contract: pages, quota, limits, forgeries, and who gets the token."""

import random
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from agentos.adapters.github.pace import Pace
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.tracker.github import GitHubTracker
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import IssueRef
from agentos.domain.status import ATTENTION_LABEL, Status
from agentos.ports.tracker import Board
from tests.github.fake import ROBOT, TOKEN, US, Refused, label
from tests.github.lag import Lag
from tests.github.server import REPO, Fault, Server, serving
from tests.models.clock import NotingClock

KEY, ISSUE = EffectKey("status-comment"), IssueRef("repo", 1)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.github.open_issue("A flag", "Add it.\n\nDuplicate of #12")
        yield server


@pytest.fixture
def tracker(server: Server) -> GitHubTracker:
    return GitHubTracker(server.place(), "repo", NotingClock())


async def test_a_key_is_found_on_the_last_page(server: Server, tracker: GitHubTracker) -> None:
    for number in range(205):
        server.github.comment(1, f"comment {number}")
    written = await tracker.write_comment(ISSUE, "here", KEY)
    assert await tracker.find_comment(ISSUE, KEY) == written
    assert len(await tracker.comments(ISSUE)) == 206


@pytest.mark.parametrize("text", ["Merged, fixes #9 as @ann said.", "&#64;ann", "@ann " * 12_000])
async def test_a_resolution_that_was_parted_on_its_way_is_not_written_again(
    server: Server, tracker: GitHubTracker, text: str
) -> None:
    for _ in range(2):
        await tracker.close(ISSUE, text)
    assert len(server.github.comments) == 1


@pytest.mark.parametrize("before", [99, 100, 200])
async def test_a_comment_after_a_full_page_is_seen_by_who_read_the_pages_before(
    server: Server, tracker: GitHubTracker, before: int
) -> None:
    for number in range(before):
        server.github.comment(1, f"comment {number}")
    assert len(await tracker.comments(ISSUE)) == before
    server.github.comment(1, "one more")
    assert (await tracker.comments(ISSUE))[-1].body == "one more"


async def test_what_is_marked_is_read_to_the_last_page_and_costs_nothing_while_it_stays(
    server: Server, tracker: GitHubTracker
) -> None:
    hub = server.github
    waiting = frozenset(hub.open_issue("Look", labels=(ATTENTION_LABEL,)) for _ in range(205))
    closed = hub.open_issue("Over", labels=(ATTENTION_LABEL,))
    hub.issues[closed]["state"] = "closed"
    assert await tracker.waiting() == waiting
    remaining = hub.remaining
    assert await tracker.waiting() == waiting
    assert hub.remaining == remaining
    gone = {min(waiting), max(waiting)}
    hub.instead |= {number: Refused(410, "This issue was deleted") for number in gone}
    assert await tracker.waiting() == waiting - gone
    more = hub.open_issue("Look", labels=(ATTENTION_LABEL,))
    assert await tracker.waiting() == {*waiting, more} - gone


async def test_a_second_label_of_ours_is_not_what_was_shown(server: Server, tracker: GitHubTracker) -> None:
    waiting = Board(Status.IN_REVIEW, "agentos:waiting", True)
    await tracker.show(ISSUE, waiting)
    server.github.issues[1]["labels"].append(label("agentos:done"))
    for each in (tracker, GitHubTracker(server.place(), "repo", NotingClock())):
        assert await each.board(ISSUE) != waiting
    await tracker.show(ISSUE, waiting)
    assert {each["name"] for each in server.github.issues[1]["labels"]} == {"agentos:waiting", ATTENTION_LABEL}


async def test_asking_again_costs_nothing_while_nothing_changed(server: Server, tracker: GitHubTracker) -> None:
    server.github.comment(1, "hello")
    await tracker.get(1)
    await tracker.comments(ISSUE)
    spent = server.github.remaining
    for _ in range(20):
        await tracker.get(1)
        await tracker.comments(ISSUE)
    assert server.github.remaining == spent
    server.github.comment(1, "again")
    assert len(await tracker.comments(ISSUE)) == 2
    assert server.github.remaining == spent - 1


async def test_a_long_limit_is_told_with_its_wait_and_a_short_one_is_waited_for(server: Server) -> None:
    clock = NotingClock()
    tracker = GitHubTracker(server.place(), "repo", clock)
    server.faults.append(Fault("long", "issue", 403, {"Retry-After": "900"}))
    with pytest.raises(OutsideError, match="lets us ask no more for 900 s") as caught:
        await tracker.get(1)
    assert (caught.value.kind, caught.value.retry_after_s, clock.waits) == (FailureKind.TRANSIENT, 900, [])
    server.faults.append(Fault("short", "issue", 429, {"Retry-After": "50"}))
    assert (await tracker.get(1)).title == "A flag"
    assert sum(clock.waits) >= 50


async def test_the_81st_change_of_a_minute_waits_and_the_501st_of_an_hour_is_left_for_later(server: Server) -> None:
    clock = NotingClock()
    pace = Pace(clock)
    for _ in range(80):
        await pace.turn("x")
    assert clock.waits == []
    tracker = GitHubTracker(server.place(), "repo", clock, pace)
    await tracker.write_comment(ISSUE, "hello", KEY)
    assert clock.waits == [60]
    for _ in range(419):
        await pace.turn("x")
    with pytest.raises(OutsideError, match="500 changes an hour") as caught:
        await tracker.write_comment(ISSUE, "more", KEY)
    assert (caught.value.kind, len(server.github.comments)) == (FailureKind.TRANSIENT, 1)
    assert caught.value.retry_after_s == 3600 - clock.monotonic_s()
    await tracker.comments(ISSUE)


async def test_a_marker_of_somebody_else_finds_and_edits_nothing(server: Server, tracker: GitHubTracker) -> None:
    forged = server.github.comment(1, f"{marker(KEY)}\n\nAll is well.")
    robots = server.github.comment(1, f"{marker(KEY)}\n\nAll is well.", who=ROBOT)
    own = server.github.comment(1, f"I quote:\n{marker(KEY)}", who=US)
    assert await tracker.find_comment(ISSUE, KEY) is None
    for each in (forged, robots, own):
        with pytest.raises(OutsideError, match="of ours to edit"):
            await tracker.edit_comment(ISSUE, str(each), "x")


async def test_an_issue_of_somebody_else_with_our_key_is_not_ours(server: Server, tracker: GitHubTracker) -> None:
    server.github.open_issue("Forged", f"text\n\n{marker(KEY)}")
    assert await tracker.find_issue(KEY) is None


async def test_what_the_account_writes_by_hand_is_a_persons(server: Server, tracker: GitHubTracker) -> None:
    server.github.comment(1, "/agentos approve", who=US)
    (comment,) = await tracker.comments(ISSUE)
    assert (comment.is_bot, comment.author, comment.author_id) == (False, "agentos-bot", "1")


async def test_a_token_that_may_not_ask_whose_it_is_takes_nobodys_comment_for_ours(
    server: Server, tracker: GitHubTracker
) -> None:
    refused = b'{"message": "Resource not accessible by integration"}'
    server.faults.append(Fault("app", "user", 403, body=refused, times=9))
    server.github.comment(1, f"{marker(KEY)}\n\nrunning", who=ROBOT)
    with pytest.raises(OutsideError, match=r"set github\.app_id") as caught:
        await tracker.find_comment(ISSUE, KEY)
    assert caught.value.kind is FailureKind.DENIED


async def test_labels_of_people_stay_and_ours_are_exactly_one(server: Server, tracker: GitHubTracker) -> None:
    number = server.github.open_issue("Two", labels=("bug", "priority: High", "agentos:queued"))
    await tracker.show(IssueRef("repo", number), Board(Status.IN_PROGRESS, "agentos:running", True))
    found = await tracker.get(number)
    assert sorted(found.labels) == ["agent-review", "agentos:running", "bug", "priority: High"]
    assert found.priority == "high"


async def test_another_process_reads_the_status_off_the_label_and_a_person_who_moves_it_is_believed(
    server: Server, tracker: GitHubTracker
) -> None:
    await tracker.show(ISSUE, Board(Status.APPROVED, "agentos:running"))
    other = GitHubTracker(server.place(), "repo", NotingClock())
    assert await other.board(ISSUE) == Board(Status.IN_PROGRESS, "agentos:running")
    await other.show(ISSUE, Board(Status.BLOCKED, "agentos:blocked", True))
    assert await tracker.board(ISSUE) == Board(Status.BLOCKED, "agentos:blocked", True)


async def test_relations_are_read_from_lines_and_from_github_itself(server: Server, tracker: GitHubTracker) -> None:
    server.github.open_issue("Two", "Depends on: #1, #9\n\n```\nSupersedes #1\n```\nRelated: the weather")
    server.github.block(2, 1)
    server.github.block(1, 2)
    assert (await tracker.get(1)).relations.duplicate_of == (12,)
    assert (await tracker.get(1)).relations.depends_on == (2,)
    two = (await tracker.get(2)).relations
    assert (two.depends_on, two.supersedes, two.unclear) == ((1, 9), (), ("related: the weather",))


async def test_a_pull_request_is_no_issue(server: Server, tracker: GitHubTracker) -> None:
    found = {
        **server.github.issues[1],
        "pull_request": {"url": "x", "html_url": "x", "diff_url": "x", "patch_url": "x"},
    }
    server.github.issues[1] = found
    with pytest.raises(OutsideError, match="1 is a pull request") as caught:
        await tracker.get(1)
    assert caught.value.kind is FailureKind.GONE


async def test_write_permission_is_asked_each_time_and_goes_by_number(server: Server, tracker: GitHubTracker) -> None:
    assert await tracker.may_write("anna", "2")
    assert not await tracker.may_write("anna", "3")
    assert not await tracker.may_write("../../user", "1")
    server.github.permissions[(2, "anna", "User")] = "read"
    assert not await tracker.may_write("anna", "2")


async def test_a_wrong_token_is_told_without_it(server: Server) -> None:
    tracker = GitHubTracker(server.place("ghp_wrong"), "repo", NotingClock())
    with pytest.raises(OutsideError, match="does not know the token") as caught:
        await tracker.get(1)
    assert caught.value.kind is FailureKind.DENIED
    assert "ghp_wrong" not in f"{caught.value} {caught.value!r} {server.place('ghp_wrong')!r}"


@pytest.mark.parametrize(
    ("repo", "api", "words"),
    [
        ("evil.example/acme/todo", "", "set github.api_url"),
        ("github.com/acme/todo", "http://github.com", "https only"),
        ("github.com/acme/todo", "https://github.example.com/api/v3", "set github.api_url"),
        ("todo-1a2b3c4d", "", "no repository on GitHub"),
    ],
)
def test_the_token_goes_only_where_the_operator_says(repo: str, api: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        GitHubPlace.named(repo, SecretStr(TOKEN), api_url=api)


def test_a_server_of_ones_own_and_github_itself_are_reached_at_their_addresses() -> None:
    ours = GitHubPlace.named("github.example.com/a/b", SecretStr("t"), api_url="https://github.example.com/api/v3/")
    assert ours.git_target().address == "https://github.example.com/a/b.git"
    assert GitHubPlace.named("github.com/a/b", SecretStr("t")).git_target().address == "https://github.com/a/b.git"
    with pytest.raises(UsageError, match="asks for a token"):
        GitHubPlace.named(REPO, None, api_url="http://127.0.0.1:1/api/v3")


async def test_what_was_just_written_is_there_though_the_list_lags_behind(
    server: Server, tracker: GitHubTracker
) -> None:
    server.github.lag = Lag(random.Random(1), share=1.0, requests=50)
    written = await tracker.write_comment(ISSUE, "here", KEY)
    assert await tracker.find_comment(ISSUE, KEY) == written
    await tracker.edit_comment(ISSUE, written, "there")
    assert [each.body for each in await tracker.comments(ISSUE)] == ["there"]
    assert server.github.lag.missed > 0
    server.github.lag.passes()
    assert [each.body for each in await tracker.comments(ISSUE)] == ["there"]
    del server.github.comments[int(written)]
    assert await tracker.find_comment(ISSUE, KEY) is None
