"""A GitHub of our own: one repository with issues, comments, pull requests and reviews, by GitHub's published rules.

Every answer is checked against GitHub's own schema before it goes out, and everything asked is in `ledger`.
"""

import base64
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from githubkit_schemas.v2022_11_28 import models as gh

from tests.github.apps import FakeApp
from tests.github.board import Project, Remark, Thread
from tests.github.ci import Ci
from tests.github.lag import Lag
from tests.github.lately import Lately
from tests.github.samples import AT, filled, require_shape

OWNER, NAME = "acme", "todo"
TOKEN = "ghp_canary0123456789abcdefghijklmnopqrst"
BODY_LIMIT = 65_536
LATER = "2026-01-01T00:01:00Z"
US, ANNA, ROBOT = (1, "agentos-bot", "User"), (2, "anna", "User"), (3, "robot[bot]", "Bot")
Who = tuple[int, str, str]


@dataclass(frozen=True)
class Refused(Exception):
    """An answer that is no success, as GitHub words it."""

    status: int
    message: str
    errors: tuple[dict[str, str], ...] = ()

    def body(self) -> dict[str, Any]:
        told: dict[str, Any] = {"message": self.message, "documentation_url": "https://docs.github.com/rest"}
        return told | ({"errors": list(self.errors)} if self.errors else {})


@dataclass(frozen=True)
class Entry:
    """One request as it was answered; `fault` is what was done to it. `did`: its change took place."""

    method: str
    route: str
    status: int
    fault: str = ""
    did: bool = False


@dataclass(frozen=True)
class Heard:
    """One request as it came over the wire, git's included; `at`: the entries of the ledger before it."""

    method: str
    path: str
    body: bytes
    at: int


@dataclass
class Request:
    """One request to the API: who asks, and the parts of its address."""

    who: Who
    args: tuple[str, ...]
    query: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True)
class Route:
    """One endpoint: `shape` is what GitHub publishes for its success, None for no content."""

    name: str
    method: str
    path: re.Pattern[str]
    answer: Callable[["FakeGitHub", Request], object]
    shape: Any
    status: int = 200


@dataclass
class FakeGitHub:
    """The state of the repository; `git` is its bare repository, for pull requests."""

    git: Path | None = None
    url: str = ""
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    reviews: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    line_comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    permissions: dict[Who, str] = field(default_factory=lambda: {US: "write", ANNA: "write"})
    blockers: dict[int, list[int]] = field(default_factory=dict)
    parts: dict[int, list[int]] = field(default_factory=dict)
    ledger: list[Entry] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    instead: dict[int, Refused] = field(default_factory=dict)
    """What is said instead of an issue that is not there any more; its message is the new address where it moved."""
    locked: set[int] = field(default_factory=set)
    """The issues that nobody may comment on now."""
    command_lines: set[str] = field(default_factory=set)
    """How the processes stood in the list of the machine while git spoke to this."""
    remaining: int = 5000
    is_behind: bool = False
    """Whether pull requests do not see what was pushed lately."""
    ci: Ci = field(default_factory=Ci)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    scopes: str | None = None
    """What `X-OAuth-Scopes` says of a classic token; None for a token of another kind."""
    app: FakeApp | None = None
    """Whoever comes with a token comes as this App, where there is one."""
    has_drafts: bool = True
    project: Project | None = None
    threads: dict[int, list[Thread]] = field(default_factory=dict)
    lately: Lately = field(default_factory=Lately)
    lag: Lag | None = None
    _ids: int = 1000

    # -- what people do ----------------------------------------------------------------------------------------------

    def open_issue(self, title: str, body: str = "", *, who: Who = ANNA, labels: tuple[str, ...] = ()) -> int:
        """The number of a new issue."""
        number = len(self.issues) + len(self.pulls) + 1
        self.issues[number] = filled(
            gh.Issue,
            id=self.next_id(),
            number=number,
            title=title,
            body=body,
            state="open",
            user=account(who),
            labels=[label(name) for name in labels],
            assignees=[],
            html_url=f"{self.page}/issues/{number}",
            issue_dependencies_summary={"blocked_by": 0, "blocking": 0, "total_blocked_by": 0, "total_blocking": 0},
        )
        return number

    def comment(self, number: int, text: str, *, who: Who = ANNA) -> int:
        """The id of a new comment."""
        made = filled(
            gh.IssueComment,
            id=self.next_id(),
            body=text,
            user=account(who),
            created_at=AT,
            updated_at=AT,
            issue_url=f"{self.url}/api/v3/repos/{OWNER}/{NAME}/issues/{number}",
        )
        self.comments[made["id"]] = made
        return int(made["id"])

    def block(self, number: int, by: int) -> None:
        """Effect: issue `number` is blocked by issue `by`, as GitHub itself keeps it."""
        self.blockers.setdefault(number, []).append(by)
        self.issues[number]["issue_dependencies_summary"]["total_blocked_by"] = len(self.blockers[number])

    def part(self, number: int, of: int) -> None:
        """Effect: issue `number` is a sub-issue of issue `of`."""
        self.parts.setdefault(of, []).append(number)
        there = len(self.parts[of])
        self.issues[of]["sub_issues_summary"] = {"total": there, "completed": 0, "percent_completed": 0}
        self.issues[number]["parent_issue_url"] = f"{self.url}/api/v3/repos/{OWNER}/{NAME}/issues/{of}"

    def review(self, number: int, *, state: str, body: str, sha: str, at: str, id: int, who: Who = ANNA) -> None:
        """Effect: the pull request has that review, once per id."""
        there = self.reviews.setdefault(number, [])
        if all(each["id"] != id for each in there):
            links = {"html": {"href": "x"}, "pull_request": {"href": "x"}}
            given = {"id": id, "state": state.upper(), "body": body, "commit_id": sha, "submitted_at": at}
            there.append(filled(gh.PullRequestReview, user=account(who), _links=links, **given))

    def say_of_line(self, number: int, *, review: int, path: str, line: int, body: str) -> Thread:
        """The thread that the review opens at a line."""
        thread = Thread(f"PRRT_{self.next_id()}", path, line)
        self.threads.setdefault(number, []).append(thread)
        self.say_in_thread(number, thread, body, review=review)
        return thread

    def say_in_thread(self, number: int, thread: Thread, body: str, *, review: int = 0, who: Who = ANNA) -> Remark:
        """One more comment of a thread; without a `review` it is one of its own, as GitHub has it."""
        review = review or self.next_id()
        self.review(number, state="commented", body="", sha="a" * 40, at=AT, id=review, who=who)
        made = {"pull_request_review_id": review, "path": thread.path, "line": thread.line, "body": body}
        shown = filled(gh.PullRequestReviewComment, id=self.next_id(), user=account(who), **made)
        self.line_comments.setdefault(number, []).append(shown)
        thread.remarks.append(Remark(f"PRRC_{shown['id']}", body, who, review))
        return thread.remarks[-1]

    # -- what the server asks ----------------------------------------------------------------------------------------

    @property
    def page(self) -> str:
        """Its page."""
        return f"{self.url}/{OWNER}/{NAME}"

    def next_id(self) -> int:
        """A new id, larger than every other."""
        self._ids += 1
        return self._ids

    def who(self, header: str, *, for_app: bool = False) -> Who | None:
        """Whoever shows that header; `for_app`: where only an App itself may ask. None for a stranger."""
        if self.app is not None:
            return self.app.who(header, for_app=for_app)
        return US if header in (f"token {TOKEN}", f"Bearer {TOKEN}", basic(TOKEN)) else None

    def answer(self, route: Route, request: Request) -> tuple[int, object]:
        """Status and body. Effect: the change, if it is one."""
        try:
            body = route.answer(self, request)
        except Refused as refused:
            return refused.status, refused.body()
        if route.shape is not None:
            require_shape(route.shape, body)
        return route.status, self.lag.shown(route.name, body) if self.lag is not None else body

    def issue(self, number: str) -> dict[str, Any]:
        """The issue, or the pull request as one."""
        if int(number) in self.instead:
            raise self.instead[int(number)]
        if int(number) in self.pulls:
            pull = self.pulls[int(number)]
            links = {"url": "x", "html_url": "x", "diff_url": "x", "patch_url": "x"}
            same = {key: pull[key] for key in ("id", "number", "title", "body", "state", "user", "labels", "html_url")}
            return filled(gh.Issue, pull_request=links, **same)
        if int(number) not in self.issues:
            raise Refused(404, "Not Found")
        return self.issues[int(number)]

    def pull(self, number: str) -> dict[str, Any]:
        """The pull request, its head as the branch is now while it is open."""
        if int(number) not in self.pulls:
            raise Refused(404, "Not Found")
        found = self.pulls[int(number)]
        if found["state"] == "open" and not self.is_behind and (head := self.ref(found["head"]["ref"])):
            found["head"]["sha"] = head
        return found

    def ref(self, branch: str) -> str:
        """The commit of a branch; empty where there is none."""
        return self.run_git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", check=False)

    def run_git(self, *args: str, check: bool = True) -> str:
        """What git says in the repository."""
        assert self.git is not None, "this GitHub has no repository"
        who = {
            f"GIT_{role}_{what}": "gh@example.invalid" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        command = ["git", f"--git-dir={self.git}", *args]
        done = subprocess.run(
            command, env={"PATH": "/usr/bin:/bin", **who}, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip() if done.returncode == 0 else ""


def basic(token: str) -> str:
    """The header by which git shows a token."""
    return f"Basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"


def account(who: Who) -> dict[str, Any]:
    """Somebody as GitHub shows them."""
    return filled(gh.SimpleUser, id=who[0], login=who[1], type=who[2])


def label(name: str) -> dict[str, Any]:
    """A label as GitHub shows it."""
    return filled(gh.Label, id=abs(hash(name)) % 10**9, name=name, description=None, color="ededed")
