"""LLD and spec read back from the Markdown that `kit/markdown.py` writes; blank lines, case and order are free (pure)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from agentos.domain.document import (
    Excerpt,
    FileAction,
    FileChange,
    FunctionSpec,
    Lld,
    Requirement,
    Scenario,
    Spec,
    TestMapping,
)
from agentos.domain.naming import clean_text
from agentos.workflows.kit.markdown import (
    FUNCTION,
    LLD_TITLES,
    SPEC_TITLES,
    TOLD,
    cell_text,
    is_nothing,
    title_of,
    unshielded,
)

_ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s+(.*)")
_RULER = re.compile(r"[|\s:-]+")
_FENCE = re.compile(r"`{3,}|~{3,}")
_BAR = re.compile(r"(?<!\\)\|")


class Unreadable(ValueError):
    """The document is not in the form it should have; the text says where."""


@dataclass
class _Lines:
    """The lines of a document and the place of the next one."""

    lines: list[str]
    at: int = 0

    @property
    def next(self) -> str | None:
        """The next line; None at the end and where a section begins."""
        if self.at >= len(self.lines) or title_of(self.lines[self.at]) is not None:
            return None
        return self.lines[self.at]

    def take(self) -> Iterator[str]:
        """The lines up to the next section."""
        while (line := self.next) is not None:
            self.at += 1
            yield line

    def skip_blank(self) -> str | None:
        """The next line that is not blank."""
        while (line := self.next) is not None and not line.strip():
            self.at += 1
        return self.next


@dataclass
class _Sections:
    """What the sections of a document say, by title in small letters."""

    texts: dict[str, str] = field(default_factory=dict)
    excerpts: list[Excerpt] = field(default_factory=list)
    functions: list[FunctionSpec] = field(default_factory=list)

    def require(self, titles: tuple[str, ...]) -> None:
        """Raises Unreadable where a section is not there; one that has nothing to say says "None."."""
        missing = [title for title in titles if title.casefold() not in self.texts]
        if missing:
            raise Unreadable(f"it has no section “{missing[0]}”; write “None.” there where it has nothing to say")

    def text(self, title: str) -> str:
        """A section of prose."""
        return unshielded(self.texts.get(title, "")).strip()

    def items(self, title: str) -> tuple[str, ...]:
        """A section that is a list."""
        found: list[str] = []
        text = self.texts.get(title, "").strip()
        for line in text.split("\n") if not is_nothing(text) else ():
            item = _ITEM.fullmatch(line.strip())
            if item is not None:
                found.append(item[1].strip())
            elif line.strip() and found:
                found[-1] += f" {line.strip()}"
            elif line.strip():
                raise Unreadable(f"“{title}” should be a list, one `- ` a line, not: {line.strip()[:80]}")
        return tuple(found)

    def rows(self, title: str, width: int) -> list[list[str]]:
        """The cells of a section that is a table, its head left out."""
        lines = [line.strip() for line in self.texts.get(title, "").split("\n") if line.strip()]
        if not lines or (len(lines) == 1 and is_nothing(lines[0])):
            return []
        if len(lines) < 2 or not lines[0].startswith("|") or not _RULER.fullmatch(lines[1]):
            raise Unreadable(f"“{title}” should be a table: a head, a line of dashes, and rows")
        rows = [[cell_text(cell.strip()) for cell in _BAR.split(line)[1:-1]] for line in lines[2:]]
        for row in rows:
            if len(row) != width:
                raise Unreadable(f"a row of “{title}” has {len(row)} cells, not {width}: {' | '.join(row)[:80]}")
        return rows


def read_lld(markdown: str) -> Lld:
    """The design in `markdown`. Raises Unreadable."""
    found = _sections(markdown)
    structures = found.text("data structures")
    lld = Lld(
        context=found.text("context and goal"),
        files=_files(found, "files changed"),
        data_structures="" if is_nothing(structures) else structures,
        signatures=tuple(_code(item) for item in found.items("signatures")),
        logic=found.text("logic"),
        decisions=found.items("decisions and alternatives"),
        requirements=tuple(
            Requirement(id_, text, tuple(each.strip() for each in criteria.split(",") if each.strip()))
            for id_, text, criteria in found.rows("requirements", 3)
        ),
        security=found.text("security and safety"),
        performance=found.text("performance"),
        scenarios=tuple(Scenario(*row) for row in found.rows("verification", 4)),
        risks=found.items("risks"),
        definition_of_done=found.items("definition of done"),
        open_questions=found.items("open questions"),
    )
    found.require(LLD_TITLES[:-1])  # questions that are not there are not open
    return lld


def read_spec(markdown: str) -> Spec:
    """The implementation spec in `markdown`. Raises Unreadable."""
    found = _sections(markdown)
    spec = Spec(
        overview=found.text("overview"),
        files=_files(found, "files, in order"),
        excerpts=tuple(found.excerpts),
        functions=tuple(found.functions),
        instructions=found.items("instructions"),
        tests=tuple(TestMapping(scenario, _code(test)) for scenario, test in found.rows("tests", 2)),
        checklist=found.items("checklist"),
    )
    found.require(SPEC_TITLES)
    return spec


def _sections(markdown: str) -> _Sections:
    lines, found = _Lines(clean_text(markdown).split("\n")), _Sections()
    for _ in lines.take():  # the document's own title
        pass
    while lines.at < len(lines.lines):
        title = title_of(lines.lines[lines.at]) or ""
        lines.at += 1
        if title in found.texts:
            raise Unreadable(f"“{title}” stands in it twice")
        found.texts[title] = ""
        if title == "current code":
            found.excerpts = list(_excerpts(lines))
        elif title == "functions":
            found.functions = list(_functions(lines))
        else:
            found.texts[title] = "\n".join(lines.take())
    if not found.texts:
        raise Unreadable("it has none of the sections that such a document has")
    return found


def _files(found: _Sections, title: str) -> tuple[FileChange, ...]:
    changes = []
    for path, action, why in found.rows(title, 3):
        known = next((each for each in FileAction if each.casefold() == action.casefold()), None)
        if known is None:
            raise Unreadable(f"{action!r} of {path} is none of {', '.join(FileAction)}")
        changes.append(FileChange(_code(path), known, why))
    return tuple(changes)


def _code(text: str) -> str:
    """`text` without the backticks around it."""
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] == "`" else text


def _excerpts(lines: _Lines) -> Iterator[Excerpt]:
    while (line := lines.skip_blank()) is not None:
        if is_nothing(line):
            lines.at += 1
            continue
        path = line.strip()
        if len(path) < 2 or not (path[0] == path[-1] == "`"):
            raise Unreadable(f"“current code” should name a file as `path` and quote it in a fence, not: {path[:80]}")
        lines.at += 1
        yield Excerpt(_code(path), _quoted(lines, path))


def _quoted(lines: _Lines, what: str) -> str:
    """The text in the fence that comes next; whatever stands in it, sections too, is quoted."""
    opening = lines.skip_blank()
    mark = _FENCE.match(opening) if opening is not None else None
    if mark is None:
        raise Unreadable(f"no fence with code follows {what}")
    start = lines.at + 1
    for end in range(start, len(lines.lines)):
        if lines.lines[end].rstrip() == mark[0]:
            lines.at = end + 1
            return "\n".join(lines.lines[start:end])
    raise Unreadable(f"the fence after {what} is never closed")


def _functions(lines: _Lines) -> Iterator[FunctionSpec]:
    while (line := lines.skip_blank()) is not None:
        if is_nothing(line):
            lines.at += 1
            continue
        if not (line.startswith(FUNCTION) and line.rstrip().endswith("`")):
            raise Unreadable(f"“functions” should open each one with {FUNCTION}path`, not: {line.strip()[:80]}")
        lines.at += 1
        signature = _quoted(lines, line)
        yield FunctionSpec(line.rstrip()[len(FUNCTION) : -1], signature, *_told(lines))


def _told(lines: _Lines) -> tuple[str, ...]:
    """What a function takes, what it gives, how it fails."""
    marks, parts = (FUNCTION, *TOLD), [list[str]() for _ in TOLD]
    place = 0
    while (line := lines.next) is not None and not line.startswith(FUNCTION):
        lines.at += 1
        label = next((n for n, mark in enumerate(TOLD) if line.startswith(mark)), None)
        if label is not None:
            place, line = label, line.removeprefix(TOLD[label]).lstrip()
        parts[place].append(line)
    return tuple(unshielded("\n".join(part), *marks).strip() for part in parts)
