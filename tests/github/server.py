"""The fake GitHub on loopback: HTTP with ETags, pages, rate headers and faults on request, and git beside it."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from pydantic import SecretStr

from agentos.adapters.github.app import App, AppAccess, Signature
from agentos.adapters.github.place import GitHubPlace
from agentos.ports.clock import Clock
from tests.github.app_routes import APP_ROUTES, FOR_THE_APP
from tests.github.apps import APP_ID, private_key
from tests.github.ci_routes import CI_ROUTES
from tests.github.fake import NAME, OWNER, TOKEN, Entry, FakeGitHub, Heard, Request, Route, Who
from tests.github.graph import answer_to
from tests.github.routes import ROUTES
from tests.github.set_up_routes import SET_UP_ROUTES
from tests.started import standing

ALL_ROUTES = (*ROUTES, *CI_ROUTES, *APP_ROUTES, *SET_UP_ROUTES)
API = "/api/v3"
ELSEWHERE = "/elsewhere/"
"""Where GitHub keeps the logs of jobs: another host there, another part of this one here."""
GRAPHQL = "/api/graphql"
GIT = f"/{OWNER}/{NAME}.git/"
REPO = f"127.0.0.1/{OWNER}/{NAME}"


@dataclass
class Fault:
    """What goes wrong at the endpoint `route`, the next `times` times it is asked.

    `status`, `headers` and `body` are the answer that comes instead; with status 0 the line just breaks. `after`: the
    request is carried out first, and its own answer is lost. `skips`: so many requests pass before. `part`: so much of the real answer is sent, then the line
    breaks.
    """

    name: str
    route: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    after: bool = False
    part: float | None = None
    times: int = 1
    skips: int = 0
    fired: int = 0


@dataclass
class Server:
    """What is asked at `github`, and the faults that wait for their request."""

    github: FakeGitHub
    faults: list[Fault] = field(default_factory=list)
    git_asked: list[str] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)

    def place(self, token: str = TOKEN) -> GitHubPlace:
        """The repository, as a token reaches it."""
        return GitHubPlace.named(REPO, SecretStr(token), api_url=self.github.url + API)

    def app_place(self, clock: Clock, *, installation: int | None = None, key: str = "") -> GitHubPlace:
        """The repository, as the App reaches it."""
        app = App(APP_ID, SecretStr(key or private_key()), installation)
        signed = GitHubPlace.named(REPO, Signature(app, clock), api_url=self.github.url + API)
        return replace(signed, access=AppAccess(app, signed, clock))

    def fault_at(self, route: str) -> Fault | None:
        """The fault that this request meets, if any."""
        for each in self.faults:
            if each.route == route and each.fired < each.times:
                if not each.skips:
                    each.fired += 1
                    return each
                each.skips -= 1
        return None


class _Handler(BaseHTTPRequestHandler):
    server: "_HTTP"

    def __getattr__(self, name: str) -> Callable[[], None]:
        """What the library calls for a method: `do_GET` and the others."""
        if not name.startswith("do_"):
            raise AttributeError(name)
        return self._serve

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def _serve(self) -> None:
        raw = self._body()
        with self.server.lock:
            github = self.server.state.github
            github.heard.append(Heard(self.command, self.path, raw, len(github.ledger)))
            if self.path.startswith(GIT):
                self._git(raw)
            elif self.path.startswith(ELSEWHERE):
                self._log()
            elif self.path == GRAPHQL:
                self._graphql(json.loads(raw))
            else:
                self._api(raw)

    def _log(self) -> None:
        """The log of a job, at an address that wants no token and notes who comes with one."""
        ci = self.server.state.github.ci
        ci.elsewhere.append({name.lower(): value for name, value in self.headers.items()})
        text = ci.logs[int(self.path.removeprefix(ELSEWHERE))].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _who(self, *, for_app: bool = False) -> Who | None:
        return self.server.state.github.who(self.headers.get("authorization", ""), for_app=for_app)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """What the header `Date` says."""
        app = self.server.state.github.app
        return app.date() if app is not None else super().date_time_string(timestamp)

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        return b"".join(parts)

    # -- the API -----------------------------------------------------------------------------------------------------

    def _api(self, raw: bytes) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path.removeprefix(API))
        matches = ((each, each.path.fullmatch(path)) for each in ALL_ROUTES if each.method == self.command)
        route, match = next(((each, found) for each, found in matches if found), (None, None))
        if route is None or match is None:
            self._send(404, {"message": "Not Found"}, "unknown")
            return
        who = self._who(for_app=route.name in FOR_THE_APP)
        if who is None:
            self._send(401, {"message": "Bad credentials"}, route.name)
            return
        query = dict(parse_qsl(parts.query))
        request = Request(who, match.groups(), query, json.loads(raw) if raw else {})
        fault = self.server.state.fault_at(route.name)
        if fault is not None and not fault.after and fault.part is None:
            self._fail(route.name, fault, did=False)
            return
        status, body = self.server.state.github.answer(route, request)
        if fault is not None and fault.after:
            self._fail(route.name, fault, did=status < 300)
            return
        self._answer(route, query, status, body, fault)

    def _graphql(self, asked: dict[str, Any]) -> None:
        """What an operation brings; its name is the route's."""
        name, state = str(asked["operationName"]), self.server.state
        who = self._who()
        if who is None:
            self._send(401, {"message": "Bad credentials"}, name)
            return
        fault = state.fault_at(name)
        if fault is not None and not fault.after and fault.part is None:
            self._fail(name, fault, did=False)
            return
        body, did = answer_to(state.github, asked, who)
        if fault is not None and fault.after:
            self._fail(name, fault, did=did)
            return
        self._send(200, body, name, fault=fault, did=did)

    def _answer(self, route: Route, query: dict[str, str], status: int, body: Any, fault: Fault | None) -> None:
        headers: dict[str, str] = {}
        if isinstance(body, list) and self.command == "GET":
            body, headers = self._page(query, body)
        elif isinstance(body, dict) and self.command == "GET" and "total_count" in body:
            key = next(name for name, value in body.items() if isinstance(value, list))
            shown, headers = self._page(query, body[key])
            body = {**body, key: shown}
        if status in (301, 302):
            headers["Location"] = body["message"]
        tag = 'W/"' + hashlib.sha256(json.dumps(body).encode()).hexdigest() + '"'
        if self.command == "GET" and status == 200:
            headers["ETag"] = tag
            if self.headers.get("if-none-match") == tag:
                self._send(304, None, route.name, headers=headers)
                return
        self._send(status, body, route.name, headers=headers, fault=fault)

    def _page(self, query: dict[str, str], items: list[Any]) -> tuple[list[Any], dict[str, str]]:
        size, page = min(100, int(query.get("per_page", 30))), int(query.get("page", 1))
        shown = items[(page - 1) * size : page * size]
        if page * size >= len(items):
            return shown, {}
        address = self.server.state.github.url + urlsplit(self.path).path
        return shown, {
            "Link": f'<{address}?{urlencode({**query, "page": page + 1})}>; rel="next", <{address}>; rel="last"'
        }

    def _send(
        self,
        status: int,
        body: object,
        route: str,
        *,
        headers: dict[str, str] | None = None,
        fault: Fault | None = None,
        did: bool | None = None,
    ) -> None:
        github = self.server.state.github
        if status != 304:
            github.remaining -= 1
        raw = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        limits = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": str(github.remaining), "X-RateLimit-Reset": "1"}
        if github.scopes is not None:
            limits["X-OAuth-Scopes"] = github.scopes
        for name, value in {"Content-Type": "application/json; charset=utf-8", **limits, **(headers or {})}.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        name = fault.name if fault is not None else ""
        did = self.command != "GET" and status < 300 if did is None else did
        github.ledger.append(Entry(self.command, route, status, name, did=did))
        part = len(raw) if fault is None or fault.part is None else int(len(raw) * fault.part)
        self.wfile.write(raw[:part])

    def _fail(self, route: str, fault: Fault, *, did: bool) -> None:
        did = did and self.command != "GET"
        self.server.state.github.ledger.append(Entry(self.command, route, fault.status, fault.name, did=did))
        if not fault.status:
            self.close_connection = True
            return
        self.send_response(fault.status)
        for name, value in {"Content-Type": "application/json", **fault.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(fault.body)))
        self.end_headers()
        self.wfile.write(fault.body)

    # -- git ---------------------------------------------------------------------------------------------------------

    def _git(self, raw: bytes) -> None:
        """Git over HTTP, by git's own program, for whoever has the token."""
        self.server.state.git_asked.append(f"{self.command} {self.path}")
        self.server.state.github.command_lines |= standing()  # of git, which waits for us
        if fault := self.server.state.fault_at("git"):
            self.send_response(fault.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self._who() is None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="GitHub"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        parts, git = urlsplit(self.path), self.server.state.github.git
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(git),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": "/" + parts.path.removeprefix(GIT),
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(raw)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "HTTP_GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "REMOTE_USER": "x",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=raw, env=env, capture_output=True, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split(" ")[0]))
        for name, value in {**fields, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _HTTP(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, state: Server) -> None:
        self.state, self.lock = state, threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no error of ours; every other one fails the test at its end."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.state.broken.append(error)


@contextmanager
def serving(git: Path | None = None, github: FakeGitHub | None = None) -> Iterator[Server]:
    """A GitHub on loopback, gone afterwards; `git` is the bare repository of its one repository, `github` what answers
    where that is not a fresh fake."""
    state = Server(github or FakeGitHub(git))
    http = _HTTP(state)
    state.github.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
    if state.broken:
        raise state.broken[0]
