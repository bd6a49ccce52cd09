"""Whatever breaks between GitHub and us, at every endpoint: the sentence is right, and nothing is there twice."""

import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agentos.adapters.forge.github import GitHubForge
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.project import GitHubProject
from agentos.adapters.tracker.github import GitHubTracker
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import IssueDraft, IssueRef
from agentos.domain.status import Status
from agentos.ports.forge import PullRequestDraft
from agentos.ports.tracker import Board
from agentos.workspace.repository import OwnedRepository
from tests.github.board import Project
from tests.github.fake import TOKEN, FakeGitHub
from tests.github.server import Fault, serving
from tests.models.clock import NotingClock
from tests.workspace.scene import make_target

pytestmark = pytest.mark.slow
BRANCH, KEY = "agentos/7-a-flag", EffectKey("pr")
DRAFT = PullRequestDraft(BRANCH, "main", "Add a flag", "Closes 7.", unready=True)
SOON, LATE = (str(int(NotingClock().now().timestamp()) + seconds) for seconds in (30, 3600))
SPENT = {"X-RateLimit-Remaining": "0"}
LIMIT = b'{"message": "You have exceeded a secondary rate limit."}'


@dataclass(frozen=True)
class Kind:
    """One way to fail. `ends`: how the call ends; None where it is tried again. `waits_s`: at least so long before that.
    `unsure`: GitHub may have done what it was asked for, so that what must not be there twice is not asked for again."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b'{"message": "no"}'
    ends: FailureKind | None = None
    waits_s: float = 0.0
    unsure: bool = False
    after: bool = False
    part: float | None = None


def kind(status: int = 0, body: bytes = b'{"message": "no"}', **options: object) -> Kind:
    headers = options.pop("headers", {})
    assert isinstance(headers, dict)
    return Kind(status=status, body=body, headers=tuple(headers.items()), **options)  # type: ignore[arg-type]


KINDS = {
    "limit for an hour": kind(403, headers={**SPENT, "X-RateLimit-Reset": LATE}, ends=FailureKind.TRANSIENT),
    "limit for 30 s": kind(403, headers={**SPENT, "X-RateLimit-Reset": SOON}, waits_s=30),
    "secondary limit": kind(403, LIMIT, headers={"Retry-After": "7"}, waits_s=7),
    "secondary limit until a time": kind(429, headers={"Retry-After": "Thu, 01 Jan 2026 00:00:09 GMT"}, waits_s=9),
    "secondary limit without a time": kind(403, LIMIT, waits_s=60),
    "too many requests": kind(429, waits_s=60),
    "unreadable wait": kind(429, headers={"Retry-After": "soon"}, waits_s=60),
    "500": kind(500, unsure=True),
    "502 as a page": kind(502, b"<html>Unicorn!</html>", unsure=True),
    "503 with a wait": kind(503, headers={"Retry-After": "5"}, waits_s=5, unsure=True),
    "504": kind(504, unsure=True),
    "line broken": kind(unsure=True),
    "answer lost": kind(after=True, unsure=True),
    "answer lost at a gateway": kind(502, after=True, unsure=True),
    "answer cut": kind(part=0.5, unsure=True),
    "answer garbled": kind(200, b'{"id": 1, ', unsure=True),
    "answer of another shape": kind(200, b'"hello"', unsure=True),
    "answer of somebody between": kind(200, b"<html>Please log in</html>", unsure=True),
    "answer empty": kind(200, b"", unsure=True),
    "token unknown": kind(401, ends=FailureKind.DENIED),
    "right missing": kind(403, ends=FailureKind.DENIED),
    "blocked by law": kind(451, ends=FailureKind.DENIED),
    "gone": kind(404, ends=FailureKind.GONE),
    "deleted": kind(410, ends=FailureKind.GONE),
    "moved": kind(301, headers={"Location": "https://elsewhere.example/"}, ends=FailureKind.GONE),
    "changed meanwhile": kind(409, ends=FailureKind.CONFLICT),
    "refused": kind(422, ends=FailureKind.INVALID),
}


def graph_kind(type_: str, said: str = "no", **options: object) -> Kind:
    """A no of GraphQL's, which comes with status 200."""
    error = {"type": type_, "message": said, "path": ["x"]} if type_ else {"message": said}
    return kind(200, json.dumps({"data": None, "errors": [error]}).encode(), **options)


OF_GRAPHQL = {
    "limit for an hour": graph_kind(
        "RATE_LIMIT", headers={**SPENT, "X-RateLimit-Reset": LATE}, ends=FailureKind.TRANSIENT
    ),
    "limit for 30 s": graph_kind("RATE_LIMITED", headers={**SPENT, "X-RateLimit-Reset": SOON}, waits_s=30),
    "secondary limit": graph_kind("RATE_LIMITED", headers={"Retry-After": "7"}, waits_s=7),
    "secondary limit without a type": graph_kind("", "You have exceeded a secondary rate limit.", waits_s=60),
    "forbidden": graph_kind("FORBIDDEN", ends=FailureKind.DENIED),
    "scope missing": graph_kind("INSUFFICIENT_SCOPES", ends=FailureKind.DENIED),
    "not found": graph_kind("NOT_FOUND", ends=FailureKind.GONE),
    "stale": graph_kind("STALE_DATA", ends=FailureKind.CONFLICT),
    "unprocessable": graph_kind("UNPROCESSABLE", ends=FailureKind.INVALID),
    "something went wrong": graph_kind("", "Something went wrong while executing your query.", unsure=True),
    "unknown trouble": graph_kind("WHO_KNOWS", unsure=True),
    "trouble and data": kind(200, b'{"data": {}, "errors": [{"type": "SERVICE_UNAVAILABLE"}]}', unsure=True),
    "nothing": kind(200, b'{"data": null}', unsure=True),
}


@dataclass(frozen=True)
class Desk:
    """Both ports on one GitHub with issue 1 of a person, and a branch to propose."""

    hub: FakeGitHub
    tracker: GitHubTracker
    forge: GitHubForge
    issue: IssueRef
    boarded: GitHubTracker
    """A tracker whose board is a project."""
    project: GitHubProject


async def comment(desk: Desk) -> None:
    if await desk.tracker.find_comment(desk.issue, KEY) is None:
        await desk.tracker.write_comment(desk.issue, "text", KEY)
    assert await desk.tracker.find_comment(desk.issue, KEY)


async def edit(desk: Desk) -> None:
    await comment(desk)
    await desk.tracker.edit_comment(desk.issue, (await desk.tracker.find_comment(desk.issue, KEY)) or "", "new")


async def show(desk: Desk) -> None:
    for board in (Board(Status.READY, "agentos:queued"), Board(Status.IN_PROGRESS, "agentos:running", True)):
        await desk.tracker.show(desk.issue, board)
        if await desk.tracker.board(desk.issue) != board:  # as a step says it that reads back what it did
            raise OutsideError("the board was shown but cannot be read back so", kind=FailureKind.TRANSIENT)


async def file(desk: Desk) -> None:
    if await desk.tracker.find_issue(KEY) is None:
        await desk.tracker.file_issue(IssueDraft("Later", "Do it."), KEY)
    assert await desk.tracker.find_issue(KEY)


async def close(desk: Desk) -> None:
    await desk.tracker.close(desk.issue, "Done.")
    assert not (await desk.tracker.get(1)).is_open


async def propose(desk: Desk) -> int:
    found = await desk.forge.find_pr(BRANCH) or await desk.forge.open_pr(DRAFT, KEY)
    assert await desk.forge.find_pr(BRANCH)
    return found.number


async def reword(desk: Desk) -> None:
    await desk.forge.edit_pr(await propose(desk), title="Better", body="text")


async def reviews(desk: Desk) -> None:
    number = await propose(desk)
    desk.hub.review(number, state="approved", body="", sha="a" * 40, at="2026-01-01T00:00:00Z", id=1)
    assert len(await desk.forge.reviews(number)) == 1


async def mark_ready(desk: Desk) -> None:
    await desk.forge.mark_ready(await propose(desk))
    found = await desk.forge.find_pr(BRANCH)
    assert found is not None
    assert not found.is_draft


async def threads(desk: Desk) -> int:
    number = await propose(desk)
    if number not in desk.hub.threads:
        desk.hub.say_of_line(number, review=1, path="new.txt", line=1, body="rename it")
    assert len(await desk.forge.threads(number)) == 1
    return number


async def reply(desk: Desk) -> None:
    number = await threads(desk)
    (thread,) = await desk.forge.threads(number)
    if marker(KEY) not in thread.marks:
        await desk.forge.reply(number, thread.id, "Done.", KEY)
    (thread,) = await desk.forge.threads(number)
    assert thread.marks == (marker(KEY),)


async def resolve(desk: Desk) -> None:
    number = await threads(desk)
    (thread,) = await desk.forge.threads(number)
    await desk.forge.resolve(number, thread.id)
    (thread,) = await desk.forge.threads(number)
    assert thread.is_resolved


async def family(desk: Desk) -> None:
    if not desk.hub.parts:
        desk.hub.part(desk.hub.open_issue("Part"), of=1)
    assert (await desk.tracker.get(1)).relations.related == (2,)


async def card(desk: Desk) -> None:
    desk.hub.project = desk.hub.project or Project()
    if not desk.hub.project.cards:
        desk.hub.project.add(desk.issue.number, "Backlog")
    board = Board(Status.IN_PROGRESS, "agentos:running")
    await desk.boarded.show(desk.issue, board)
    if await desk.boarded.board(desk.issue) != board or desk.hub.project.status(1) != "In progress":
        raise OutsideError("the board was shown but cannot be read back so", kind=FailureKind.TRANSIENT)


async def moved_to_ready(desk: Desk) -> None:
    desk.hub.project = desk.hub.project or Project()
    if not desk.hub.project.cards:
        desk.hub.project.add(desk.issue.number, "Ready")
    if await desk.project.ready() != (desk.issue.number,):
        raise OutsideError("what was moved to Ready there is not seen as ready here", kind=FailureKind.TRANSIENT)


async def merge(desk: Desk) -> None:
    await mark_ready(desk)
    number, head = await propose(desk), desk.hub.ref(BRANCH)
    merged = await desk.forge.merge(number, expected_head=head, message="Merge it")
    assert desk.hub.ref("main") == merged


@dataclass(frozen=True)
class Endpoint:
    """One endpoint and a call that meets it. `once`: it makes something that must not be there twice. `forgives`: what
    the port takes for an answer."""

    call: Callable[[Desk], Awaitable[object]]
    once: bool = False
    forgives: frozenset[FailureKind] = frozenset()


GONE = frozenset({FailureKind.GONE})
ENDPOINTS = {
    "user": Endpoint(comment),
    "issue": Endpoint(lambda desk: desk.tracker.get(1)),
    "comments": Endpoint(comment),
    "new comment": Endpoint(comment, once=True),
    "edit comment": Endpoint(edit),
    "add labels": Endpoint(show),
    "take label": Endpoint(show, forgives=GONE),
    "issues": Endpoint(file),
    "new issue": Endpoint(file, once=True),
    "edit issue": Endpoint(close),
    "sub-issues": Endpoint(family),
    "timeline": Endpoint(lambda desk: desk.tracker.superseded_by(1)),
    "permission": Endpoint(lambda desk: desk.tracker.may_write("anna", "2"), forgives=GONE),
    "pulls": Endpoint(propose),
    "new pull": Endpoint(propose, once=True),
    "pull": Endpoint(merge),
    "edit pull": Endpoint(reword),
    "reviews": Endpoint(reviews),
    "line comments": Endpoint(reviews),
    "merge": Endpoint(merge, once=True),
}
WITHOUT_PROJECT = frozenset(FailureKind) - {FailureKind.TRANSIENT}
"""The labels are a board by themselves."""
GRAPHQL_ENDPOINTS = {
    "MarkReady": Endpoint(mark_ready),
    "ReviewThreads": Endpoint(threads),
    "ReplyToThread": Endpoint(reply, once=True),
    "ResolveThread": Endpoint(resolve),
    "Project": Endpoint(card, forgives=WITHOUT_PROJECT),
    "ItemsOfIssue": Endpoint(card, forgives=WITHOUT_PROJECT),
    "MoveItem": Endpoint(card, forgives=WITHOUT_PROJECT),
    "ItemsOfProject": Endpoint(moved_to_ready, forgives=WITHOUT_PROJECT),
}
ONCE = frozenset({"new comment", "new issue", "new pull", "merge", "ReplyToThread"})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with the branch in it."""
    folder = tmp_path_factory.mktemp("template")
    person = make_target(folder / "person")
    person.git("checkout", "-q", "-b", BRANCH)
    person.write("new.txt", "new\n")
    person.commit("new")
    person.git("checkout", "-q", "main")
    person.git("clone", "-q", "--bare", str(person.path), str(folder / "hub.git"))
    return folder / "hub.git"


CELLS = [
    pytest.param(route, endpoint, how, id=f"{name}-{route}")
    for endpoints, kinds in ((ENDPOINTS | GRAPHQL_ENDPOINTS, KINDS), (GRAPHQL_ENDPOINTS, OF_GRAPHQL))
    for name, how in ((f"{'graphql ' if kinds is OF_GRAPHQL else ''}{name}", how) for name, how in kinds.items())
    for route, endpoint in endpoints.items()
]


@pytest.mark.figure("GitHub network cells")
@pytest.mark.parametrize(("route", "endpoint", "how"), CELLS)
async def test_a_fault_is_told_or_overcome_and_doubles_nothing(
    route: str, endpoint: "Endpoint", how: Kind, template: Path, tmp_path: Path
) -> None:
    clock = NotingClock()
    git = shutil.copytree(template, tmp_path / "hub.git")
    with serving(git) as server:
        repo = await OwnedRepository.open(tmp_path / "home", git, "repo")
        place = server.place()
        tracker, forge = GitHubTracker(place, "repo", clock), GitHubForge(place, repo, clock)
        boarded = GitHubTracker(replace(place, project="7"), "repo", clock)
        project = GitHubProject(GitHubClient(replace(place, project="7"), clock))
        issue = IssueRef("repo", server.github.open_issue("A flag", "Add it."))
        desk = Desk(server.github, tracker, forge, issue, boarded, project)
        fault = Fault("fault", route, how.status, dict(how.headers), how.body, after=how.after, part=how.part)
        server.faults.append(fault)
        ended = await ending(endpoint.call(desk))
        assert fault.fired == 1
        assert ended in expected(route, how, endpoint)
        assert how.waits_s == 0 or ended is not None or sum(clock.waits) >= how.waits_s
        # What the caller does after a failure, and after a crash: look, and act only where nothing is there.
        assert await ending(endpoint.call(desk)) is None
        made = [entry.route for entry in server.github.ledger if entry.did]
        assert all(made.count(each) == 1 for each in ONCE if each in made)


async def ending(call: Awaitable[object]) -> FailureKind | None:
    """The kind of failure that the call ends with; None for success. The sentence tells what, and no secret."""
    try:
        await call
    except OutsideError as error:
        failed = error
    else:
        return None
    assert TOKEN not in f"{failed} {failed!r} {failed.__cause__!r}"
    assert len(str(failed)) > 40
    return failed.kind


def expected(route: str, how: Kind, endpoint: Endpoint) -> set[FailureKind | None]:
    if route == "merge" and (how.unsure or how.after):
        return {None, FailureKind.TRANSIENT}  # the pull request itself tells whether it was merged
    if how.unsure and endpoint.once:
        return {FailureKind.TRANSIENT}
    return {None, FailureKind.TRANSIENT} if how.ends in endpoint.forgives else {how.ends}
