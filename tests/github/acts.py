"""What GitHub would do on a text of ours, read off the page that it becomes: people called, issues closed."""

import html
import re

from markdown_it import MarkdownIt

_CODE = re.compile(r"<!--.*?-->|<(pre|code)\b.*?</\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_MENTION = re.compile(r"(?<!\w)@[A-Za-z0-9][A-Za-z0-9-]*")
_CLOSED = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:(?:[\w.-]+/[\w.-]+)?#|GH-|https?://\S+/(?:issues|pull)/)\d+",
    re.IGNORECASE,
)


def acts_in(markdown: str) -> list[str]:
    """Each name that is called and each closing word, with what it closes; none of them stands in code."""
    page = MarkdownIt("commonmark").enable("table").render(markdown)
    text = html.unescape(_TAG.sub("\0", _CODE.sub("\0", page)))
    return [found[0] for sign in (_MENTION, _CLOSED) for found in sign.finditer(text)]
