"""Tries a model call again while that makes sense, and says in our own words why it failed for good."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

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
from pydantic import Field, PrivateAttr

from agentos.domain.error import OutsideError, TooLong
from agentos.domain.failure import RETRY, FailureKind, backoff_s
from agentos.domain.naming import clean_text
from agentos.ports.clock import Clock
from agentos.prompting.passing_model import PassingChatModel

TRANSIENT = (ModelRateLimitError, ModelAPIError, ModelConnectionError, ModelTimeoutError)
BROKEN = (json.JSONDecodeError, ConnectionError, TimeoutError)
"""What a half-sent or garbled answer and a broken line come as where a client does not turn them into its own error."""
TRANSIENT_STATUS = frozenset({408, 409, 425, 429})
QUOTA_WORDS = ("insufficient_quota", "exceeded your current quota")
BILLING_WORDS = ("credit balance", "billing", "payment required")
OVERFLOW_WORDS = ("context_length_exceeded", "context length", "context window", "prompt is too long")
RETRY_INFO = re.compile(r"retrydelay['\"]: ['\"](\d+(?:\.\d+)?)s")
"""How Google names a wait: in the body. It speaks of an exceeded quota for a limit per minute, too."""
CLIENTS = frozenset({"anthropic", "google", "httpx", "httpx2", "ollama", "openai"})
"""Whose errors are a provider's, whatever their class."""
STREAM_ERROR = re.compile(r"(server_error|rate_limit_exceeded|vector_store_timeout): ")
"""How an answer that fails under way comes as a plain ValueError (the Responses API)."""
UNREACHED = frozenset({"ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror", "PoolTimeout"})
"""What a client raises before anything was sent."""
ENDS = ("stop_reason", "finish_reason", "done_reason", "status")
"""Where a complete answer says why it ends, by provider."""

CACHED = {"type": "ephemeral"}


class CutShortError(ModelAPIError):
    """A stream closed before the answer was complete."""


class RetryingChatModel(PassingChatModel):
    """The wrapped model, asked up to five times where the provider is busy or out of reach (I12), then its `spare`.

    A conversation that went over to the spare stays there. An answer says who gave it, where that was the spare, and how
    many tries before it broke under way: they may be on the bill although nothing came of them.
    """

    model_name: str
    streams: bool = False
    caches: bool = False
    """Whether a conversation with tools is to be cached by the provider up to its latest message (Anthropic). LangChain's
    own middleware for it looks at the class of the model, which here is ours, and would tag a spare's requests too."""
    spare: "RetryingChatModel | None" = Field(default=None, repr=False)
    _gone_over: bool = PrivateAttr(default=False)
    clock: Any = Field(repr=False)
    jitter: Callable[[], float] = Field(repr=False)

    async def _around(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> AIMessage:
        if self.spare is None:
            return await self._ask(messages, stop, **kwargs)
        unanswered = 0
        if not self._gone_over:
            try:
                return await self._ask(
                    [_plain(each) if _is_spares(each) else each for each in messages], stop, **kwargs
                )
            except OutsideError as error:
                if error.kind is not FailureKind.CAPACITY:
                    raise
                unanswered = error.unanswered
            self._gone_over = True
        try:
            answer = await self.spare._ask([_plain(each) for each in messages], stop, **kwargs)  # noqa: SLF001 - its own kind
        except OutsideError as error:
            error.unanswered += unanswered
            raise
        return _noted(answer, unanswered, answered_by=self.spare.model_name)

    async def _ask(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> AIMessage:
        rule, unanswered = RETRY[FailureKind.TRANSIENT], 0
        cached = {"cache_control": CACHED} if self.caches and kwargs.get("tools") else {}
        for tries in range(1, rule.limit + 1):
            try:
                answer = self._complete(await self._pass_on(messages, stop, **kwargs, **cached))
            except Exception as error:
                kind = failure_kind(error)
                if kind is None:
                    raise
                unanswered += broke_under_way(error)
                asked_s = retry_after_s(error, self.clock)
                wait_s = backoff_s(tries, first_s=rule.first_s, most_s=rule.most_s) * (0.5 + self.jitter() / 2)
                wait_s = max(wait_s, asked_s or 0.0)
                final = tries == rule.limit or wait_s > rule.most_s
                if kind is not FailureKind.TRANSIENT or final:
                    refusal = self._refusal(error, kind, asked_s)
                    refusal.unanswered = unanswered
                    raise refusal from error
                await self.clock.sleep(wait_s)
            else:
                return _noted(answer, unanswered)
        raise AssertionError("the last try either answers or raises")

    def _complete(self, answer: AIMessage) -> AIMessage:
        if self.streams and not any(answer.response_metadata.get(name) for name in ENDS):
            raise CutShortError("the stream ended before the answer did")
        usage = answer.usage_metadata
        # No request is empty: 0 tokens in means that a stream did not tell, and unknown use is charged as such.
        return answer.model_copy(update={"usage_metadata": None}) if usage and not usage["input_tokens"] else answer

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
            case _ if _is_too_long(error):
                message = f"the conversation is too long for {self.model_name} ({reason}); set a model that holds more"
                return TooLong(message)
            case _:
                return OutsideError(f"{self.model_name} refuses the request ({reason})", kind=kind)


def _noted(answer: AIMessage, unanswered: int, **notes: str) -> AIMessage:
    told = answer.response_metadata
    unanswered += told.get("unanswered", 0)
    counted = {"unanswered": unanswered} if unanswered else {}
    return answer.model_copy(update={"response_metadata": {**told, **counted, **notes}})


def _is_spares(message: BaseMessage) -> bool:
    return "answered_by" in message.response_metadata


def _plain(message: BaseMessage) -> BaseMessage:
    """`message` as every provider understands it: text and tool calls, without one provider's own parts."""
    if not isinstance(message, AIMessage):
        return message
    return AIMessage(message.text, id=message.id, tool_calls=message.tool_calls)


def failure_kind(error: Exception) -> FailureKind | None:
    """What `error` of a provider means for retrying; None where it is no provider's error at all."""
    if not _is_providers(error):
        return None
    status, text = _status(error), _text(error)
    if _is_too_long(error):
        return FailureKind.INVALID
    if any(words in text for words in QUOTA_WORDS) and not RETRY_INFO.search(text):
        return FailureKind.CAPACITY
    if status == 402 or (status in (400, 403) and any(words in text for words in BILLING_WORDS)):
        return FailureKind.DENIED
    if isinstance(error, TRANSIENT) or status in TRANSIENT_STATUS or status >= 500:
        return FailureKind.TRANSIENT
    if isinstance(error, ModelAuthenticationError | ModelPermissionDeniedError) or status in (401, 403):
        return FailureKind.DENIED
    if isinstance(error, ModelError) or status >= 400 or "invalid_request" in text:
        return FailureKind.INVALID
    return FailureKind.TRANSIENT  # no refusal: the line or the answer broke under way


def broke_under_way(error: Exception) -> bool:
    """Whether the request may have been worked on, and billed, though `error` came instead of its answer: the provider did
    not refuse it, and it was reached."""
    return _status(error) < 400 and not any(type(each).__name__ in UNREACHED for each in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_providers(error: Exception) -> bool:
    if isinstance(error, (ModelError, *BROKEN)) or _status(error):
        return True
    homes = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return not homes.isdisjoint(CLIENTS) or (isinstance(error, ValueError) and bool(STREAM_ERROR.match(str(error))))


def _is_too_long(error: Exception) -> bool:
    named = _status(error) in (0, 400, 413) and any(words in _text(error) for words in OVERFLOW_WORDS)
    return named or isinstance(error, ContextOverflowError)


def _text(error: Exception) -> str:
    return f"{error} {getattr(error, 'body', None) or ''}".lower()


def _status(error: BaseException | None) -> int:
    """The HTTP status that `error`, or what it was made from, came with; 0 for none."""
    while error is not None:
        for name in ("status_code", "code"):
            if isinstance(status := getattr(error, name, None), int):
                return status
        error = error.__cause__ or error.__context__
    return 0


def _headers(error: BaseException | None) -> Any:
    while error is not None:
        if (headers := getattr(getattr(error, "response", None), "headers", None)) is not None:
            return headers
        error = error.__cause__ or error.__context__
    return None


def retry_after_s(error: Exception, clock: Clock) -> float | None:
    """The seconds the provider asked us to wait (RFC 9110 `Retry-After`, `retry-after-ms`, or Google's `RetryInfo`);
    None if it did not."""
    if info := RETRY_INFO.search(_text(error)):
        return float(info[1])
    headers = _headers(error)
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
