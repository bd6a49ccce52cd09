"""What the repository's own CI says about a commit: its checks as they are, and what that came to."""

from dataclasses import dataclass
from enum import StrEnum


class CiState(StrEnum):
    """How one check stands."""

    QUEUED = "queued"  # not begun
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"  # ended without saying anything about the commit: cancelled, timed out, could not start
    HELD = "held"  # waits for a person on the forge, who lets it run


RED = frozenset({CiState.FAILED, CiState.BROKEN})
UNDER_WAY = frozenset({CiState.QUEUED, CiState.RUNNING})


@dataclass(frozen=True, slots=True)
class CiCheck:
    """One check of one commit. `id` names this very run of it: run again, it gets another. `said`: the forge's own word
    for how it stands. `rerun`: what is run again for it, empty where nobody can; several checks may share it."""

    name: str
    state: CiState
    id: str
    url: str = ""
    said: str = ""
    is_required: bool = False
    rerun: str = ""


@dataclass(frozen=True, slots=True)
class CiReport:
    """All checks of the commit `sha` now. `missing`: what is required and not there. `is_expected`: the repository is set
    up so that some should come. `knows_required`: the forge says which are required. `unseen`: why a part of them could not
    be seen."""

    sha: str
    checks: tuple[CiCheck, ...] = ()
    missing: tuple[str, ...] = ()
    is_expected: bool = False
    knows_required: bool = False
    unseen: str = ""

    @property
    def awaited(self) -> tuple[CiCheck, ...]:
        """The checks that count: the required ones, or all where none is known to be."""
        return tuple(each for each in self.checks if each.is_required) if self.knows_required else self.checks


@dataclass(frozen=True, slots=True)
class CiLine:
    """One check as it ended. `result` is for people; `is_required` where the forge says so; `passed` also where a check
    had nothing to say."""

    name: str
    result: str
    url: str = ""
    is_required: bool = False
    passed: bool = False


@dataclass(frozen=True, slots=True)
class CiResult:
    """What the checks of `sha` came to. `note`: why there was nothing to wait for, or not all was seen. `is_green`: each that counts passed;
    not where one fails at the base, too, none came although some should, or not all could be seen."""

    sha: str
    lines: tuple[CiLine, ...] = ()
    note: str = ""
    is_green: bool = True
