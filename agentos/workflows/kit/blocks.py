"""Comments of ours: foreign text that cannot pass for our marks, and the hidden blocks that programs read."""

import json
import re
from typing import TypeVar

from agentos.config.settings import Settings
from agentos.domain.block import KINDS, Block
from agentos.domain.closing import unbound
from agentos.domain.issue import Issue
from agentos.domain.naming import clean_text
from agentos.telemetry.redaction import redacted
from agentos.workflows.kit.records import dump, load

T = TypeVar("T", bound=Block)


def defused(markdown: str) -> str:
    """`markdown` as people read it, without hidden lines, which could forge a mark of ours, and without secrets."""
    return redacted(clean_text(markdown)).replace("<!--", "&lt;!--")


def title_line(text: str) -> str:
    """`text` as the title of an issue, a pull request or a commit: one line, without secrets, and closing no issue."""
    return unbound(redacted(" ".join(clean_text(text).split())))


def numbered_title(title: str, number: int, settings: Settings) -> str:
    """`title` with the number of its issue; without, where the issue lives elsewhere than the forge: `#7` on GitHub is an
    issue of GitHub."""
    return title if is_foreign(settings) else f"{title} (#{number})"


def issue_link(issue: Issue, settings: Settings) -> str:
    """The issue as it is named in a text at the forge: by its address, where it has one."""
    name = f"{'' if is_foreign(settings) else '#'}{issue.ref.number}"
    return f"[{name}]({issue.url})" if issue.url else name


def is_foreign(settings: Settings) -> bool:
    """Whether the number of an issue means another one at the forge."""
    return settings.forge.kind == "github" and settings.tracker.kind != "github"


def hidden_block(block: Block) -> str:
    """`block` as a line people do not see; nothing in it can end the line early."""
    text = json.dumps(dump(block), sort_keys=True, allow_nan=False)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return f"<!-- agentos:{KINDS[type(block)]} v1 {text} -->"


def read_block(kind: type[T], text: str) -> T | None:
    """The first block of that kind in a comment of ours; None where there is none, or none of this version that can be
    read. Keys it does not know are passed over."""
    found = re.search(rf"^<!-- agentos:{KINDS[kind]} v1 (\{{.*\}}) -->\r?$", text, re.MULTILINE)
    try:
        return None if found is None else load(kind, json.loads(found[1]))
    except (ValueError, RecursionError):
        return None
