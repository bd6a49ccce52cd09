"""YAML front matter that changes only where it is told to: every other byte of the file stays as a person wrote it.

ruamel.yaml reads the structure and says where each value stands; changes are made at those places in the text, and the
result is read again to prove that nothing else changed. Nothing is ever constructed from tags.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LIMIT_CHARACTERS = 64_000
_OPENING = re.compile(r"\A\ufeff?---[ \t]*(\r\n|\n|\r)")
_CLOSING = re.compile(r"(?:^|(?<=\n)|(?<=\r))(?:---|\.\.\.)[ \t]*(?=\r|\n|\Z)")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./()-]*(?: [A-Za-z0-9_./()-]+)*")
_BARE = re.compile(r"0|[1-9]\d{0,8}|\d{4}-\d\d-\d\d(T[0-9:]+Z)?|true|false")
_BARE_KEYS = frozenset({"id", "blocked", "created", "updated", "related", "depends_on"})
"""Whose values are numbers, times or truths for every reader, and so stand without quotes."""
_KEYWORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"})
_BREAKS = {"\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P", "\x7f": "\\x7f"}
_TABS = re.compile(r"(?<=[^\s])[ \t]*\t[ \t]*|(?:^|(?<=[\r\n]))[ \t]+(?=[\r\n]|\Z)")
_NULL = "tag:yaml.org,2002:null"

Shape: TypeAlias = "str | tuple[Shape, ...]"
"""What a value is, wherever it stands: what must not change when another value does."""


class FrontMatterError(ValueError):
    """The front matter cannot be read, or cannot be changed without touching what is not ours; the text says why."""


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """A text file in three parts: `opening` (byte order mark and `---`), `yaml`, and `rest` (`---` and the body).

    `opening` is empty where the file has no front matter. The parts joined are the file, exactly.
    """

    opening: str
    yaml: str
    rest: str

    @property
    def text(self) -> str:
        """The whole file."""
        return self.opening + self.yaml + self.rest

    @property
    def body(self) -> str:
        """What follows the front matter, as it is in the file."""
        if not self.opening:
            return self.rest
        line = re.match(r"[^\r\n]*(\r\n|\n|\r|\Z)", self.rest)
        return self.rest[line.end() :] if line else self.rest

    @property
    def eol(self) -> str:
        """The line end the front matter uses."""
        found = re.search(r"\r\n|\n|\r", self.opening or self.rest)
        return found[0] if found else "\n"

    def check(self) -> None:
        """Raises: FrontMatterError where the front matter is not `key: value` lines, each key once."""
        _root(self.yaml)

    def scalar(self, key: str) -> str | None:
        """The value of `key` as written, without quotes; None where it is missing, empty or no plain value."""
        node = _value(self, key)
        return node.value if isinstance(node, ScalarNode) and node.tag != _NULL else None

    def items(self, key: str) -> tuple[str, ...]:
        """The plain values of a list; of `a, b` written without brackets too."""
        node = _value(self, key)
        if isinstance(node, SequenceNode):
            return tuple(item.value for item in node.value if isinstance(item, ScalarNode))
        words = (self.scalar(key) or "").split(",")
        return tuple(word.strip() for word in words if word.strip())

    def is_nested(self, key: str) -> bool:
        """Whether `key` holds more than a plain value or a list of plain ones, so that `items` does not tell all of it."""
        node = _value(self, key)
        parts = node.value if isinstance(node, SequenceNode) else [node]
        return any(part is not None and not isinstance(part, ScalarNode) for part in parts)

    def with_scalar(self, key: str, value: str) -> "FrontMatter":
        """The same file with `key: value`. A present value keeps its quotes; a missing key is added as the last line."""
        if self.scalar(key) == value:
            return self
        node = _value(self, key)
        if node is None:
            changed = _with_line(self, f"{key}: {_rendered(key, value)}")
        elif isinstance(node, ScalarNode) and node.style not in ("|", ">"):
            changed = _with_span(self, node, _rendered(key, value, style=node.style or ""), key)
        else:
            raise FrontMatterError(f"`{key}` holds more than one line; make it a plain value")
        return _proved(changed, self, key, value)

    def with_items(self, key: str, *, add: Iterable[str] = (), drop: Iterable[str] = ()) -> "FrontMatter":
        """The same file where the list `key` has each of `add` once and none of `drop`; other items stay as written."""
        dropped = frozenset(drop)
        wanted = [item for item in dict.fromkeys((*self.items(key), *add)) if item not in dropped]
        changed = self
        # Adding first keeps a list from becoming empty in between, and so keeps its style.
        for item in wanted:
            if item not in self.items(key):
                changed = _with_item(changed, key, item)
        for item in dropped & set(self.items(key)):
            changed = _without_item(changed, key, item)
        return _proved(changed, self, key, tuple(wanted))


def split_front_matter(text: str) -> FrontMatter:
    """The parts of `text`. Raises: FrontMatterError where `---` opens front matter that nothing closes."""
    opening = _OPENING.match(text)
    if opening is None:
        return FrontMatter("", "", text)
    closing = _CLOSING.search(text, opening.end())
    if closing is None:
        raise FrontMatterError("it begins with `---` and no second `---` line ends it")
    return FrontMatter(text[: opening.end()], text[opening.end() : closing.start()], text[closing.start() :])


@lru_cache(maxsize=16)
def _root(yaml: str) -> MappingNode | None:
    """The structure of `yaml`, kept because one change asks for it several times; nobody alters the nodes."""
    if len(yaml) > LIMIT_CHARACTERS:
        raise FrontMatterError(f"it is longer than {LIMIT_CHARACTERS} characters")
    try:
        root: Node | None = YAML(typ="safe", pure=True).compose(_TABS.sub(_as_spaces, yaml))
    except YAMLError as exc:
        raise FrontMatterError(_sentence(exc)) from exc
    except RecursionError as exc:
        raise FrontMatterError("its values are nested too deeply") from exc
    if root is None or (isinstance(root, ScalarNode) and root.tag == _NULL):
        return None
    if not isinstance(root, MappingNode):
        raise FrontMatterError("it is no list of `key: value` lines")
    names = [name.value for name, _ in root.value if isinstance(name, ScalarNode)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FrontMatterError(f"`{twice}` stands in it twice")
    return root


def _sentence(exc: YAMLError) -> str:
    """What is wrong, with the line of the file it is in."""
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    problem = getattr(exc, "problem", None) or getattr(exc, "context", None) or str(exc)
    where = f"line {mark.line + 2}: " if mark is not None else ""  # the first line is `---`
    return where + " ".join(problem.split())[:200]


def _as_spaces(found: re.Match[str]) -> str:
    """As many spaces: ruamel.yaml knows no tab between a key and its value or before a comment, and every place keeps its
    number. Tabs that indent stay, for YAML forbids them."""
    return " " * len(found[0])


def _pair(file: FrontMatter, key: str) -> tuple[ScalarNode, Node] | None:
    root = _root(file.yaml)
    pairs = root.value if root else ()
    return next(((name, node) for name, node in pairs if isinstance(name, ScalarNode) and name.value == key), None)


def _value(file: FrontMatter, key: str) -> Node | None:
    pair = _pair(file, key)
    return pair[1] if pair else None


def _with_line(file: FrontMatter, line: str) -> FrontMatter:
    if not file.opening:
        mark = "\ufeff" if file.rest.startswith("\ufeff") else ""
        return FrontMatter(f"{mark}---{file.eol}", line + file.eol, f"---{file.eol}{file.rest.removeprefix(mark)}")
    root = _root(file.yaml)
    indent = " " * root.value[0][0].start_mark.column if root and root.value else ""
    return replace(file, yaml=f"{file.yaml}{indent}{line}{file.eol}")


def _with_span(file: FrontMatter, node: Node, new: str, key: str) -> FrontMatter:
    start, end = node.start_mark.index, node.end_mark.index
    if start == end:  # nothing is written after the colon
        pair = _pair(file, key)
        start = end = file.yaml.index(":", pair[0].end_mark.index if pair else 0) + 1
        new = f" {new}"
    return replace(file, yaml=file.yaml[:start] + new + file.yaml[end:])


def _with_item(file: FrontMatter, key: str, item: str) -> FrontMatter:
    node, new = _value(file, key), _rendered(key, item)
    if node is None:
        return _with_line(file, f"{key}: [{new}]")
    if isinstance(node, ScalarNode):
        words = file.items(key)
        return _with_span(file, node, f"[{new}]" if not words else _quoted(", ".join((*words, item))), key)
    if not isinstance(node, SequenceNode):
        raise FrontMatterError(f"`{key}` is no list")
    if node.flow_style or not node.value:
        at = node.value[-1].end_mark.index if node.value else node.start_mark.index + 1
        new = f", {new}" if node.value else new
    else:
        start, at = _lines_of(file, node.value[-1])
        dash = re.match(r"[^-]*", file.yaml[start:at])
        new = f"{dash[0] if dash else ''}- {new}{file.eol}"
    return replace(file, yaml=file.yaml[:at] + new + file.yaml[at:])


def _without_item(file: FrontMatter, key: str, item: str) -> FrontMatter:
    node = _value(file, key)
    if isinstance(node, ScalarNode):
        return _with_span(file, node, _quoted(", ".join(word for word in file.items(key) if word != item)), key)
    if not isinstance(node, SequenceNode):
        raise FrontMatterError(f"`{key}` is no list")
    place = next(at for at, each in enumerate(node.value) if each.value == item)
    start, end = node.value[place].start_mark.index, node.value[place].end_mark.index
    if not node.flow_style:
        start, end = _lines_of(file, node.value[place])
    elif place > 0:
        start = node.value[place - 1].end_mark.index
    elif len(node.value) > 1:
        end = node.value[1].start_mark.index
    else:
        start, end = node.start_mark.index + 1, node.end_mark.index - 1
    return replace(file, yaml=file.yaml[:start] + file.yaml[end:])


def _lines_of(file: FrontMatter, node: Node) -> tuple[int, int]:
    """Where the lines that hold `node` begin and end, line end included."""
    before = re.search(r"[^\r\n]*\Z", file.yaml[: node.start_mark.index])
    after = re.match(r"[^\r\n]*(\r\n|\n|\r|\Z)", file.yaml[node.end_mark.index :])
    start = before.start() if before else 0
    return start, node.end_mark.index + (after.end() if after else 0)


def _proved(file: FrontMatter, before: FrontMatter, key: str, value: str | tuple[str, ...]) -> FrontMatter:
    now = file.items(key) if isinstance(value, tuple) else file.scalar(key)
    if now == value and _others(_root(file.yaml), key) == _others(_root(before.yaml), key):
        return file
    raise FrontMatterError(f"`{key}` cannot be changed without touching other lines; write it as a plain `{key}:` line")


def _others(root: MappingNode | None, key: str) -> list[Shape]:
    seen: dict[int, str] = {}
    pairs = root.value if root else ()
    return [_shape(node, seen) for pair in pairs if getattr(pair[0], "value", None) != key for node in pair]


def _shape(node: Node, seen: dict[int, str]) -> Shape:
    """Linear in the text, however often aliases repeat a value or lead back into it."""
    if isinstance(node, ScalarNode):
        return f"{node.tag} {node.value}"
    if id(node) in seen:
        return seen[id(node)]
    seen[id(node)] = f"as number {len(seen)}"
    if isinstance(node, MappingNode):
        return ("map", *(_shape(part, seen) for pair in node.value for part in pair))
    return ("list", *(_shape(item, seen) for item in node.value))


def _rendered(key: str, value: str, *, style: str = "") -> str:
    """`value` as YAML on one line, in quotes of `style` where those hold it; plain only where no reader can misread it."""
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and key in _BARE_KEYS and _BARE.fullmatch(value):
        return value
    plain = _PLAIN.fullmatch(value) and value.lower() not in _KEYWORDS
    return value if plain and style != '"' else _quoted(value)


def _quoted(value: str) -> str:
    quoted = json.dumps(value, ensure_ascii=False)
    for character, escape in _BREAKS.items():
        quoted = quoted.replace(character, escape)
    return quoted
