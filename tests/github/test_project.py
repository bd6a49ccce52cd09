"""A project of GitHub's as the board: cards follow the status, a person's move is seen, and what is missing stops no work."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.project import GitHubProject, look_at_project, named
from agentos.adapters.opening import open_tracker
from agentos.adapters.tracker.github import GitHubTracker
from agentos.config.authority import violations
from agentos.config.settings import Settings
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.finding import Grade
from agentos.domain.issue import IssueRef
from agentos.domain.status import Status
from agentos.ports.tracker import Board
from tests.github.board import TEMPLATE, Project
from tests.github.server import Fault, Server, serving
from tests.models.clock import NotingClock

ISSUE = IssueRef("repo", 1)
RUNNING = Board(Status.IN_PROGRESS, "agentos:running")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.github.open_issue("A flag")
        server.github.project = Project()
        server.github.project.add(1, "Backlog")
        yield server


def place_of(server: Server, project: str = "7") -> GitHubPlace:
    return replace(server.place(), project=project)


@pytest.fixture
def tracker(server: Server) -> GitHubTracker:
    return GitHubTracker(place_of(server), "repo", NotingClock())


def project_of(server: Server) -> GitHubProject:
    return GitHubProject(GitHubClient(place_of(server), NotingClock()))


def board_of(server: Server) -> Project:
    assert server.github.project is not None
    return server.github.project


def moves(server: Server) -> int:
    return [entry.route for entry in server.github.ledger if entry.did].count("MoveItem")


async def test_every_status_moves_the_card_and_is_read_back_by_another_process(
    server: Server, tracker: GitHubTracker
) -> None:
    for status, column in zip(
        Status, ("Backlog", "Ready", "In progress", "In review", "Approved", "Done", "Blocked"), strict=True
    ):
        board = Board(status, "agentos:running")
        await tracker.show(ISSUE, board)
        assert board_of(server).status(1) == column
        assert await tracker.board(ISSUE) == board
        assert await GitHubTracker(place_of(server), "repo", NotingClock()).board(ISSUE) == board
    assert moves(server) == len(Status) - 1, "it lay in Backlog already"


async def test_showing_the_same_again_moves_nothing(server: Server, tracker: GitHubTracker) -> None:
    for _ in range(3):
        await tracker.show(ISSUE, RUNNING)
    assert moves(server) == 1


@pytest.mark.parametrize("column", ["Ready", "Done", "", "Ideas"])
async def test_a_card_that_a_person_moved_is_seen_and_put_back(
    server: Server, tracker: GitHubTracker, column: str
) -> None:
    await tracker.show(ISSUE, RUNNING)
    board_of(server).cards[0].status = column
    seen = await tracker.board(ISSUE)
    assert seen == replace(RUNNING, status=Status(column) if column in ("Ready", "Done") else Status.BACKLOG)
    await tracker.show(ISSUE, RUNNING)
    assert board_of(server).status(1) == "In progress"


async def test_an_issue_without_a_card_gets_none_and_the_label_is_the_board(
    server: Server, tracker: GitHubTracker
) -> None:
    board_of(server).cards.clear()
    await tracker.show(ISSUE, RUNNING)
    assert await tracker.board(ISSUE) == RUNNING
    assert (board_of(server).cards, moves(server)) == ([], 0)


async def test_a_card_is_found_behind_a_page_of_cards_of_other_projects(server: Server, tracker: GitHubTracker) -> None:
    board_of(server).others = 120
    await tracker.show(ISSUE, RUNNING)
    assert board_of(server).status(1) == "In progress"


@pytest.mark.parametrize(
    "change",
    [
        {"options": ("Todo", "Doing")},
        {"options": ()},
        {"closed": True},
        {"writable": False},
        {"number": 8},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_what_the_project_cannot_show_the_label_shows_alone_and_it_is_said_once(
    server: Server, tracker: GitHubTracker, change: dict[str, Any]
) -> None:
    for name, value in change.items():
        setattr(server.github.project, name, value)
    with capture_logs() as logs:
        for _ in range(3):
            await tracker.show(ISSUE, RUNNING)
            assert await tracker.board(ISSUE) in (RUNNING, Board(Status.BACKLOG, RUNNING.label))
    assert moves(server) == 0
    assert {each["name"] for each in server.github.issues[1]["labels"]} == {"agentos:running"}
    assert [each["event"] for each in logs] == ["project_not_used"]
    told = await look_at_project(place_of(server), NotingClock())
    assert Grade.WARN in {check.grade for check in told}
    assert all(check.mend for check in told if check.grade is Grade.WARN)


async def test_a_project_that_is_whole_is_told_with_the_points_that_are_left(server: Server) -> None:
    (check,) = await look_at_project(place_of(server), NotingClock())
    assert (check.grade, "The board at http" in check.found, "points of GraphQL" in check.found) == (
        Grade.OK,
        True,
        True,
    )
    assert await look_at_project(place_of(server, ""), NotingClock()) == ()


async def test_a_busy_github_is_no_missing_project(server: Server) -> None:
    tracker = GitHubTracker(place_of(server), "repo", NotingClock())
    server.faults.append(Fault("busy", "Project", 503, times=10))
    with pytest.raises(OutsideError) as caught:
        await tracker.show(ISSUE, RUNNING)
    assert caught.value.kind is FailureKind.TRANSIENT
    with pytest.raises(OutsideError):
        await look_at_project(place_of(server), NotingClock())


async def test_what_people_moved_to_ready_is_found_on_every_page_and_nothing_else(server: Server) -> None:
    hub, board = server.github, board_of(server)
    board.cards.clear()
    for _ in range(130):
        board.add(hub.open_issue("Later"), "Backlog")
    wanted = [hub.open_issue("Now") for _ in range(2)]
    for number in reversed(wanted):
        board.add(number, "READY ")
    board.add(hub.open_issue("Ours", labels=("agentos:queued",)), "Ready")
    board.add(hub.open_issue("Put away"), "Ready", archived=True)
    board.add(3, "Ready", elsewhere="acme/other")
    closed = hub.open_issue("Closed")
    hub.issues[closed]["state"] = "closed"
    board.add(closed, "Ready")
    hub.pulls[999] = {"node_id": "x", "draft": False}
    board.add(999, "Ready")
    assert await project_of(server).ready() == tuple(wanted)


async def test_an_issue_is_ready_by_its_card_or_by_its_label_until_the_board_shows_more(
    server: Server, tracker: GitHubTracker
) -> None:
    labelled = server.github.open_issue("Two", labels=("agentos:ready",))
    assert await tracker.ready() == (labelled,)
    board_of(server).cards[0].status = "Ready"
    assert await tracker.ready() == (1, labelled)
    await tracker.show(ISSUE, Board(Status.READY, "agentos:queued"))
    assert (await tracker.ready(), board_of(server).status(1)) == ((labelled,), "Ready"), (
        "our own Ready asks for nothing"
    )
    await tracker.show(ISSUE, RUNNING)
    board_of(server).cards[0].status = "Ready"
    assert await tracker.ready() == (1, labelled), "moved there again"
    await tracker.show(ISSUE, Board(Status.BACKLOG))
    assert await tracker.ready() == (labelled,)


@pytest.mark.parametrize("lacking", ["Ready", "In progress", "Backlog"])
async def test_a_card_that_could_not_leave_ready_again_starts_nothing(server: Server, lacking: str) -> None:
    board = board_of(server)
    board.cards[0].status = "Ready"
    board.options = tuple(each for each in TEMPLATE if each != lacking)
    assert await project_of(server).ready() == ()
    told = await look_at_project(place_of(server), NotingClock())
    assert "no card starts work" in told[-1].found
    board.options, board.writable = TEMPLATE, False
    assert await project_of(server).ready() == ()
    board.writable = True
    assert await project_of(server).ready() == (1,)


async def test_what_is_missing_everywhere_is_ready_nowhere(server: Server) -> None:
    server.github.project = None
    assert await project_of(server).ready() == ()
    assert await GitHubProject(GitHubClient(place_of(server, "nobody/7"), NotingClock())).ready() == ()


@pytest.mark.parametrize(
    ("words", "owner", "number"),
    [
        ("7", "acme", 7),
        ("anna/3", "anna", 3),
        ("https://github.com/orgs/acme/projects/7", "acme", 7),
        ("https://github.com/users/anna/projects/12/views/1", "anna", 12),
    ],
)
def test_a_project_is_named_by_number_owner_or_address(words: str, owner: str, number: int) -> None:
    place = GitHubPlace.named("github.com/acme/todo", SecretStr("t"))
    assert named(replace(place, project=words)) == (owner, number)


@pytest.mark.parametrize("words", ["board", "-1", "a/b/3", "https://evil.example/orgs/acme/projects/7", "acme/"])
def test_what_names_no_project_of_this_server_is_refused(words: str) -> None:
    place = GitHubPlace.named("github.com/acme/todo", SecretStr("t"))
    with pytest.raises(UsageError, match=r"github\.project is"):
        named(replace(place, project=words))


def test_a_project_that_is_misspelt_is_said_before_any_work_begins(tmp_path: Path) -> None:
    github = {"github": {"project": "board"}, "tracker": {"kind": "github"}, "github_token": "t"}
    with pytest.raises(UsageError, match=r"github\.project is 'board'"):
        open_tracker(Settings.model_validate(github), tmp_path, "github.com/acme/todo")
    github["github"] = {"project": 7}
    open_tracker(Settings.model_validate(github), tmp_path, "github.com/acme/todo")


def test_a_repository_does_not_say_whose_moves_start_work() -> None:
    plain = Settings()
    (told,) = violations({"github": {"project": 7}}, plain, plain)
    assert "WORKFLOW.md may not set github.project" in told


async def test_what_an_issue_is_part_of_and_its_parts_are_related(server: Server) -> None:
    hub = server.github
    tracker = GitHubTracker(server.place(), "repo", NotingClock())
    for number in (2, 3, 4):
        hub.open_issue(f"Part {number}", "Related: #9")
        hub.part(number, of=1)
    hub.part(1, of=hub.open_issue("Whole"))
    assert (await tracker.get(1)).relations.related == (5, 2, 3, 4)
    assert (await tracker.get(3)).relations.related == (9, 1)
    hub.issues[3]["parent_issue_url"] = f"{hub.url}/api/v3/repos/acme/other/issues/8"
    hub.issues[4]["html_url"] = f"{hub.url}/acme/other/issues/4"
    assert (await tracker.get(3)).relations.related == (9,)
    assert (await tracker.get(1)).relations.related == (5, 2, 3)
