"""The npm package `emulate` as GitHub, which nobody here wrote; our fake fills in what it has not, by name.

The requests come in at our server, for its rate headers, ETags, pages and ledger; what they are answered is emulate's
for the endpoints of `BY_EMULATE`. It keeps no git: commits are those of our bare repository, and put into its answers.
"""

import http.client
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from githubkit_schemas.v2022_11_28 import models as gh

from tests.github.fake import ANNA, NAME, OWNER, TOKEN, US, FakeGitHub, Refused, Request, Route, Who, account
from tests.github.routes import ROUTES
from tests.github.samples import filled

PROGRAM = Path(__file__).parents[2] / ".tools" / "emulate" / "node_modules" / "emulate" / "dist" / "index.js"
REPO = f"/repos/{OWNER}/{NAME}"
TOKENS = {US[1]: TOKEN, ANNA[1]: "ghp_of_anna"}
BY_EMULATE = frozenset({
    "user", "repository", "permission", "timeline", "issue", "issues", "new issue", "edit issue", "comments", "new comment",
    "edit comment", "add labels", "take label", "pulls", "new pull", "pull", "edit pull", "reviews", "line comments", "merge",
})  # fmt: skip
"""The endpoints that emulate answers."""
SEED = f"""\
tokens:
  {TOKEN}: {{login: {US[1]}, scopes: [repo, user]}}
  {TOKENS[ANNA[1]]}: {{login: {ANNA[1]}, scopes: [repo]}}
github:
  users: [{{login: {US[1]}}}, {{login: {ANNA[1]}}}]
  orgs: [{{login: {OWNER}, members: [{{login: {US[1]}, role: admin}}, {{login: {ANNA[1]}, role: member}}]}}]
  repos: [{{owner: {OWNER}, name: {NAME}, auto_init: true}}]
"""
_MILLISECONDS = re.compile(r'("[a-z]+_at":"[0-9T:-]{19})\.\d+Z"')


@dataclass
class EmulatedGitHub(FakeGitHub):
    """emulate at `port`, with what it lacks filled in; `answered` counts whose answers they were, by endpoint."""

    port: int = 0
    answered: dict[str, set[str]] = field(default_factory=lambda: {"emulate": set(), "fake": set()})
    heads: dict[int, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None, *, who: Who = US) -> tuple[int, Any]:
        """What emulate answers, its addresses ours and its times in whole seconds, as GitHub documents them."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        raw = None if body is None else json.dumps(body)
        line.request(
            method, path, raw, {"Authorization": f"token {TOKENS[who[1]]}", "Content-Type": "application/json"}
        )
        answer = line.getresponse()
        text = answer.read().decode().replace(f"http://localhost:{self.port}", self.url)
        line.close()
        return answer.status, json.loads(_MILLISECONDS.sub(r'\1Z"', text)) if text else None

    def done(self, method: str, path: str, body: object = None, *, who: Who = ANNA) -> Any:
        """The answer to a change below the repository that a person makes."""
        status, found = self.ask(method, REPO + path, body, who=who)
        assert status < 300, found
        return found

    def answer(self, route: Route, request: Request) -> tuple[int, object]:
        """Status and body, by emulate where it knows the endpoint."""
        self.answered["emulate" if route.name in BY_EMULATE else "fake"].add(route.name)
        if route.name not in BY_EMULATE:
            return super().answer(route, request)
        if route.name == "merge":
            return self._merge(route, request)
        if request.body.get("draft"):
            return 422, Refused(422, "Draft pull requests are not supported in this repository.").body()
        return self._with_commits(*self.ask(route.method, address(route, request), request.body or None))

    def _with_commits(self, status: int, body: Any) -> tuple[int, Any]:
        """The answer, with the commits of our repository where a pull request is in it."""
        for each in body if isinstance(body, list) else [body]:
            if isinstance(each, dict) and "head" in each and "base" in each:
                there = self.ref(each["head"]["ref"]) if each["state"] == "open" else ""
                head = self.heads[each["number"]] = there or self.heads.get(each["number"], "")
                each["head"]["sha"], each["base"]["sha"] = head, self.ref(each["base"]["ref"])
                if each["merged_at"]:
                    each["merge_commit_sha"] = self.pulls[each["number"]]["merge_commit_sha"]
        return status, body

    def _merge(self, route: Route, request: Request) -> tuple[int, object]:
        """The merge by our rules and in our repository, then told to emulate, which knows no such commit."""
        self.mirror()
        number, method = request.args[0], request.body.get("merge_method", "merge")
        status, made = super().answer(route, request)
        if status == 200:
            self.done("PUT", f"/pulls/{number}/merge", {"merge_method": method}, who=US)
        return status, made

    def mirror(self) -> None:
        """Effect: the fake holds what emulate holds, for what fills in and for the invariants."""
        self.issues = {each["number"]: _ours(each) for each in self.all_of("/issues?state=all")}
        pulls = {
            each["number"]: self.pulls.get(each["number"], {}) | _ours(each) for each in self.all_of("/pulls?state=all")
        }
        self.pulls = {
            number: filled(gh.PullRequest) | each | {"merged": bool(each["merged_at"])}
            for number, each in pulls.items()
        }
        self.reviews = {number: [_ours(each) for each in self.all_of(f"/pulls/{number}/reviews")] for number in pulls}
        found = [each for number in (*self.issues, *pulls) for each in self.all_of(f"/issues/{number}/comments")]
        self.comments = {each["id"]: _ours(each) for each in found}

    def all_of(self, path: str) -> list[dict[str, Any]]:
        """Every item of the list at `path`."""
        found: list[dict[str, Any]] = []
        for page in range(1, 100):
            _, shown = self._with_commits(
                *self.ask("GET", f"{REPO}{path}{'&' if '?' in path else '?'}per_page=100&page={page}")
            )
            found += shown
            if len(shown) < 100:
                break
        return found


def _ours(thing: dict[str, Any]) -> dict[str, Any]:
    """The same, its author with the number the fake knows them by."""
    who = next(each for each in (US, ANNA) if each[1] == thing["user"]["login"])
    return {**thing, "user": account(who)}


def address(route: Route, request: Request) -> str:
    """Where emulate is asked for it."""
    words = iter(request.args)
    path = re.sub(r"\(\\d\+\)|\(\[\^/\]\+\)", lambda _: next(words), route.path.pattern)
    asked = {key: value for key, value in request.query.items() if key not in ("page", "per_page")}
    return path + "?" + "&".join(f"{key}={value}" for key, value in {**asked, "per_page": "100"}.items())


def missing() -> str:
    """Why emulate cannot be started here; empty where it can."""
    if shutil.which("node") is None:
        return "there is no node"
    return "" if PROGRAM.exists() else "`make emulate` was not run, or could not fetch it"


@contextmanager
def emulated(git: Path, folder: Path) -> Iterator[EmulatedGitHub]:
    """emulate in a process of its own, gone afterwards, with a repository whose commits are those of `git`."""
    (folder / "seed.yaml").write_text(SEED, "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["node", str(PROGRAM), "start", "-p", str(port), "-s", "github", "--seed", str(folder / "seed.yaml")]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder)
    try:
        _require_answer(process, port)
        yield EmulatedGitHub(git, port=port)
    finally:
        process.terminate()
        process.communicate()


def _require_answer(process: "subprocess.Popen[bytes]", port: int) -> None:
    pause = Event()
    for _ in range(600):
        assert process.poll() is None, process.communicate()[1]
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                return
        pause.wait(0.05)
    raise AssertionError("emulate did not begin to listen in 30 s")


ROUTE_NAMES = frozenset(route.name for route in ROUTES)
assert BY_EMULATE <= ROUTE_NAMES
