"""The page of every sentence with which AgentOS refuses something, read off its own source."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
PERSON, WORLD = "UsageError", "OutsideError"
_WORDS = {"ArgumentTypeError": PERSON}
_INTRODUCTION = """\
# Messages

Every sentence with which AgentOS refuses something, as it stands in the source; `…` is what differs from case to case. Each
says what happened, to which thing, and what to do. [Troubleshooting](../troubleshooting.md) says more about those that need
more. Sentences about single settings name the setting and are not repeated here.
"""
_TITLES = {
    PERSON: """\
## Something to put right first

Exit code 2 from a command: nothing was changed. Within a run it halts as blocked, exit code 3, and goes on once it is put right.
""",
    WORLD: """\
## The world said no

Before a run: exit code 2 where only a person can put it right, else 1. Within a run: parked and tried again by itself (exit
code 5) where it may pass, else blocked (exit code 3).
""",
}


def messages_page() -> str:
    """The page, one item a sentence, by what kind of refusal it is and where it comes from."""
    parsed = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    kinds = _kinds(parsed.values())
    parts = [_INTRODUCTION]
    for root, title in _TITLES.items():
        parts.append(title)
        for folder in sorted({path.parent for path in parsed}):
            here = [parsed[path] for path in parsed if path.parent == folder]
            found = sorted({text for tree in here for kind, text in sentences(tree, kinds) if kind == root})
            if found:
                name = folder.relative_to(PACKAGE.parent).as_posix()
                parts.append(f"### `{name}`\n\n" + "\n".join(f"- {text}" for text in found) + "\n")
    return "\n".join(parts)


def sentences(tree: ast.Module, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Kind and sentence of every error that is made in `tree` with a sentence of its own."""
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            kind = kinds.get(ast.unparse(node.func).rpartition(".")[2])
            text = re.sub("…+", "…", " ".join(_text(node.args[0], constants).split()))
            if kind and text.strip("… .:,;"):
                yield kind, text.replace("<", "\\<")


def _kinds(trees: Iterable[ast.Module]) -> dict[str, str]:
    """Name of each error class -> the kind of refusal it is."""
    kinds = {PERSON: PERSON, WORLD: WORLD, **_WORDS}
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for _ in classes:
        for node in classes:
            for base in map(ast.unparse, node.bases):
                if base in kinds:
                    kinds.setdefault(node.name, kinds[base])
    return kinds


def _text(node: ast.expr, constants: Mapping[str, str]) -> str:
    """The sentence that `node` makes, with `…` for what is only known when it runs."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, constants) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)) | ast.Name(id=name):
            return constants.get(name, "…")
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, constants) + _text(right, constants)
        case _:
            return "…"
