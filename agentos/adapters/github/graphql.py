"""GitHub's other API, GraphQL: what we ask there, how it says no with status 200, and the points it counts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from agentos.adapters.github.refusal import LEAST_WAIT_S, wait_of
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import clean_text

T = TypeVar("T")
_LIMITED = frozenset({"RATE_LIMIT", "RATE_LIMITED", "SECONDARY_RATE_LIMIT"})
_KINDS = {
    "NOT_FOUND": FailureKind.GONE,
    "FORBIDDEN": FailureKind.DENIED,
    "INSUFFICIENT_SCOPES": FailureKind.DENIED,
    "IP_ALLOW_LIST": FailureKind.DENIED,
    "SAML": FailureKind.DENIED,
    "STALE_DATA": FailureKind.CONFLICT,
    "UNPROCESSABLE": FailureKind.INVALID,
    "ARGUMENT_ERROR": FailureKind.INVALID,
    "INVALID": FailureKind.INVALID,
    "VALIDATION": FailureKind.INVALID,
    "EXCESSIVE_PAGINATION": FailureKind.INVALID,
    "MAX_NODE_LIMIT_EXCEEDED": FailureKind.INVALID,
    "RESOURCE_LIMITS_EXCEEDED": FailureKind.INVALID,
}
"""What the `type` of an error means; one without a type, and one we do not know, is GitHub's own trouble."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One query or mutation; `text` begins with its kind and has `name`."""

    name: str
    text: str

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return self.text.startswith("query")


class Answered(BaseModel):
    """What we read of an answer: the few fields that we asked for."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class RateLimit(Answered):
    """What the query cost, and what is left until `reset_at`, in points."""

    cost: int
    remaining: int
    reset_at: datetime = Field(alias="resetAt")


class Data(Answered, Generic[T]):
    """An answer that holds what was asked for."""

    data: T


class PageInfo(Answered):
    """Whether there is more behind a page, and where it begins."""

    more: bool = Field(alias="hasNextPage")
    end: str | None = Field(None, alias="endCursor")


class Page(Answered, Generic[T]):
    """One page of a list; what may not be seen is None."""

    nodes: tuple[T | None, ...]
    info: PageInfo = Field(alias="pageInfo")

    @property
    def seen(self) -> tuple[T, ...]:
        """What of it may be seen."""
        return tuple(each for each in self.nodes if each is not None)


class QueryData(Answered):
    """What every query of ours asks for besides."""

    rate_limit: RateLimit | None = Field(None, alias="rateLimit")


@dataclass(slots=True)
class Points:
    """The points of one token's hour: those we spent, and what GitHub said last of those that are left."""

    spent: int = 0
    last: RateLimit | None = None

    def count(self, answer: object) -> int:
        """What one request cost. Effect: it is counted; a change does not tell, and costs one."""
        told = answer.rate_limit if isinstance(answer, QueryData) else None
        cost = told.cost if told is not None else 1
        self.spent += cost
        self.last = told or self.last
        return cost

    def require(self, what: str, now: datetime) -> None:
        """Raises: OutsideError TRANSIENT, with the wait, where none is left: asking on would only be held against us."""
        if self.last is None or self.last.remaining > 0 or self.last.reset_at <= now:
            return
        raise _limited(max(1.0, (self.last.reset_at - now).total_seconds()), what, "no point is left in this hour")


def refused_in(body: bytes, headers: Mapping[str, str], what: str, now: datetime) -> tuple[OutsideError, bool] | None:
    """Why the answer is a no although its status is 200, and whether surely nothing was done; None where it is none.

    An answer that tells of an error and of data as well is a no: half of what was asked for is not what was asked for.
    """
    errors = _errors(body)
    if not errors:
        return None
    said = "; ".join(_words(each) for each in errors)[:300] or "an error without a word"
    types = {str(each.get("type") or "").upper() for each in errors}
    if types & _LIMITED or "rate limit" in said.lower():
        return _limited(wait_of(403, headers, said, now) or LEAST_WAIT_S, what, said), True
    kinds = {_kind(each) for each in errors}
    for kind, words in _SENTENCES.items():
        if kind in kinds:
            return OutsideError(words.format(what=what, said=said), kind=kind), kind is not FailureKind.TRANSIENT
    raise AssertionError(f"no sentence for {kinds}")


_SENTENCES = {
    FailureKind.TRANSIENT: "GitHub does not answer now ({what}: {said}); try again later",
    FailureKind.DENIED: (
        "GitHub refuses this to the token ({what}: {said}): give it the rights that docs/howto/github.md names"
    ),
    FailureKind.GONE: "GitHub has nothing there, or not for this token ({what}: {said})",
    FailureKind.CONFLICT: "GitHub says it changed meanwhile ({what}: {said})",
    FailureKind.INVALID: "GitHub refuses the request ({what}: {said})",
}
"""By kind, the one that is told where there are several first."""


def _kind(error: Mapping[str, Any]) -> FailureKind:
    extensions = error.get("extensions")
    if not error.get("type") and isinstance(extensions, dict) and extensions.get("code"):
        return FailureKind.INVALID  # the server does not know what we ask for: an older GitHub Enterprise
    return _KINDS.get(str(error.get("type") or "").upper(), FailureKind.TRANSIENT)


def _errors(body: bytes) -> list[Mapping[str, Any]]:
    try:
        told = json.loads(body)
    except ValueError:
        return []
    errors = told.get("errors") if isinstance(told, dict) else None
    return [each if isinstance(each, dict) else {"message": str(each)} for each in errors or ()]


def _words(error: Mapping[str, Any]) -> str:
    return clean_text(str(error.get("message") or error.get("type") or "")).strip().partition("\n")[0]


def _limited(wait_s: float, what: str, said: str) -> OutsideError:
    return OutsideError(
        f"GitHub lets us ask no more for {wait_s:.0f} s ({what}: {said}); it goes on after that",
        kind=FailureKind.TRANSIENT,
        retry_after_s=wait_s,
    )
