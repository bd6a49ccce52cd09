"""Where issues live and people see and steer the work.

Reads and writes are apart: the caller looks for the effect key first, writes only if it is not there, and reads back.
Every method raises `OutsideError` with kind GONE, DENIED, INVALID or TRANSIENT (already retried).
"""

from dataclasses import dataclass
from typing import Protocol

from agentos.domain.effect import EffectKey
from agentos.domain.issue import Comment, Issue, IssueDraft, IssueRef
from agentos.domain.status import Status


@dataclass(frozen=True, slots=True)
class Board:
    """What the board shows of an issue: the derived status, the one `agentos:` label, whether a person must look."""

    status: Status
    label: str | None = None
    attention: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What changed: `touched` issues and pull requests, by number, and what may be new of what was `said`, with the number
    it stands at. Both may tell too much, never too little."""

    touched: frozenset[int] = frozenset()
    said: tuple[tuple[int, Comment], ...] = ()


class Tracker(Protocol):
    """One target repository's issues."""

    async def ready(self) -> tuple[int, ...]:
        """The open issues that people moved to Ready, by number, lowest first. While nothing changes it costs nothing."""
        ...

    async def news(self) -> News:
        """What changed since this object was asked last; the first time, what did lately. While nothing changes it costs
        nothing."""
        ...

    async def waiting(self) -> frozenset[int]:
        """The open issues that show that they wait for a person, by number: one that should and is missing was transferred or
        deleted, or somebody took the mark away. While nothing changes it costs nothing."""
        ...

    async def get(self, number: int) -> Issue:
        """The issue with that number as it is now, text cleaned."""
        ...

    async def superseded_by(self, number: int) -> tuple[int, ...]:
        """The issues that say they supersede that one, by number."""
        ...

    async def comments(self, issue: IssueRef) -> tuple[Comment, ...]:
        """All comments, oldest first, read to the last page."""
        ...

    async def may_write(self, author: str, author_id: str) -> bool:
        """Whether that person may write to the repository, asked anew each time. `author_id`: as their comment has it.

        False where nobody has that name any more, or somebody else has it now.
        """
        ...

    async def find_comment(self, issue: IssueRef, key: EffectKey) -> str | None:
        """The id of the comment that carries `key`."""
        ...

    async def write_comment(self, issue: IssueRef, text: str, key: EffectKey) -> str:
        """The id of a new comment carrying `key`. Effect: one comment, at most 60,000 characters."""
        ...

    async def edit_comment(self, issue: IssueRef, comment_id: str, text: str) -> None:
        """Effect: the comment has that text (its key is kept). Repeating is harmless."""
        ...

    async def board(self, issue: IssueRef) -> Board | None:
        """What the board shows now; None where it shows nothing of ours."""
        ...

    async def show(self, issue: IssueRef, board: Board) -> None:
        """Effect: status, label and attention mark are as given. Repeating is harmless."""
        ...

    async def find_issue(self, key: EffectKey) -> IssueRef | None:
        """The issue that was filed under `key`."""
        ...

    async def file_issue(self, draft: IssueDraft, key: EffectKey) -> IssueRef:
        """A new issue carrying `key`. Effect: one issue, not started."""
        ...

    async def close(self, issue: IssueRef, resolution: str) -> None:
        """Effect: the issue is closed with `resolution` (Markdown). Repeating is harmless."""
        ...
