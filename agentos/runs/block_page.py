"""What the hidden lines of AgentOS's comments are: a section a kind, with its schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from agentos.domain.block import KINDS, EffectBlock, ReviewPackageBlock, StatusBlock

_INTRODUCTION = """\
# Hidden lines

Written by `python tools/check.py --write-docs`; a test keeps it so.

What AgentOS writes on an issue or pull request carries lines that the page does not show, for programs:

`<!-- agentos:<kind> v1 {json} -->`

The JSON stands on one line with sorted keys; `<` and `>` in it are `\\u003c` and `\\u003e`, so that nothing ends it early. Text of
people and models is written with `&lt;!--` in the place of `<!--`: it can make no such line. Under one version keys are added,
never renamed or dropped, so pass over those you do not know. A line of another version, or one that cannot be read, counts as
not there, and one counts at all only in what the account of AgentOS wrote: whoever else writes it says nothing.

Leave them where they are when you edit such a comment; the rest of its text is for people alone. What AgentOS does where one
is gone stands below.
"""


@dataclass(frozen=True, slots=True)
class Use:
    """Who writes such a block and where, who reads it, and what a person may do to it."""

    written: str
    read: str
    by_hand: str


USES: Mapping[type[object], Use] = {
    EffectBlock: Use(
        "with every comment, reply, issue and pull request that AgentOS makes; the first line of a comment, the last of a "
        "pull request",
        "before anything is made, to find what is there already: after a crash, a lost answer or a lost database",
        "A comment without it is not AgentOS's any more: the status comment is written anew below, others once more if their "
        "step is done again. Copied into a text of yours, it does nothing.",
    ),
    StatusBlock: Use(
        "at the end of the issue's one status comment, anew whenever a stage is left or a wait begins",
        "by `agentos run` and `agentos rebuild`, where the database does not know the run: it tells that there was one",
        "A deleted status comment is written again at the next step. What you change in it is overwritten then.",
    ),
    ReviewPackageBlock: Use(
        "at the end of each review package on the issue, one for each commit that people are asked to review",
        "by no part of AgentOS; it is there for programs that show or notify",
        "Nothing hangs on it: an approval is bound to the commit by the review or the command, not by this line.",
    ),
}


def block_schemas() -> dict[str, dict[str, Any]]:
    """Kind -> JSON Schema of what stands in it."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {name: draft | TypeAdapter(kind).json_schema(mode="serialization") for kind, name in KINDS.items()}


def block_page() -> str:
    """The page as Markdown: a section a kind."""
    schemas = block_schemas()
    return _INTRODUCTION + "".join(_section(name, USES[kind], schemas[name]) for kind, name in KINDS.items())


def _section(name: str, use: Use, schema: dict[str, Any]) -> str:
    says = " ".join(schema["description"].split())
    keys = ", ".join(f"`{key}`" for key in schema["properties"])
    return f"""
## `{name}`

{says}

| | |
|---|---|
| Keys | {keys}: [schema](schemas/block-{name}.schema.json) |
| Written | {use.written} |
| Read | {use.read} |
| By hand | {use.by_hand} |
"""
