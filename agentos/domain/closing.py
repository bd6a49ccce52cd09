"""The words with which a pull request or a commit says that it closes an issue, as forges read them."""

import re

CLOSING = re.compile(
    r"""\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+[<(\[*_]*
    (?P<reference>(?:(?P<repo>[\w.-]+/[\w.-]+)?\#|GH-|(?P<url>https?://\S+)/(?:issues|pull)/)(?P<number>\d+))""",
    re.IGNORECASE | re.VERBOSE,
)


def unbound(line: str) -> str:
    """`line`, a title, closing nothing: `fixes #7` is `fixes 7`."""
    return CLOSING.sub(lambda said: said[0].removesuffix(said["reference"]) + said["number"], line)
