"""What changed in a repository: two listings of what was touched lately, which cost nothing while nothing was.

GitHub takes a listing with `since` for what changed at or after that second, and answers 304, free of charge, while it is
what it was. A second has room for several changes and a listing may lag behind, so each look reaches back a little, and
what it has told already is known by its content.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.wire import CommentAnswer, IssueAnswer

LOOK_BACK = timedelta(days=7)
"""How far the first look reaches: what was asked for while nobody listened is still heard."""
LAG = timedelta(minutes=2)
"""How much later a change may show up than one after it."""
_ISO = "%Y-%m-%dT%H:%M:%SZ"


T = TypeVar("T", bound=IssueAnswer | CommentAnswer)


class Listing(Generic[T]):
    """The fresh items of one listing, which `read` gives from a time on (ISO 8601 UTC, to the second)."""

    def __init__(self, read: Callable[[str], Awaitable[tuple[T, ...]]], since: datetime) -> None:
        self._read = read
        self._since = since
        self._known: frozenset[str] = frozenset()

    async def fresh(self) -> tuple[T, ...]:
        """What changed since the last look. Effect: it is known from now on."""
        found = await self._read(self._since.strftime(_ISO))
        contents = [each.model_dump_json() for each in found]
        fresh = tuple(each for each, content in zip(found, contents, strict=True) if content not in self._known)
        times = [datetime.fromisoformat(each.updated_at) for each in found if each.updated_at]
        self._since = max([self._since, *(time.astimezone(UTC) - LAG for time in times)])
        self._known = frozenset(contents)
        return fresh


class RepositoryNews:
    """The issues, pull requests and comments of a repository that changed, from `now` less `LOOK_BACK` on."""

    def __init__(self, api: GitHubClient, now: datetime) -> None:
        async def issues(since: str) -> tuple[IssueAnswer, ...]:
            order = {"sort": "updated", "direction": "asc"}
            return await api.pages("/issues", IssueAnswer, state="all", since=since, **order)

        async def comments(since: str) -> tuple[CommentAnswer, ...]:
            return await api.pages("/issues/comments", CommentAnswer, since=since, sort="updated", direction="asc")

        self._issues = Listing(issues, now - LOOK_BACK)
        self._comments = Listing(comments, now - LOOK_BACK)
        self._untold: frozenset[int] = frozenset()  # found, while the second listing could not be read

    async def fresh(self) -> tuple[frozenset[int], tuple[tuple[int, CommentAnswer], ...]]:
        """The numbers of issues and pull requests that changed since the last look (a review changes its pull request),
        and the comments that are new or edited, each with the number of what it stands at."""
        self._untold |= {each.number for each in await self._issues.fresh()}
        found = [(each.issue_url.rpartition("/")[2], each) for each in await self._comments.fresh()]
        said = tuple((int(number), each) for number, each in found if number.isdigit())
        touched, self._untold = self._untold | {number for number, _ in said}, frozenset()
        return touched, said
