"""The thread of a ticket: entries that only grow in number, ours told apart from what people write between them.

An entry of ours is a heading with time, kind and author, a hidden line with its effect key, the text, and a closing
line. In the text, a line that looks like a heading or a closing line gets a backslash in front, so no text, whoever
wrote it, can end its entry or begin another one. People write entries with a heading of their own, or just text.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from agentos.adapters.tracker.ticket import OUR_NAME, one_line
from agentos.domain.effect import EffectKey, marker
from agentos.domain.issue import Comment
from agentos.domain.naming import clean_text, text_digest

LOCAL_AUTHOR = "local"
"""The author of text that carries no name."""
COMMENT = "comment"
RESOLUTION = "resolution"

_END = "<!-- agentos:end -->"
_HEADING = re.compile(
    r"##[ \t]+(?P<at>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)"
    r"[ \t]+[·|–—-][ \t]+(?P<kind>[\w-]+)[ \t]+[·|–—-][ \t]+(?P<author>\S[^\n]*?)[ \t]*"
)
_FORGED = re.compile(r"^(?=\\*(?:##[ \t]+\d|<!--[ \t]*agentos:end))", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(?=\\*(?:##[ \t]+\d|<!--[ \t]*agentos:end))", re.MULTILINE)
_MARKER = re.compile(r'<!-- agentos:effect v1 \{"key": "([^"\n]*)"\} -->')
_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `start` and `end` say where its text stands. `id` stays the same however the thread grows; where people
    take out or move text above it as well, but for the same words twice: so none that was heard before becomes a new one.

    `key` is empty in entries of people; `author` is `local` where a person left none.
    """

    id: str
    kind: str
    author: str
    at: str
    key: str
    body: str
    start: int
    end: int

    @property
    def is_ours(self) -> bool:
        """Whether AgentOS wrote it."""
        return self.author == OUR_NAME

    def comment(self) -> Comment:
        """The entry as the pipeline sees it."""
        return Comment(id=self.id, author=self.author, body=self.body, at=self.at, is_bot=self.is_ours)


def entries(text: str, *, since: Callable[[], str] = str) -> tuple[Entry, ...]:
    """The entries of a thread, in order; empty text between them is none, nor is a title at the very top.

    Text without a time takes that of the entry before it; the first takes `since`, which is asked only then.
    """
    found: list[Entry] = []
    taken: dict[str, int] = {}
    for raw in _raw_entries(_lines(text)):
        body = clean_text(raw.body).strip("\n")
        if not found and not raw.at:
            body = re.sub(r"\A# [^\n]*\n*", "", body)
        if not body.strip() and not raw.key:
            continue
        before = found[-1] if found else None
        name = raw.id if raw.at else _first_line(body)
        identity = f"{OUR_NAME}:{raw.key}" if raw.key else f"{raw.author}:{text_digest(name)[:12]}"
        taken[identity] = taken.get(identity, 0) + 1
        if taken[identity] > 1:
            identity = f"{identity}:{taken[identity]}"
        at = _in_utc(raw.at) or (before.at if before else _in_utc(since()))
        found.append(Entry(identity, raw.kind, raw.author, at, raw.key, body, raw.start, raw.end))
    return tuple(found)


def appended(text: str, *, kind: str, at: str, body: str, key: EffectKey | None = None) -> str:
    """`text` with one more entry of ours at the end; nothing before it changes, but that a last line end is added."""
    eol = _eol(text)
    head = [f"## {at} · {kind} · {OUR_NAME}", *([marker(key)] if key else [])]
    block = "\n".join([*head, "", _escaped(body), "", _END, ""])
    gap = "" if not text else "\n" if text.endswith(("\n", "\r")) else "\n\n"
    return text + (gap + block).replace("\n", eol)


def replaced(text: str, entry: Entry, body: str) -> str:
    """`text` where `entry` says `body`; its heading and key stay."""
    inner = f"\n{_escaped(body)}\n\n".replace("\n", _eol(text))
    return text[: entry.start] + inner + text[entry.end :]


def _escaped(body: str) -> str:
    return _FORGED.sub(r"\\", clean_text(body).strip("\n"))


def _eol(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines with where each begins, without their ends; only `\\n` and `\\r\\n` end a line."""
    lines, start = [], 0
    for line in text.split("\n"):
        lines.append((start, line.removesuffix("\r")))
        start += len(line) + 1
    return [*lines, (len(text), "")]


def _raw_entries(lines: list[tuple[int, str]]) -> Iterator[Entry]:
    """Entries as they stand: `id` is the heading, `at` is empty for text without one."""
    at = 0
    last = len(lines) - 1
    while at < last:
        heading = _HEADING.fullmatch(lines[at][1])
        if heading is None:
            end = _gap_end(lines, at)
            yield _raw(lines, at, end, kind=COMMENT, author=LOCAL_AUTHOR)
            at = end
            continue
        ours = heading["author"] == OUR_NAME
        key = _MARKER.fullmatch(lines[at + 1][1].strip()) if ours else None
        first = at + (2 if key else 1)
        end = next((i for i in range(first, last) if _ends(lines[i][1])), last)
        raw = _raw(lines, first, end, kind=heading["kind"], author=one_line(heading["author"]))
        body = _ESCAPED.sub("", raw.body) if ours else raw.body
        yield Entry(lines[at][1], raw.kind, raw.author, heading["at"], key[1] if key else "", body, raw.start, raw.end)
        at = end + 1 if end < last and lines[end][1].rstrip() == _END else end


def _raw(lines: list[tuple[int, str]], first: int, end: int, *, kind: str, author: str) -> Entry:
    body = "\n".join(line for _, line in lines[first:end])
    return Entry("", kind, author, "", "", body, lines[first][0], lines[end][0])


def _ends(line: str) -> bool:
    return line.rstrip() == _END or _HEADING.fullmatch(line) is not None


def _gap_end(lines: list[tuple[int, str]], first: int) -> int:
    """Where the text without a heading that begins at `first` ends: at a heading, or where a command begins.

    Commands one under the other are separate comments; one in a code fence is none.
    """
    fence = ""
    for at in range(first, len(lines) - 1):
        line = lines[at][1]
        if _HEADING.fullmatch(line):
            return at
        if at > first and not fence and line.startswith("/agentos"):
            return at
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif fence and line.strip() and set(line.strip()) == {fence[0]} and len(line.strip()) >= len(fence):
            fence = ""
    return len(lines) - 1


def _in_utc(at: str) -> str:
    """`at` as ISO 8601 in UTC; empty where it is no time. A time without a zone counts as UTC."""
    try:
        time = datetime.fromisoformat(at)
    except ValueError:
        return ""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _first_line(body: str) -> str:
    return next((line.strip() for line in body.split("\n") if line.strip()), "")
