"""Why GitHub did not do what was asked, in one sentence of ours, and how long to wait."""

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import clean_text

LEAST_WAIT_S = 60.0
"""What GitHub asks for where a limit names no time."""
_LIMITED = ("rate limit", "abuse detection", "secondary rate")
_GONE = frozenset({404, 410})
_PASSING = frozenset({408, 425, 429})


class Moved(OutsideError):
    """What was asked about is not there any more, but at `place` (an address)."""

    def __init__(self, message: str, *, place: str) -> None:
        super().__init__(message, kind=FailureKind.GONE)
        self.place = place


def refusal(status: int, headers: Mapping[str, str], said: str, what: str, now: datetime) -> OutsideError:
    """The error for an answer with `status` to the request `what` (as `GET /repos/o/n/issues/7`); `said`: its message.

    A 403 may be a limit, a missing right, or a block: the headers decide.
    """
    said = clean_text(said).strip().partition("\n")[0][:300] or f"HTTP {status}"
    wait_s = wait_of(status, headers, said, now)
    if wait_s is not None:
        return OutsideError(
            f"GitHub lets us ask no more for {wait_s:.0f} s ({what}: {said}); it goes on after that",
            kind=FailureKind.TRANSIENT,
            retry_after_s=wait_s,
        )
    if status >= 500 or status in _PASSING:
        asked = _seconds(headers.get("retry-after", ""), now)
        return OutsideError(
            f"GitHub does not answer now ({what}: HTTP {status}, {said}); try again later",
            kind=FailureKind.TRANSIENT,
            retry_after_s=asked,
        )
    if status == 403 and "locked" in said.lower():
        return OutsideError(
            f"GitHub lets nobody without the right to write say anything there ({what}: {said}): unlock the conversation",
            kind=FailureKind.DENIED,
        )
    if status in (403, 451):
        return OutsideError(
            f"GitHub refuses this to the token ({what}: {said}): give it the rights that docs/howto/github.md names",
            kind=FailureKind.DENIED,
        )
    if status == 301:
        place = clean_text(headers.get("location", "")).strip()
        return Moved(f"GitHub has it somewhere else now ({what}: {place or said})", place=place)
    if status in _GONE:
        return OutsideError(f"GitHub has nothing there, or not for this token ({what}: {said})", kind=FailureKind.GONE)
    if status == 409:
        return OutsideError(f"GitHub says it changed meanwhile ({what}: {said})", kind=FailureKind.CONFLICT)
    return OutsideError(f"GitHub refuses the request ({what}: HTTP {status}, {said})", kind=FailureKind.INVALID)


def unknown_access(said: str, what: str, mend: str) -> OutsideError:
    """The error for a token that GitHub does not know; `mend`: what a person does about it."""
    said = clean_text(said).strip().partition("\n")[0][:300]
    return OutsideError(
        f"GitHub does not know the token ({what}: {said}): it is wrong, has expired or was revoked; {mend}",
        kind=FailureKind.DENIED,
    )


def wait_of(status: int, headers: Mapping[str, str], said: str, now: datetime) -> float | None:
    """The seconds a limit asks us to wait; None where the answer tells of no limit."""
    if status not in (403, 429):
        return None
    asked = _seconds(headers.get("retry-after", ""), now)
    if asked is not None:
        return asked
    if headers.get("x-ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset", "")
        return max(1.0, float(reset) - now.timestamp()) if reset.isdigit() else LEAST_WAIT_S
    return LEAST_WAIT_S if status == 429 or any(words in said.lower() for words in _LIMITED) else None


def _seconds(value: str, now: datetime) -> float | None:
    """`Retry-After` (RFC 9110: seconds or a date) in seconds; None where it is neither."""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds()) if value else None
    except (TypeError, ValueError):
        return None
