"""The command line as a page, read off the parser itself (pure)."""

import argparse
from collections.abc import Iterator

from agentos.cli.args import DECISIONS, EXAMPLES, Parser, program
from agentos.cli.documents import schemas

_HEAD = """\
# The command line

Written by `python tools/check.py --write-docs` from `agentos/cli/args.py`; a test keeps it so.

`agentos` alone is `agentos status`. In a checkout, `python tools/orchestrate.py --issue 1` is `agentos run --issue 1`, and
`python tools/orchestrate.py COMMAND …` is `agentos COMMAND …`. How to use them: [how-to pages](../howto/README.md). How they
end: [exit codes](exit-codes.md). What they print for programs: a document for each command, linked below; its keys are never
renamed or dropped under one schema version.

An issue's number means the repository around the current folder, else the one run that waits with that number anywhere.
"""
_EVERYWHERE = ("repo", "json", "quiet")
_SCHEMA = dict.fromkeys(("run", "rebuild", *DECISIONS), "result")
_DRY = {"run": "plan", "rebuild": "rebuild"}


def cli_page() -> str:
    """The whole page as Markdown."""
    parser, commands = program("agentos")
    told = "\n".join(f"| [`{name}`](#{name}) | {what} |" for name, what in _summaries(parser))
    everywhere = "\n".join(_rows(action for action in _actions(commands["run"]) if action.dest in _EVERYWHERE))
    sections = "\n".join(_section(name, each) for name, each in commands.items())
    return f"""{_HEAD}
| Command | Does |
|---|---|
{told}

Every command but `demo` takes these, too:

| Word | Means |
|---|---|
{everywhere}

{sections}"""


def _summaries(parser: Parser) -> Iterator[tuple[str, str]]:
    for action in _actions(parser):
        for choice in getattr(action, "_choices_actions", ()):
            yield choice.dest, choice.help


def _section(name: str, parser: Parser) -> str:
    rows = list(_rows(action for action in _actions(parser) if action.dest not in (*_EVERYWHERE, "help")))
    words = "\n".join(["| Word | Means |", "|---|---|", *rows, ""]) if rows else ""
    schema = _SCHEMA.get(name, name)
    link = f"\nWith `--json`: [{schema}](schemas/{schema}.schema.json)." if schema in schemas() else ""
    link += f" With `--dry-run` as well: [{_DRY[name]}](schemas/{_DRY[name]}.schema.json)." if name in _DRY else ""
    return f"""## {name}

{parser.description}

```
agentos {EXAMPLES[name]}
```
{f"{chr(10)}{words}" if words else ""}{link}
"""


def _rows(actions: Iterator[argparse.Action]) -> Iterator[str]:
    for action in actions:
        named = [f"`{word}{_value(action)}`" for word in action.option_strings] or [
            f"`{action.metavar or action.dest}`"
        ]
        needed = " (required)" if action.required and action.option_strings else ""
        yield f"| {', '.join(named)} | {action.help}{needed} |"


def _value(action: argparse.Action) -> str:
    return "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"


def _actions(parser: Parser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - argparse tells nobody else what there is to type
