"""Tries a model call again while that makes sense, and says in our own words why it failed for good."""

from collections.abc import Callable
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from langchain_core.exceptions import (
    ContextOverflowError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelError,
    ModelPermissionDeniedError,
    ModelRateLimitError,
    ModelTimeoutError,
)
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import Field

from agentos.domain.error import OutsideError
from agentos.domain.failure import RETRY, FailureKind, backoff_s
from agentos.domain.naming import clean_text
from agentos.ports.clock import Clock
from agentos.prompting.passing_model import PassingChatModel

TRANSIENT = (ModelRateLimitError, ModelAPIError, ModelConnectionError, ModelTimeoutError, httpx.TransportError)
TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
QUOTA_WORDS = ("insufficient_quota", "exceeded your current quota")
BILLING_WORDS = ("credit balance", "billing", "payment required")


class RetryingChatModel(PassingChatModel):
    """The wrapped model, asked up to five times where the provider is busy or out of reach (I12)."""

    model_name: str
    clock: Any = Field(repr=False)
    jitter: Callable[[], float] = Field(repr=False)

    async def _around(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> AIMessage:
        rule = RETRY[FailureKind.TRANSIENT]
        for tries in range(1, rule.limit + 1):
            try:
                return await self._pass_on(messages, stop, **kwargs)
            except Exception as error:
                kind = failure_kind(error)
                if kind is None:
                    raise
                asked_s = retry_after_s(error, self.clock)
                wait_s = backoff_s(tries, first_s=rule.first_s, most_s=rule.most_s) * (0.5 + self.jitter() / 2)
                wait_s = max(wait_s, asked_s or 0.0)
                final = tries == rule.limit or wait_s > rule.most_s
                if kind is not FailureKind.TRANSIENT or final:
                    raise self._refusal(error, kind, asked_s) from error
            await self.clock.sleep(wait_s)
        raise AssertionError("the last try either answers or raises")

    def _refusal(self, error: Exception, kind: FailureKind, asked_s: float | None) -> OutsideError:
        said = clean_text(str(error)).strip().splitlines() or [type(error).__name__]
        reason = said[0][:300]
        match kind:
            case FailureKind.TRANSIENT | FailureKind.CAPACITY:
                # Our own tries are used up: the provider counts as down, and the run is parked (DESIGN §4).
                message = f"{self.model_name} does not answer now ({reason}); the run can go on later"
                return OutsideError(message, kind=FailureKind.CAPACITY, retry_after_s=asked_s)
            case FailureKind.DENIED:
                return OutsideError(
                    f"{self.model_name} refuses us ({reason}); check the key and its account", kind=kind
                )
            case _:
                return OutsideError(f"{self.model_name} refuses the request ({reason})", kind=kind)


def failure_kind(error: Exception) -> FailureKind | None:
    """What `error` of a provider means for retrying; None where it is no provider's error at all."""
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    text = str(error).lower()
    if isinstance(error, ModelError | httpx.HTTPError) or isinstance(status, int):
        if any(words in text for words in QUOTA_WORDS):
            return FailureKind.CAPACITY
        if status == 402 or (status in (400, 403) and any(words in text for words in BILLING_WORDS)):
            return FailureKind.DENIED
        if isinstance(error, TRANSIENT) or (isinstance(status, int) and (status in TRANSIENT_STATUS or status >= 500)):
            return FailureKind.TRANSIENT
        if isinstance(error, ModelAuthenticationError | ModelPermissionDeniedError) or status in (401, 403):
            return FailureKind.DENIED
        return FailureKind.INVALID
    return FailureKind.INVALID if isinstance(error, ContextOverflowError) else None


def retry_after_s(error: Exception, clock: Clock) -> float | None:
    """The seconds the provider asked us to wait (RFC 9110 `Retry-After`, or `retry-after-ms`); None if it did not."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(milliseconds) / 1000)
        given = headers.get("retry-after")
        if given is None:
            return None
        if given.strip().replace(".", "", 1).isdigit():
            return float(given)
        when: datetime = parsedate_to_datetime(given)
    except (TypeError, ValueError):
        return None  # an unreadable header is no request to wait; our own doubling holds
    return max(0.0, (when - clock.now()).total_seconds())
