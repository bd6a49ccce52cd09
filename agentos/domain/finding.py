"""What was looked at, how bad it is, and how to mend it."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad it is: a run works, works with less than it might, or cannot work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `mend`: what to do about it; empty where nothing is wrong."""

    name: str
    grade: Grade
    found: str
    mend: str = ""
