"""Comments of ours: foreign text that cannot pass for our marks, and the hidden blocks that programs read."""

import json
import re
from collections.abc import Mapping
from typing import Any

from agentos.domain.naming import clean_text
from agentos.telemetry.redaction import redacted


def defused(markdown: str) -> str:
    """`markdown` as people read it, without hidden lines, which could forge a mark of ours, and without secrets."""
    return redacted(clean_text(markdown)).replace("<!--", "&lt;!--")


def title_line(text: str) -> str:
    """`text` as the title of an issue, a pull request or a commit: one line, without secrets."""
    return redacted(" ".join(clean_text(text).split()))


def hidden_block(kind: str, data: Mapping[str, Any]) -> str:
    """`data` as a line people do not see; nothing in it can end the line early."""
    text = json.dumps(data, sort_keys=True, allow_nan=False)
    return f"<!-- agentos:{kind} v1 {text.replace('<', chr(92) + 'u003c').replace('>', chr(92) + 'u003e')} -->"


def read_block(kind: str, text: str) -> dict[str, Any] | None:
    """The data of the block of that kind in a comment of ours; None where there is none that can be read."""
    found = re.search(rf"^<!-- agentos:{kind} v1 (\{{.*\}}) -->$", text, re.MULTILINE)
    try:
        data = json.loads(found[1]) if found is not None else None
    except ValueError:
        return None
    return data if isinstance(data, dict) else None
