"""What we write to GitHub calls nobody by name and closes nothing: foreign text stands in it, and GitHub acts on both.

A zero-width space, written as an entity, parts what GitHub looks for; people read the same text. Code is left as it is, for
GitHub does not look there, unless it is in doubt what is code.
"""

import html
import re
from typing import TYPE_CHECKING

from agentos.domain.closing import CLOSING
from agentos.domain.naming import fitted

if TYPE_CHECKING:
    from markdown_it.token import Token

PARTING = "&#8203;"
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|commat|num|sol|colon);")
_SHOWN = {"softbreak": " ", "hardbreak": " "}
_PLAIN = re.compile(r"[A-Za-z0-9@#/:]")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_HIDDEN = re.compile(r"^<!-- agentos:(?:(?!-->)[^\n])*-->$", re.MULTILINE)
"""A line of ours, which programs read."""
_SPARED = re.compile(
    _HIDDEN.pattern
    + r"|^(```+|~~~+)[^`\n]*\n(?:.*\n)*?\1[ \t]*$"  # a fence
    + r"|(?<![`\\])(`+)(?!`)[^\n]*?(?<!`)\2(?!`)",  # code within a line
    re.MULTILINE,
)


def sent(text: str) -> str:
    """`text` as GitHub gets it: cleaned, cut where it is too long, and as `outgoing`. What the cut laid open counts, too."""
    return outgoing(fitted(outgoing(text)))


def outgoing(markdown: str) -> str:
    """`markdown` as it goes out; `incoming` gives it back, but for entities of plain letters, which stand as letters."""
    if not _acts(_ENTITY.sub(_letter, markdown)) or not _acts_on_page(markdown):
        return markdown
    sparing = _parted_but(_SPARED, markdown)
    return _parted_but(_HIDDEN, markdown) if _acts_on_page(sparing) else sparing


def incoming(markdown: str) -> str:
    """A text of ours as it was before it went out."""
    return markdown.replace(PARTING, "")


def _acts(text: str) -> bool:
    return bool(_MENTION.search(text) or CLOSING.search(text))


def _letter(entity: re.Match[str]) -> str:
    meant = html.unescape(entity[0])
    return meant if _PLAIN.fullmatch(meant) else entity[0]


def _parted(text: str) -> str:
    text = _MENTION.sub(f"@{PARTING}", _ENTITY.sub(_letter, text))
    return CLOSING.sub(_unbound, text)


def _unbound(said: re.Match[str]) -> str:
    if said["url"]:
        return said[0].replace("://", f":{PARTING}//")
    start = said.start("number") - said.start()
    return said[0][:start] + PARTING + said[0][start:]


def _parted_but(spared: re.Pattern[str], markdown: str) -> str:
    parts, at = list[str](), 0
    for left in spared.finditer(markdown):
        parts += [_parted(markdown[at : left.start()]), left[0]]
        at = left.end()
    return "".join([*parts, _parted(markdown[at:])])


def _acts_on_page(markdown: str) -> bool:
    """Whether something of it that a reader sees, and not as code, would act."""
    from markdown_it import MarkdownIt  # most texts do without

    return any(_acts(_text_of(block)) for block in MarkdownIt("commonmark").enable("table").parse(markdown))


def _text_of(block: "Token") -> str:
    """What of a block is neither code nor hidden."""
    if block.type == "html_block":
        return _ENTITY.sub(_letter, _HIDDEN.sub("", block.content))
    return "".join(
        _SHOWN.get(each.type, each.content if each.type == "text" else "\0") for each in block.children or ()
    )
