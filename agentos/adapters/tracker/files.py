"""Tickets as Markdown files in a folder of the target repository."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from agentos.adapters.clock.system import SystemClock
from agentos.adapters.tracker.form import ticket_text
from agentos.adapters.tracker.front_matter import FrontMatter
from agentos.adapters.tracker.thread import (
    COMMENT,
    LOCAL_AUTHOR,
    RESOLUTION,
    Entry,
    appended,
    entries,
    replaced,
)
from agentos.adapters.tracker.ticket import OUR_NAME, Ticket, first_word, one_line
from agentos.adapters.tracker.ticket_folder import (
    THREAD_LIMIT_BYTES,
    TICKET_LIMIT_BYTES,
    Place,
    TicketFolder,
    read_text,
    version_of,
)
from agentos.adapters.tracker.versions import Versions
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import Comment, Issue, IssueDraft, IssueRef, Relation
from agentos.domain.naming import clean_text, fitted, slug
from agentos.domain.status import Status
from agentos.ports.clock import Clock
from agentos.ports.tracker import Board, News

_RESOLUTION_CHARACTERS = 200


class FilesTracker:
    """The tickets in `folder`, flat files and ticket directories alike; `repo` is the repo-key of its issues.

    What people wrote stays byte for byte: only the lines that must change do.
    """

    def __init__(self, folder: Path, repo: str, clock: Clock | None = None) -> None:
        self._tickets = TicketFolder(folder)
        self._repo = repo
        self._clock = clock or SystemClock()
        self._versions = Versions()

    async def ready(self) -> tuple[int, ...]:
        """The tickets whose status is `queued`; one that cannot be read is none."""
        return await asyncio.to_thread(self._ready)

    async def news(self) -> News:
        """The tickets whose file or thread changed on disk since it was asked last, and what their threads say."""
        return await asyncio.to_thread(self._news)

    async def waiting(self) -> frozenset[int]:
        """The tickets with the label of those that wait for a person; one that cannot be read is none."""
        return await asyncio.to_thread(self._waiting)

    async def get(self, number: int) -> Issue:
        """The ticket with that number as it is now; `status` is the word in its front matter."""
        return await asyncio.to_thread(self._get, number)

    async def superseded_by(self, number: int) -> tuple[int, ...]:
        """The tickets that say they supersede that one; one that cannot be read says nothing."""
        return await asyncio.to_thread(self._superseded_by, number)

    async def comments(self, issue: IssueRef) -> tuple[Comment, ...]:
        """The entries of the thread, oldest first, text that people just added at its end included."""
        found = await asyncio.to_thread(self._entries, issue)
        return tuple(entry.comment() for entry in found)

    async def may_write(self, author: str, author_id: str) -> bool:
        """Whether it is the text of nobody in particular: whoever writes into these files works on this machine.

        A name in a heading proves nothing: who is meant by one says `trust.people`.
        """
        return author == LOCAL_AUTHOR and not author_id

    async def find_comment(self, issue: IssueRef, key: EffectKey) -> str | None:
        """The id of the entry of ours that carries `key`; a marker in anybody's text does not count."""
        found = await asyncio.to_thread(self._entries, issue)
        return next((entry.id for entry in found if entry.is_ours and entry.key == key), None)

    async def write_comment(self, issue: IssueRef, text: str, key: EffectKey) -> str:
        """The id of a new entry carrying `key`. Effect: one entry, each time: the caller looks for the key first.

        Being forgiving here would hide a doubled effect that every other tracker shows.
        """
        await asyncio.to_thread(self._append, issue, COMMENT, text, key)
        found = [
            entry.id for entry in await asyncio.to_thread(self._entries, issue) if entry.is_ours and entry.key == key
        ]
        if not found:
            raise OutsideError(f"the comment {key} vanished from the thread of {issue}", kind=FailureKind.CONFLICT)
        return found[-1]

    async def edit_comment(self, issue: IssueRef, comment_id: str, text: str) -> None:
        """Effect: our entry has that text. For the one status comment: the rest of a thread only grows."""
        await asyncio.to_thread(self._edit, issue, comment_id, text)

    async def board(self, issue: IssueRef) -> Board | None:
        """What the front matter shows now; None where it shows nothing of ours."""
        return await asyncio.to_thread(self._board, issue)

    async def show(self, issue: IssueRef, board: Board) -> None:
        """Effect: `status`, `blocked`, `board` and `labels` say it; words that mean the same already stay."""
        await asyncio.to_thread(self._change, issue, lambda ticket: ticket.showing(board))

    async def find_issue(self, key: EffectKey) -> IssueRef | None:
        """The ticket we filed under `key`."""
        return await asyncio.to_thread(self._find_filed, key)

    async def file_issue(self, draft: IssueDraft, key: EffectKey) -> IssueRef:
        """A new ticket with the next number. Effect: one file, its status the first of its layout."""
        return await asyncio.to_thread(self._file, draft, key)

    async def close(self, issue: IssueRef, resolution: str) -> None:
        """Effect: the ticket is done, its first line of `resolution` in the front matter, all of it in the thread."""
        await asyncio.to_thread(self._close, issue, fitted(resolution).strip() or "Done.")

    def _ready(self) -> tuple[int, ...]:
        found = set()
        for place in self._tickets.places():
            with suppress(OutsideError):  # said when that ticket is asked for
                found |= {place.number or 0} if self._tickets.ticket(place).is_ready else set()
        return tuple(sorted(found))

    def _waiting(self) -> frozenset[int]:
        found = set()
        for place in self._tickets.places():
            with suppress(OutsideError):  # as above
                board = self._tickets.ticket(place).board()
                found |= {place.number or 0} if board is not None and board.attention else set()
        return frozenset(found)

    def _news(self) -> News:
        places = {place.number or 0: place for place in self._tickets.places()}
        versions = {at: (version_of(each.file), version_of(each.thread)) for at, each in places.items()}
        touched = self._versions.fresh(versions)
        said: list[tuple[int, Comment]] = []
        for number in sorted(touched):
            with suppress(OutsideError):
                said += [(number, entry.comment()) for entry in self._entries(IssueRef(self._repo, number))]
        return News(touched, tuple(said))

    def _get(self, number: int) -> Issue:
        place = self._tickets.find(number)
        url = place.file.relative_to(self._tickets.folder.parent).as_posix()
        return self._tickets.ticket(place).issue(self._repo, url)

    def _board(self, issue: IssueRef) -> Board | None:
        return self._tickets.ticket(self._tickets.find(issue.number)).board()

    def _entries(self, issue: IssueRef) -> tuple[Entry, ...]:
        place = self._tickets.find(issue.number)
        text = read_text(place.thread, limit_bytes=THREAD_LIMIT_BYTES)
        return entries(text or "", since=lambda: self._tickets.ticket(place).created)

    def _append(self, issue: IssueRef, kind: str, text: str, key: EffectKey | None) -> None:
        body = fitted(text)

        def decided(thread: str) -> str:
            return appended(thread, kind=kind, at=self._now(), body=body, key=key)

        self._tickets.change_thread(self._tickets.find(issue.number), decided)

    def _edit(self, issue: IssueRef, comment_id: str, text: str) -> None:
        body = fitted(text)

        def decided(thread: str) -> str:
            entry = next((entry for entry in entries(thread) if entry.id == comment_id and entry.is_ours), None)
            if entry is None:
                raise OutsideError(f"{issue} has no comment {comment_id} of ours to edit", kind=FailureKind.GONE)
            return thread if entry.body == body.strip("\n") else replaced(thread, entry, body)

        self._tickets.change_thread(self._tickets.find(issue.number), decided)

    def _change(self, issue: IssueRef, decide: Callable[[Ticket], FrontMatter]) -> None:
        def dated(ticket: Ticket) -> FrontMatter:
            file = decide(ticket)
            written = file.scalar("updated")
            if file == ticket.file or written is None:
                return file
            return file.with_scalar("updated", self._now()[: 10 if len(written) == 10 else None])

        self._tickets.change(self._tickets.find(issue.number), dated)

    def _close(self, issue: IssueRef, resolution: str) -> None:
        said = [entry.body for entry in self._entries(issue) if entry.is_ours and entry.kind == RESOLUTION]
        if said[-1:] != [resolution]:
            self._append(issue, RESOLUTION, resolution, None)
        sentence = one_line(resolution.partition("\n")[0])[:_RESOLUTION_CHARACTERS]

        def closed(ticket: Ticket) -> FrontMatter:
            shown = ticket.board() or Board(Status.DONE)
            return ticket.showing(Board(Status.DONE, shown.label, shown.attention)).with_scalar("resolution", sentence)

        self._change(issue, closed)

    def _superseded_by(self, number: int) -> tuple[int, ...]:
        found = []
        for place in self._mentioning(Relation.SUPERSEDES):
            with suppress(OutsideError):  # front matter that needs a hand; said when that ticket is asked for
                if number in self._tickets.ticket(place).relations().supersedes:
                    found.append(place.number or 0)
        return tuple(found)

    def _find_filed(self, key: EffectKey) -> IssueRef | None:
        for place in self._mentioning(marker(key)):
            if self._tickets.ticket(place).filed_under(key):
                return IssueRef(self._repo, place.number or 0)
        return None

    def _mentioning(self, text: str) -> Iterator[Place]:
        """The tickets whose file holds `text`."""
        for place in self._tickets.places():
            with suppress(OutsideError):  # too large, a link, or no text: nothing of ours looks like that
                if text in (read_text(place.file, limit_bytes=TICKET_LIMIT_BYTES) or ""):
                    yield place

    def _file(self, draft: IssueDraft, key: EffectKey) -> IssueRef:
        layout, now, title = self._tickets.layout(), self._now(), one_line(draft.title) or "Follow-up"

        def content(number: int) -> str:
            fields: dict[str, str | tuple[str, ...]] = {"id": str(number), "title": title, "status": first_word(layout)}
            fields |= {"priority": "normal", "labels": draft.labels, "depends_on": ()}
            fields |= {"related": tuple(map(str, draft.related))} if draft.related else {}
            fields |= {"objective": one_line(draft.objective)} if draft.objective else {}
            fields |= {"author": OUR_NAME, "created": now, "updated": now}
            return ticket_text(fields, f"{clean_text(draft.body).strip()}\n\n{marker(key)}")

        return IssueRef(self._repo, self._tickets.add(slug(title), layout, content).number or 0)

    def _now(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
