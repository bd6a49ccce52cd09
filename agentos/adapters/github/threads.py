"""What people said of single lines of a pull request, as threads: only GraphQL has them."""

from pydantic import Field

from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.graphql import Answered, Page, QueryData
from agentos.adapters.github.outgoing import sent
from agentos.adapters.github.queries import REPLY_TO_THREAD, RESOLVE_THREAD, REVIEW_THREADS, THREAD_COMMENTS
from agentos.adapters.github.reading import cleaned
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import clean_text
from agentos.ports.forge import ReviewThread


class _Review(Answered):
    id: str | None = Field(None, alias="fullDatabaseId")


class _Comment(Answered):
    body: str
    is_ours: bool = Field(alias="viewerDidAuthor")
    review: _Review | None = Field(None, alias="pullRequestReview")

    @property
    def mark(self) -> str:
        """The line that carries the key of what we wrote; empty for everything else, the same words of a person included."""
        first = cleaned(self.body).partition("\n")[0].strip()
        return first if self.is_ours and first.startswith("<!-- agentos:effect ") else ""


class _Thread(Answered):
    id: str
    is_resolved: bool = Field(alias="isResolved")
    path: str
    line: int | None = None
    original_line: int | None = Field(None, alias="originalLine")
    comments: Page[_Comment]


class _Pull(Answered):
    threads: Page[_Thread] = Field(alias="reviewThreads")


class _Repository(Answered):
    pull: _Pull | None = Field(None, alias="pullRequest")


class _Threads(QueryData):
    repository: _Repository | None


class _Node(Answered):
    comments: Page[_Comment]


class _More(QueryData):
    node: _Node | None


class Threads:
    """The threads of the pull requests of the repository that `api` reaches."""

    def __init__(self, api: GitHubClient) -> None:
        self._api = api

    async def of(self, number: int) -> tuple[ReviewThread, ...]:
        """All of them, oldest first, each with all its comments. Raises: OutsideError."""
        found, after, place = list[ReviewThread](), None, self._api.place
        while True:
            where = {"owner": place.owner, "name": place.name, "number": number, "after": after}
            told = (await self._api.ask(REVIEW_THREADS, where, _Threads)).repository
            if told is None or told.pull is None:
                raise OutsideError(f"{place.title} has no pull request {number}", kind=FailureKind.GONE)
            page = told.pull.threads
            found += [await self._thread(each) for each in page.seen]
            if not page.info.more:
                return tuple(found)
            after = page.info.end

    async def _thread(self, found: _Thread) -> ReviewThread:
        comments, info = [*found.comments.seen], found.comments.info
        while info.more:
            node = (await self._api.ask(THREAD_COMMENTS, {"id": found.id, "after": info.end}, _More)).node
            if node is None:  # deleted meanwhile
                break
            comments, info = [*comments, *node.comments.seen], node.comments.info
        theirs = [each.review.id for each in comments if each.review is not None and each.review.id and not each.mark]
        return ReviewThread(
            id=found.id,
            path=clean_text(found.path),
            line=found.line or found.original_line or 0,
            is_resolved=found.is_resolved,
            reviews=tuple(dict.fromkeys(theirs)),
            marks=tuple(each.mark for each in comments if each.mark),
        )

    async def reply(self, thread: str, text: str, key: EffectKey) -> None:
        """Effect: one more comment in that thread. Raises: OutsideError."""
        body = {"pullRequestReviewThreadId": thread, "body": f"{marker(key)}\n\n{sent(text)}"}
        await self._api.ask(REPLY_TO_THREAD, {"input": body}, dict[str, object], again=False)

    async def resolve(self, thread: str) -> None:
        """Effect: the thread is settled. Raises: OutsideError."""
        await self._api.ask(RESOLVE_THREAD, {"input": {"threadId": thread}}, dict[str, object])
