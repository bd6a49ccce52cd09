"""Requests to one repository's part of GitHub's API: tried again while that makes sense, and free where nothing changed.

The SDK gives the transport, `Access` the token to show; tries, waits and the memory of answers are ours, so that one
clock and one rule (DESIGN §4) hold for them. What an answer means is read by `wire`, what a refusal means by `refusal`.
"""

import asyncio
import json
import random
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import RootModel, TypeAdapter, ValidationError

from agentos.adapters.github.graphql import Data, Operation, Points, refused_in
from agentos.adapters.github.pace import Pace
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.refusal import refusal, unknown_access
from agentos.adapters.github.weighing import counted
from agentos.domain.error import OutsideError
from agentos.domain.failure import RETRY, FailureKind, backoff_s
from agentos.domain.requests import Requests
from agentos.ports.clock import Clock

if TYPE_CHECKING:
    import ssl

    import httpx
    from githubkit import GitHub, UnauthAuthStrategy
    from pydantic import SecretStr

T = TypeVar("T")
W = TypeVar("W")
API_VERSION = "2022-11-28"
TIMEOUT_S = 30.0
PER_PAGE = 100
MOST_PAGES = 1000
KEPT_ANSWERS = 2000
"""How many answers are kept to ask by their ETag; the longest unused goes first."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came: its body, its headers in small letters, and the address of the next page, if any."""

    body: bytes
    headers: Mapping[str, str]
    next_url: str = ""


class GitHubClient:
    """The API as far as `place` reaches; `pace` is shared by all who write there, `jitter` gives numbers in [0, 1)."""

    def __init__(
        self, place: GitHubPlace, clock: Clock, pace: Pace | None = None, jitter: Callable[[], float] = random.random
    ) -> None:
        self.place = place
        self.clock = clock
        self._pace = pace or Pace(clock)
        self._jitter = jitter
        self._known: OrderedDict[str, Answer] = OrderedDict()
        self.points = Points()
        self.requests = Requests()

    async def get(self, path: str, model: type[T], **params: str | int) -> T:
        """The answer at `path` (from the repository on), read as `model`. Raises: OutsideError."""
        url = self._url(path, params)
        answer, found = await self._try(_Request("GET", url), model, again=True)
        self._keep(url, answer)
        return found

    async def get_moved(self, url: str, model: type[T]) -> T:
        """As `get`, at the whole address that GitHub gives of what moved, on the same API. Raises: OutsideError."""
        if not url.startswith(f"{self.place.api_url}/"):
            raise OutsideError(f"it is said to be at another server, which was not asked: {url}", kind=FailureKind.GONE)
        _, found = await self._try(_Request("GET", url), model, again=True)
        return found

    async def get_with(self, path: str, model: type[T], header: str) -> tuple[T, str | None]:
        """As `get`, with what a header of the answer says; None where it is not there. Raises: OutsideError."""
        url = self._url(path, {})
        answer, found = await self._try(_Request("GET", url), model, again=True)
        self._keep(url, answer)
        return found, answer.headers.get(header)

    async def may_post(self, path: str) -> bool:
        """Whether a change at `path` would be taken: an empty one is refused for what it says, not for a missing right.
        Raises: OutsideError."""
        try:
            await self.make("POST", path, {}, _Changed, again=True)
        except OutsideError as exc:
            if exc.kind in (FailureKind.DENIED, FailureKind.GONE):
                return False
            if exc.kind not in (FailureKind.INVALID, FailureKind.CONFLICT):
                raise
        return True

    async def pages(self, path: str, model: type[T], **params: str | int) -> tuple[T, ...]:
        """All items of the list at `path`, read to its last page. Raises: OutsideError."""
        return await self.pages_of(path, list[model], tuple, **params)  # type: ignore[valid-type]

    async def pages_of(
        self, path: str, page: type[W], items_of: Callable[[W], Sequence[T]], **params: str | int
    ) -> tuple[T, ...]:
        """As `pages`, of a list whose pages are read as `page` and hold its items inside."""
        url, items = self._url(path, {**params, "per_page": PER_PAGE}), list[T]()
        for _ in range(MOST_PAGES):
            answer, whole = await self._try(_Request("GET", url), page, again=True)
            found = items_of(whole)
            items += found
            # A full last page stays as it is when another one follows: only asking anew tells of that one.
            if answer.next_url or len(found) < PER_PAGE:
                self._keep(url, answer)
            url = answer.next_url
            if not url:
                return tuple(items)
        raise OutsideError(f"GET {path} has more than {MOST_PAGES} pages of {PER_PAGE}; that is more than we read")

    async def sent_to(self, path: str) -> str:
        """The address GitHub sends whoever asks for `path` to, often another host's, which must not get the token."""
        _, url = await self._try(_Request("GET", self._url(path, {}), redirects=True), str, again=True)
        return url

    async def make(self, method: str, path: str, body: Mapping[str, object], model: type[T], *, again: bool) -> T:
        """The answer, read as `model`, to a change. `again`: repeating it is harmless, so that a lost answer may be asked
        for once more; otherwise only what GitHub surely did not do is tried again. Raises: OutsideError."""
        _, made = await self._try(_Request(method, self._url(path, {}), body), model, again=again)
        return made

    async def make_dated(
        self, method: str, path: str, body: Mapping[str, object], model: type[T]
    ) -> tuple[T, datetime]:
        """As `make` of what may be repeated, with the time of the answer by GitHub's clock. Raises: OutsideError."""
        answer, made = await self._try(_Request(method, self._url(path, {}), body), model, again=True)
        try:
            return made, parsedate_to_datetime(answer.headers.get("date", ""))
        except (TypeError, ValueError):
            return made, self.clock.now()

    async def change(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, picture: bool = False
    ) -> None:
        """Effect: a change that may be repeated without harm. `picture`: it may be late, and leaves room for what people wait
        for. Raises: OutsideError; `Crowded` where there is no room for a picture."""
        await self._try(_Request(method, self._url(path, {}), body, picture=picture), _Changed, again=True)

    async def ask(
        self,
        operation: Operation,
        variables: Mapping[str, object],
        model: type[T],
        *,
        again: bool = True,
        picture: bool = False,
    ) -> T:
        """What `operation` brings of GraphQL, read as `model`. `again`: as with `make`, and always so for a query;
        `picture`: as with `change`. Raises: OutsideError."""
        body = {"query": operation.text, "operationName": operation.name, "variables": variables}
        request = _Request("POST", self.place.graphql_url, body, operation=operation, picture=picture)
        self.points.require(request.name, self.clock.now())
        _, found = await self._try(request, Data[model], again=again or operation.reads)  # type: ignore[valid-type]
        self.requests += Requests(points=self.points.count(found.data) - 1)
        return found.data

    async def _try(self, request: "_Request", model: type[T], *, again: bool) -> tuple[Answer, T]:
        rule = RETRY[FailureKind.TRANSIENT]
        for tries in range(1, rule.limit + 1):
            try:
                answer = await self._once(request)
                return answer, self._read(request, answer, model)
            except _Unanswered as lost:
                error, repeatable = lost.error, again or lost.unsent
            wait_s = backoff_s(tries, first_s=rule.first_s, most_s=rule.most_s) * (0.5 + self._jitter() / 2)
            wait_s = max(wait_s, error.retry_after_s or 0.0)
            final = tries == rule.limit or wait_s > rule.most_s
            if error.kind is not FailureKind.TRANSIENT or not repeatable or final:
                raise error
            await self.clock.sleep(wait_s)
        raise AssertionError("the last try either answers or raises")

    async def _once(self, request: "_Request") -> Answer:
        known = self._known.get(request.url) if request.method == "GET" else None
        etag = {"If-None-Match": known.headers["etag"]} if known is not None else {}
        if request.changes:
            await self._pace.turn(request.name, picture=request.picture)
        response = await self._let_in(request, {"X-GitHub-Api-Version": API_VERSION, **etag})
        status = response.status_code
        if status == 304 and known is not None:
            self._known.move_to_end(request.url)
            return known
        if request.redirects and status == 302:
            return Answer(json.dumps(response.headers.get("location", "")).encode(), dict(response.headers))
        self._require_yes(request, response)
        answer = Answer(response.content, dict(response.headers), response.links.get("next", {}).get("url", ""))
        if answer.next_url and not answer.next_url.startswith(f"{self.place.api_url}/"):
            raise OutsideError(f"{request.name}: the next page is said to be elsewhere, and was not asked for")
        return answer

    def _require_yes(self, request: "_Request", response: "httpx.Response") -> None:
        """Raises _Unanswered where the answer is a no, whatever its status."""
        status, headers, now = response.status_code, response.headers, self.clock.now()
        if not 200 <= status < 300:
            error = refusal(status, headers, _message(response), request.name, now)
            if status == 401:
                error = unknown_access(_message(response), request.name, self.place.access.mend)
            # Refused for a limit or a missing right, nothing was done; a server that broke may have done it.
            raise _Unanswered(error, unsent=status < 500)
        refused = refused_in(response.content, headers, request.name, now) if request.operation is not None else None
        if refused is not None:
            raise _Unanswered(refused[0], unsent=refused[1])

    async def _let_in(self, request: "_Request", headers: dict[str, str]) -> "httpx.Response":
        """The answer to whom `place` lets in, asked for a second time where GitHub does not know a token any more."""
        access = self.place.access
        token = await access.token()
        response = await self._ask(request, headers, token)
        if response.status_code == 401 and access.renews(token, response.headers.get("date", "")):
            response = await self._ask(request, headers, await access.token())
        return response

    async def _ask(self, request: "_Request", headers: dict[str, str], token: "SecretStr") -> "httpx.Response":
        import httpx

        headers = {**headers, "Authorization": f"Bearer {token.get_secret_value()}"}
        try:
            async with asyncio.timeout(TIMEOUT_S * 2), self._github.get_async_client() as client:
                response = await client.request(request.method, request.url, json=request.body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as exc:
            unsent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
            if not unsent:
                self.requests += counted(changes=request.changes, status=None)
            error = OutsideError(
                f"GitHub cannot be reached ({request.name}: {_reason(exc)}); look at the network, or try again later",
                kind=FailureKind.TRANSIENT,
            )
            raise _Unanswered(error, unsent=unsent) from exc
        self.requests += counted(changes=request.changes, status=response.status_code)
        return response

    def _keep(self, url: str, answer: Answer) -> None:
        """Effect: the answer at `url` is asked for by its ETag the next time, which costs nothing while it holds."""
        if "etag" not in answer.headers:
            return
        self._known[url] = answer
        self._known.move_to_end(url)
        while len(self._known) > KEPT_ANSWERS:
            self._known.popitem(last=False)

    def _read(self, request: "_Request", answer: Answer, model: type[T]) -> T:
        try:
            return TypeAdapter(model).validate_json(answer.body)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            error = OutsideError(
                f"GitHub's answer cannot be read ({request.name}, {where}: {first['msg'][:120]}); try again later, "
                "and see whether something stands between us and it",
                kind=FailureKind.TRANSIENT,
            )
            raise _Unanswered(error, unsent=False) from None

    def _url(self, path: str, params: Mapping[str, str | int]) -> str:
        import httpx

        base = self.place.api_url + (path if path.startswith(("/user", "/app")) else self.place.path + path)
        return str(httpx.URL(base, params=dict(params))) if params else base

    @cached_property
    def _github(self) -> "GitHub[UnauthAuthStrategy]":
        from githubkit import GitHub, UnauthAuthStrategy

        return GitHub(
            UnauthAuthStrategy(),
            base_url=self.place.api_url,
            user_agent="AgentOS",
            # A repository or an issue that moved is told, not followed: what was agreed on is this one.
            follow_redirects=False,
            timeout=TIMEOUT_S,
            ssl_verify=_certificates(),
            http_cache=False,
            auto_retry=False,
        )


@cache
def _certificates() -> "ssl.SSLContext":
    """Whom this process trusts; read once, for it takes longer than many a request."""
    import httpx

    return httpx.create_ssl_context()


@dataclass(frozen=True, slots=True)
class _Request:
    """One request; `name` is how a message calls it, without its query. `redirects`: its answer is another address;
    `picture`: it may be late."""

    method: str
    url: str
    body: Mapping[str, object] | None = None
    redirects: bool = False
    operation: Operation | None = None
    picture: bool = False

    @property
    def name(self) -> str:
        path = f"/{self.url.partition('://')[2].partition('/')[2].partition('?')[0]}"
        return f"{self.method} {path}" + (f" {self.operation.name}" if self.operation is not None else "")

    @property
    def changes(self) -> bool:
        """Whether it is counted as a change."""
        return not self.operation.reads if self.operation is not None else self.method != "GET"


_Changed = RootModel[dict[str, Any] | list[Any]]
"""What GitHub shows of a thing that was changed; a page of somebody else's in between is none."""


class _Unanswered(Exception):
    """A request that brought nothing; `unsent`: GitHub surely did not do what it asked for."""

    def __init__(self, error: OutsideError, *, unsent: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.unsent = unsent


def _message(response: "httpx.Response") -> str:
    """GitHub's own words, with what it says of single fields."""
    try:
        told: Any = json.loads(response.content)
    except ValueError:
        return response.reason_phrase
    if not isinstance(told, dict):
        return response.reason_phrase
    errors = told.get("errors")
    details = [_detail(each) for each in errors] if isinstance(errors, list) else []
    return "; ".join([str(told.get("message", "")), *filter(None, details)])


def _detail(error: object) -> str:
    if not isinstance(error, dict):
        return str(error)
    return str(error.get("message") or " ".join(str(error.get(key, "")) for key in ("field", "code")).strip())


def _reason(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:200] or type(exc).__name__
