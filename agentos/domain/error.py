"""The error tree.

AgentOSError
├── UsageError      the person can fix it                     -> exit code 2
├── OutsideError    the world said no; kind, retry_after_s, cause
│   ├── TooLong     a conversation is more than its model takes in
│   ├── NotYet      something outside is under way         -> the run is parked, and looks again
│   └── Crowded     a picture of the work has no room now   -> the work goes on, a later picture tells it
└── BugError        we broke a promise of our own             -> the run fails loudly, with its traceback kept

A message says what happened, to which thing, and what to do next. Expected results are values, not errors.
"""

import errno
from pathlib import Path

from agentos.domain.failure import FailureKind

_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EIO})
_REFUSING = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP})


class AgentOSError(Exception):
    """The root of everything AgentOS raises on purpose."""


class UsageError(AgentOSError):
    """The person can fix it: a wrong word, a missing file, a setting that does not fit."""


class OutsideError(AgentOSError):
    """Something outside AgentOS refused or broke; `kind` decides who retries it. `unanswered`: how many requests to a model
    broke under way, which may cost as much as if they had been answered."""

    def __init__(
        self,
        message: str,
        *,
        kind: FailureKind = FailureKind.PERMANENT,
        retry_after_s: float | None = None,
        unanswered: int = 0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.unanswered = unanswered


class TooLong(OutsideError):
    """A conversation is more than its model takes in; whoever can shorten it may ask again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind=FailureKind.INVALID)


class NotYet(OutsideError):
    """Something outside is under way and takes long: the run looks again after `retry_after_s` seconds. Whoever raises it
    bounds how often."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, kind=FailureKind.TRANSIENT, retry_after_s=retry_after_s)


class Crowded(OutsideError):
    """A write that may be late found no room for `retry_after_s` seconds: whoever can do without it goes on."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, kind=FailureKind.TRANSIENT, retry_after_s=retry_after_s)


class BugError(AgentOSError):
    """AgentOS broke one of its own promises; nobody retries it."""


class FenceLost(AgentOSError):
    """Another process owns the run now; this one must stop without writing anything more."""


def refusal_of_machine(error: OSError, place: Path | str = "") -> OutsideError | None:
    """What this machine refuses, as one sentence: room or a resource that may come back, or rights that a person must
    give. None for every other error: that is a fault of ours. `place`: what to name instead of the error's own file.
    """
    if error.errno not in _PASSING | _REFUSING:
        return None
    passing = error.errno in _PASSING
    what = place or error.filename or "a file"
    what = what.decode("utf-8", "replace") if isinstance(what, bytes) else what
    hint = "make room there, or raise the limit" if passing else "make it a place this user may write"
    kind = FailureKind.TRANSIENT if passing else FailureKind.DENIED
    return OutsideError(f"{what} cannot be written ({error.strerror}): {hint}", kind=kind)
