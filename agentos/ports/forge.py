"""Where the change is proposed, reviewed and merged.

As with the tracker, look-ups and writes are apart. Every method raises `OutsideError`, kind CONFLICT where somebody
else moved a ref first.
"""

from dataclasses import dataclass
from typing import Protocol

from agentos.domain.ci import CiCheck, CiReport
from agentos.domain.effect import EffectKey
from agentos.domain.issue import Comment


@dataclass(frozen=True, slots=True)
class PullRequestDraft:
    """What a pull request is opened with. `body` is Markdown and carries the effect's marker. `unready`: as a draft, where
    the forge has such; `mark_ready` ends that."""

    branch: str
    base: str
    title: str
    body: str
    unready: bool = False


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as it is now. `merge_sha` is set once merged; `state` is open, merged or closed. `is_draft`: people
    are not asked to look at it yet."""

    number: int
    url: str
    branch: str
    base: str
    head_sha: str
    title: str
    body: str
    state: str
    merge_sha: str = ""
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class ReviewNote:
    """One review of a pull request. `state` is approved, changes_requested or commented; `sha` is what was seen.

    `body` ends with what it says of single lines, each as `path:line: text`.
    """

    id: str
    author: str
    state: str
    body: str
    sha: str
    at: str
    author_id: str = ""
    is_bot: bool = False
    edited: bool = False


@dataclass(frozen=True, slots=True)
class ReviewThread:
    """What people said of one line, in which `reviews` (by their ids, the one that began it first), and the `marks` (see
    `marker`) of what we answered there."""

    id: str
    path: str
    line: int
    is_resolved: bool
    reviews: tuple[str, ...]
    marks: tuple[str, ...] = ()


class Forge(Protocol):
    """One target repository's branches and pull requests."""

    async def branch_head(self, branch: str) -> str | None:
        """The commit the branch points to on the forge; None if it is not there."""
        ...

    async def push(self, branch: str, sha: str, *, expected: str | None) -> None:
        """Effect: the branch is `sha`, if it was `expected` (None: it did not exist) before; else kind CONFLICT.

        `sha` is a commit of the repository we own.
        """
        ...

    async def delete_branch(self, branch: str, *, expected: str) -> None:
        """Effect: the branch is gone, if it was `expected`. A missing branch is fine."""
        ...

    async def find_pr(self, branch: str) -> PullRequest | None:
        """The newest pull request whose head is `branch`, open or not."""
        ...

    async def other_prs(self, branch: str) -> tuple[PullRequest, ...]:
        """All open pull requests but those of `branch`, anybody's, oldest first, read to the last page."""
        ...

    async def open_pr(self, draft: PullRequestDraft, key: EffectKey) -> PullRequest:
        """A new pull request. Effect: one pull request."""
        ...

    async def edit_pr(self, number: int, *, title: str, body: str) -> None:
        """Effect: title and body are as given. Repeating is harmless."""
        ...

    async def mark_ready(self, number: int) -> None:
        """Effect: the pull request is no draft any more. Repeating is harmless."""
        ...

    async def reviews(self, number: int) -> tuple[ReviewNote, ...]:
        """All reviews, oldest first."""
        ...

    async def threads(self, number: int) -> tuple[ReviewThread, ...]:
        """What people said of single lines, oldest first, read to the last page; none where the forge has no such."""
        ...

    async def reply(self, number: int, thread: str, text: str, key: EffectKey) -> None:
        """Effect: one more comment in that thread, carrying `key`. Kind GONE where the thread is not there."""
        ...

    async def resolve(self, number: int, thread: str) -> None:
        """Effect: the thread is settled. Repeating is harmless. Kind GONE where it is not there."""
        ...

    async def comments(self, number: int) -> tuple[Comment, ...]:
        """What people wrote to the pull request as a whole, oldest first, read to the last page."""
        ...

    async def merge(self, number: int, *, expected_head: str, message: str) -> str:
        """The merge commit. Effect: the pull request is merged, if its head is `expected_head`; else kind CONFLICT.

        A base that does not merge cleanly is kind CONFLICT as well; the message says which paths.
        """
        ...

    async def close_pr(self, number: int) -> None:
        """Effect: the pull request is closed without a merge. Repeating is harmless."""
        ...

    @property
    def runs_checks(self) -> bool:
        """Whether the repository's own checks of a commit can be there at all."""
        ...

    async def ci(self, sha: str, base: str) -> CiReport | None:
        """The checks of the commit `sha`, all of them, and what the branch `base` requires; None where a forge runs none."""
        ...

    async def rerun(self, handle: str) -> bool:
        """Whether `handle`, the `rerun` of a check, is run again now; False where the forge does not let us.

        Effect: it is run once more, each time.
        """
        ...

    async def ci_log(self, check: CiCheck) -> str:
        """What a check that ended said, its end where that is long; empty where nothing is there to read any more."""
        ...
