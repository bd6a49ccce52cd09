"""What one ticket file says: the words of both layouts, read leniently and written by the layout's own convention."""

import re
from dataclasses import dataclass
from enum import StrEnum

from agentos.adapters.tracker.front_matter import FrontMatter
from agentos.domain.effect import EffectKey, marker
from agentos.domain.issue import Issue, IssueRef, Relation, Relations
from agentos.domain.naming import clean_text, text_digest
from agentos.domain.status import ATTENTION_LABEL, LABELS, Status, shown_label
from agentos.ports.tracker import Board

OUR_NAME = "agentos"
"""The author of what AgentOS files and writes."""


class Layout(StrEnum):
    """How a ticket lies in its folder."""

    FLAT = "flat"  # <name>.md and <name>.thread.md
    DIRECTORY = "directory"  # <name>/item.md and <name>/thread.md


class _Meaning(StrEnum):
    """What a status word tells, whatever convention it comes from."""

    PLANNED = "planned"
    QUEUED = "queued"
    STARTED = "started"
    DONE = "done"


_MEANINGS = {
    _Meaning.PLANNED: ("planned", "planning", "ready", "backlog", "todo", "open", "new", "draft"),
    _Meaning.QUEUED: ("queued",),
    _Meaning.STARTED: ("inprogress", "inreview", "approved", "started", "active", "blocked"),
    _Meaning.DONE: ("done", "closed", "resolved", "wontfix", "cancelled", "canceled", "rejected", "duplicate"),
}
_BY_WORD = {word: meaning for meaning, words in _MEANINGS.items() for word in words}
_STARTED_WORD = {Layout.FLAT: "in-progress", Layout.DIRECTORY: "inprogress"}
_NUMBER = re.compile(r"#?0*([1-9]\d{0,8})(?!\d)")
_PLAIN_ID = re.compile(r"^id[ \t]*:[ \t]*([0-9]+)[ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)
_LINE_BREAKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket: its number, how it lies, its file as a path relative to the tickets' folder, and its text."""

    number: int
    layout: Layout
    name: str
    file: FrontMatter

    @property
    def created(self) -> str:
        """When it was made, as written in it; empty where that is not said."""
        return one_line(self.file.scalar("created") or "")

    def issue(self, repo: str, url: str) -> Issue:
        """The issue as the pipeline sees it. `status` is the word in the file."""
        title = one_line(self.file.scalar("title") or "") or self._heading()
        body = clean_text(self.file.body).strip("\n")
        status = one_line(self.file.scalar("status") or "")
        return Issue(
            ref=IssueRef(repo, self.number),
            title=title,
            body=body,
            digest=text_digest(title, body),
            is_open=_BY_WORD.get(_plain(status)) is not _Meaning.DONE,
            status=status,
            priority=one_line(self.file.scalar("priority") or ""),
            labels=self._words("labels"),
            assignees=self._words("assignees") or self._words("assignee"),
            author=one_line(self.file.scalar("author") or ""),
            url=url,
            relations=self.relations(),
        )

    @property
    def is_ready(self) -> bool:
        """Whether somebody asked for the work: `queued`, in either layout; `ready` and `planned` only say it could be."""
        return _BY_WORD.get(_plain(self.file.scalar("status") or "")) is _Meaning.QUEUED and not self._is_blocked()

    def relations(self) -> Relations:
        """The issues it names, however their numbers are written; an entry without one is unclear."""
        named: dict[str, tuple[int, ...]] = {}
        unclear: list[str] = []
        for relation in Relation:
            found = [(item, _NUMBER.match(item)) for item in self._written(relation)]
            named[relation] = tuple(dict.fromkeys(int(match[1]) for _, match in found if match))
            unclear += [f"{relation}: {one_line(item)}" for item, match in found if not match]
        return Relations(**named, unclear=tuple(unclear))

    def board(self) -> Board | None:
        """What the front matter shows; None where nothing in it is ours.

        `board` says the exact status. A person who changes `status` or `blocked` by hand is believed over it.
        """
        labels = self.file.items("labels")
        shown = next((status for status in Status if status == self.file.scalar("board")), None)
        if shown is None and not _ours(labels):
            return None
        status = shown if shown is not None and self._agrees(shown) else self._status_by_hand()
        return Board(status, shown_label(labels), ATTENTION_LABEL in labels)

    def showing(self, board: Board) -> FrontMatter:
        """The file as it is to be, so that it shows `board`. Words that already mean it stay."""
        file = self.file
        if not self._word_fits(board.status):
            file = file.with_scalar("status", _word(self.layout, board.status))
        is_blocked = board.status is Status.BLOCKED
        if self._is_blocked() != is_blocked:
            file = file.with_scalar("blocked", "true" if is_blocked else "false")
        file = file.with_scalar("board", board.status)
        wanted = [label for label in (board.label, ATTENTION_LABEL if board.attention else None) if label]
        return file.with_items("labels", add=wanted, drop=_ours(file.items("labels")) - set(wanted))

    def filed_under(self, key: EffectKey) -> bool:
        """Whether we filed it under `key`: our name in the front matter, and the marker as its last line.

        A marker that somebody pasted into a body, or that a filed text contains, stands elsewhere.
        """
        if self.file.scalar("author") != OUR_NAME:
            return False
        return self.file.body.rstrip().rpartition("\n")[2].strip() == marker(key)

    def _agrees(self, status: Status) -> bool:
        return self._word_fits(status) and self._is_blocked() == (status is Status.BLOCKED)

    def _word_fits(self, status: Status) -> bool:
        return _BY_WORD.get(_plain(self.file.scalar("status") or "")) in _fitting(self.layout, status)

    def _status_by_hand(self) -> Status:
        if self._is_blocked():
            return Status.BLOCKED
        match _BY_WORD.get(_plain(self.file.scalar("status") or "")):
            case _Meaning.QUEUED:
                return Status.READY
            case _Meaning.STARTED:
                return Status.IN_PROGRESS
            case _Meaning.DONE:
                return Status.DONE
            case _Meaning.PLANNED | None:
                return Status.BACKLOG

    def _is_blocked(self) -> bool:
        return (self.file.scalar("blocked") or "").lower() in ("true", "yes", "on")

    def _heading(self) -> str:
        heading = re.search(r"^#+[ \t]+(\S.*)$", clean_text(self.file.body), re.MULTILINE)
        return one_line(heading[1]) if heading else one_line(self.name)

    def _words(self, key: str) -> tuple[str, ...]:
        return tuple(word for word in map(one_line, self.file.items(key)) if word)

    def _written(self, key: str) -> tuple[str, ...]:
        lost = re.search(rf"^[ \t]*{key}[ \t]*:[ \t]+(#[^\r\n]*\d[^\r\n]*)", self.file.yaml, re.MULTILINE)
        if lost and not self.file.items(key):
            return (f"(a comment, as YAML reads it) {lost[1]}",)
        return ("(nested values)",) if self.file.is_nested(key) else self.file.items(key)


def number_of(file: FrontMatter, name: str) -> int | None:
    """The ticket's number: its `id`, else the digits its file name begins with; None where it has neither."""
    # A plain `id: 7` is found without reading all of the YAML: a folder may hold thousands of tickets.
    plain = _PLAIN_ID.search(file.yaml)
    written = re.fullmatch(r"[1-9]\d{0,8}", plain[1] if plain else file.scalar("id") or "")
    return int(written[0]) if written else number_in(name)


def number_in(name: str) -> int | None:
    """The number that a file name begins with; None where there is none above 0."""
    digits = re.match(r"0*([1-9]\d{0,8})(?!\d)", name)
    return int(digits[1]) if digits else None


def one_line(text: str) -> str:
    """`text` cleaned, on one line."""
    return _LINE_BREAKS.sub(" ", clean_text(text)).strip()


def first_word(layout: Layout) -> str:
    """The status of a ticket nobody asked to start."""
    return _word(layout, Status.BACKLOG)


def _word(layout: Layout, status: Status) -> str:
    match status:
        case Status.BACKLOG:
            return "planned" if layout is Layout.FLAT else "planning"
        case Status.READY:
            return "planned" if layout is Layout.FLAT else "queued"
        case Status.IN_PROGRESS | Status.IN_REVIEW | Status.APPROVED | Status.BLOCKED:
            return _STARTED_WORD[layout]
        case Status.DONE:
            return "done"


def _fitting(layout: Layout, status: Status) -> frozenset[_Meaning]:
    """The meanings that a word may have and still say `status`: the flat words know no difference before the start."""
    if status is Status.READY and layout is Layout.FLAT:
        return frozenset({_Meaning.PLANNED, _Meaning.QUEUED})
    return frozenset({_BY_WORD[_plain(_word(layout, status))]})


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", "", word).lower()


def _ours(labels: tuple[str, ...]) -> set[str]:
    return set(labels) & {*LABELS, ATTENTION_LABEL}
