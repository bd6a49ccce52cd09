"""A tracker in this process's memory, for tests of everything above the port."""

from dataclasses import dataclass, field, replace
from typing import Any

from agentos.adapters.clock.system import SystemClock
from agentos.adapters.tracker.thread import LOCAL_AUTHOR
from agentos.adapters.tracker.ticket import OUR_NAME, one_line
from agentos.adapters.tracker.versions import Versions
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import Comment, Issue, IssueDraft, IssueRef, Relations
from agentos.domain.naming import clean_text, fitted, text_digest
from agentos.domain.status import ATTENTION_LABEL, LABELS, READY_LABEL, Status
from agentos.ports.clock import Clock
from agentos.ports.tracker import Board, News

NO_RELATIONS = Relations()


@dataclass
class _Kept:
    issue: Issue
    key: EffectKey | None = None
    board: Board | None = None
    comments: list[Comment] = field(default_factory=list)
    keys: dict[str, EffectKey] = field(default_factory=dict)
    resolution: str = ""


class MemoryTracker:
    """The issues of `repo`, gone with the process. `add` and `say` do what people would do in a real tracker."""

    def __init__(self, repo: str, clock: Clock | None = None) -> None:
        self._repo = repo
        self._clock = clock or SystemClock()
        self._kept: dict[int, _Kept] = {}
        self._comments = 0
        self._versions = Versions()
        self.writers = {LOCAL_AUTHOR}
        """Who may write, by id where they have one, else by name."""

    def add(
        self,
        title: str,
        body: str = "",
        *,
        labels: tuple[str, ...] = (),
        author: str = "",
        relations: Relations = NO_RELATIONS,
    ) -> IssueRef:
        """A new issue, as a person files it."""
        ref = IssueRef(self._repo, max(self._kept, default=0) + 1)
        title, body = one_line(title), clean_text(body).strip("\n")
        digest = text_digest(title, body)
        issue = Issue(ref, title, body, digest, labels=labels, author=author, relations=relations)
        self._kept[ref.number] = _Kept(issue)
        return ref

    def edit(self, issue: IssueRef, title: str, body: str) -> None:
        """Effect: the issue says something else, as a person changes it."""
        kept, title, body = self._find(issue.number), one_line(title), clean_text(body).strip("\n")
        kept.issue = replace(kept.issue, title=title, body=body, digest=text_digest(title, body))

    def prioritise(self, issue: IssueRef, priority: str) -> None:
        """Effect: the issue has that priority, as a person sets it."""
        kept = self._find(issue.number)
        kept.issue = replace(kept.issue, priority=priority)

    def say(self, issue: IssueRef, text: str, *, author: str = LOCAL_AUTHOR, **facts: Any) -> str:
        """The id of a new comment, as a person writes it. `facts`: fields of `Comment`."""
        return self._comment(self._find(issue.number), clean_text(text).strip("\n"), author, **facts)

    def label(self, issue: IssueRef, *labels: str) -> None:
        """Effect: the issue carries these labels as well, as a person puts them on."""
        kept = self._find(issue.number)
        kept.issue = replace(kept.issue, labels=tuple(dict.fromkeys((*kept.issue.labels, *labels))))

    def remove(self, issue: IssueRef) -> None:
        """Effect: the issue is not there any more, as a person deletes it."""
        del self._kept[issue.number]

    def resolution(self, issue: IssueRef) -> str:
        """What the issue was closed with; empty while it is open."""
        return self._find(issue.number).resolution

    async def ready(self) -> tuple[int, ...]:
        """The open issues with the label that asks for work."""
        there = ((number, kept.issue) for number, kept in sorted(self._kept.items()))
        return tuple(number for number, issue in there if issue.is_open and READY_LABEL in issue.labels)

    async def news(self) -> News:
        """What changed since it was asked last; the first time, everything there is."""
        touched = self._versions.fresh({at: (kept.issue, *kept.comments) for at, kept in self._kept.items()})
        return News(touched, tuple((at, each) for at in sorted(touched) for each in self._kept[at].comments))

    async def waiting(self) -> frozenset[int]:
        """The open issues with the label of those that wait for a person."""
        there = ((number, kept.issue) for number, kept in self._kept.items())
        return frozenset(number for number, issue in there if issue.is_open and ATTENTION_LABEL in issue.labels)

    async def get(self, number: int) -> Issue:
        """The issue with that number as it is now."""
        return self._find(number).issue

    async def superseded_by(self, number: int) -> tuple[int, ...]:
        """The issues that say they supersede that one."""
        return tuple(at for at, kept in self._kept.items() if number in kept.issue.relations.supersedes)

    async def comments(self, issue: IssueRef) -> tuple[Comment, ...]:
        """All comments, oldest first."""
        return tuple(self._find(issue.number).comments)

    async def may_write(self, author: str, author_id: str) -> bool:
        """Whether they are among `writers`."""
        return (author_id or author) in self.writers

    async def find_comment(self, issue: IssueRef, key: EffectKey) -> str | None:
        """The id of the comment that carries `key`."""
        found = self._find(issue.number).keys
        return next((comment_id for comment_id, carried in found.items() if carried == key), None)

    async def write_comment(self, issue: IssueRef, text: str, key: EffectKey) -> str:
        """The id of a new comment carrying `key`. Effect: one comment, each time."""
        kept = self._find(issue.number)
        comment_id = self._comment(kept, fitted(text).strip("\n"), OUR_NAME)
        kept.keys[comment_id] = key
        return comment_id

    async def edit_comment(self, issue: IssueRef, comment_id: str, text: str) -> None:
        """Effect: our comment has that text."""
        kept = self._find(issue.number)
        if comment_id not in kept.keys:
            raise OutsideError(f"{issue} has no comment {comment_id} of ours to edit", kind=FailureKind.GONE)
        body = fitted(text).strip("\n")
        kept.comments = [replace(each, body=body) if each.id == comment_id else each for each in kept.comments]

    async def board(self, issue: IssueRef) -> Board | None:
        """What was shown last; None before."""
        return self._find(issue.number).board

    async def show(self, issue: IssueRef, board: Board) -> None:
        """Effect: status, label and attention mark are as given."""
        kept = self._find(issue.number)
        gone = {*LABELS, ATTENTION_LABEL, *([] if board.status is Status.READY else [READY_LABEL])}
        theirs = tuple(label for label in kept.issue.labels if label not in gone)
        ours = (board.label, ATTENTION_LABEL if board.attention else None)
        labels = (*theirs, *(label for label in ours if label))
        is_open = board.status is not Status.DONE
        kept.issue = replace(kept.issue, labels=labels, status=board.status, is_open=is_open)
        kept.board = board

    async def find_issue(self, key: EffectKey) -> IssueRef | None:
        """The issue that was filed under `key`."""
        return next((kept.issue.ref for kept in self._kept.values() if kept.key == key), None)

    async def file_issue(self, draft: IssueDraft, key: EffectKey) -> IssueRef:
        """A new issue carrying `key`. Effect: one issue, each time."""
        body = f"{clean_text(draft.body).strip()}\n\n{marker(key)}"
        relations = Relations(related=draft.related)
        ref = self.add(draft.title, body, labels=draft.labels, author=OUR_NAME, relations=relations)
        self._kept[ref.number].key = key
        return ref

    async def close(self, issue: IssueRef, resolution: str) -> None:
        """Effect: the issue is closed with `resolution`."""
        kept = self._find(issue.number)
        shown = kept.board or Board(Status.DONE)
        await self.show(issue, Board(Status.DONE, shown.label, shown.attention))
        kept.resolution = fitted(resolution)

    def _find(self, number: int) -> _Kept:
        if number not in self._kept:
            raise OutsideError(
                f'there is no issue {number} in {self._repo}; make one with: `agentos new "title"`',
                kind=FailureKind.GONE,
            )
        return self._kept[number]

    def _comment(self, kept: _Kept, body: str, author: str, **facts: Any) -> str:
        self._comments += 1
        comment_id, at = f"c{self._comments}", self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        kept.comments.append(Comment(comment_id, author, body, at, **{"is_bot": author == OUR_NAME, **facts}))
        return comment_id
