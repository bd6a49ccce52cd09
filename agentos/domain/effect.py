"""Names of changes outside; each is found again by its key before it is made (I6)."""

from enum import StrEnum
from typing import NewType

EffectKey = NewType("EffectKey", str)
"""Names its own scope and is unique per (repo, issue): `branch`, `pr`, `status-comment`, `deploy@<sha>`."""
STATUS_COMMENT = EffectKey("status-comment")
"""The one comment that tells how the newest run of an issue goes."""


class CrashPoint(StrEnum):
    """The six places around an effect where a process may die without doubling it."""

    BEFORE_INTENT = "before_intent"
    AFTER_INTENT = "after_intent"
    AFTER_LOOKUP = "after_lookup"
    ANSWER_LOST = "answer_lost"
    AFTER_ANSWER = "after_answer"
    AFTER_RECORD = "after_record"


def marker(key: EffectKey) -> str:
    """The hidden line that names the effect a comment, issue or pull request came from."""
    return f'<!-- agentos:effect v1 {{"key": "{key}"}} -->'
