"""Replies stored before they are used, so that a kill between two instructions pays for none of them twice."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, messages_from_dict, messages_to_dict
from langchain_core.messages.ai import UsageMetadata
from pydantic import Field, PrivateAttr

from agentos.domain.budget import Spend
from agentos.domain.error import BugError, OutsideError, UsageError
from agentos.domain.naming import clean_text
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef, ChatModels, Tokens
from agentos.prompting.passing_model import PassingChatModel, answered_by, request_text, text_digest, with_charge
from agentos.store.exchanges import ExchangeStore
from agentos.store.fence import Fence
from agentos.telemetry.crash import crash_point
from agentos.telemetry.redaction import redacted, without_known
from agentos.workflows.kit.budget import Purse

_WRITTEN = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
"""Where LangChain says what was written to a cache: in one of them, or apart by how long it stays."""
MOST_OUTPUT_TOKENS = 64_000
"""Taken for the longest answer of a model that says nothing about itself."""


class RecordedChatModel(PassingChatModel):
    """The wrapped model for one conversation: a request that was answered before is answered from the store.

    A reply is found by the conversation's task, the number of the call in this conversation, and what was asked. A call
    that is made is charged at its worst before, and at what it took once its reply is kept.
    """

    exchanges: Any = Field(repr=False)
    models: Any = Field(repr=False)
    purse: Any = Field(repr=False)
    fence: Fence
    call: CallRef
    model_name: str
    _calls: int = PrivateAttr(default=0)

    async def _around(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> AIMessage:
        exchanges: ExchangeStore = self.exchanges
        n, self._calls = self._calls, self._calls + 1
        asked = request_text(messages, {"role": self.call.role, "stop": stop, **kwargs})
        key = (n, text_digest(asked))
        stored = await exchanges.reply(self.call.task_id, *key)
        if stored is not None:
            return _restore(stored)
        worst = worst_case(self.models, self.model_name, self.profile, len(asked))
        charge = await self.purse.reserve(self.fence, self.call, key, model=self.model_name, worst=worst)
        crash_point("model:before_call")
        answer = await self._paid(charge, worst, self._pass_on(messages, stop, **kwargs))
        crash_point("model:answer_lost")
        # A document is cleaned here, where it enters; a tool call may write code, which stays as it is.
        clean = _as_document if "answer_schema" in kwargs else _storable
        model, spend = answered_by(answer, self.model_name), cost_of(answer, self.models, self.model_name, worst)
        payload = _payload(with_charge(answer, spend), clean)
        await exchanges.keep_reply(self.fence, charge, model=model, payload=payload, spend=spend)
        crash_point("model:after_store")
        # What goes on is what a resumed run would read, so that both say the same to the byte.
        return _restore(payload)

    async def _paid(self, charge: int, worst: Spend, answering: Awaitable[AIMessage]) -> AIMessage:
        """The answer. Effect: for a refusal instead, the requests that broke under way stay charged, and no others.

        Whatever else ends the call (a time-out of the caller, an interruption, a crash) leaves it charged at its worst.
        """
        try:
            return await answering
        except (OutsideError, UsageError) as error:
            unanswered = error.unanswered if isinstance(error, OutsideError) else 0
            await self.exchanges.give_up(self.fence, charge, worst.times(unanswered))
            raise


class RecordedModels:
    """Every model of `models`, recorded and paid for under `fence` by `purse`."""

    def __init__(self, models: ChatModels, exchanges: ExchangeStore, fence: Fence, purse: Purse) -> None:
        self._models = models
        self._exchanges = exchanges
        self._fence = fence
        self._purse = purse

    def require(self, model: str) -> None:
        """Raises UsageError where `model` cannot be asked here."""
        self._models.require(model)

    def open(self, model: str, call: CallRef) -> BaseChatModel:
        """A recorded chat model for one conversation; open one per conversation, its calls are counted."""
        inner = self._models.open(model, call)
        return RecordedChatModel(
            inner=inner,
            profile=inner.profile,
            exchanges=self._exchanges,
            models=self._models,
            purse=self._purse,
            fence=self._fence,
            call=call,
            model_name=model,
        )

    def cost_usd(self, model: str, used: Tokens) -> float | None:
        """The price of one call in US dollars; None where it is unknown."""
        return self._models.cost_usd(model, used)

    def answering(self, model: str) -> tuple[str, ...]:
        """Who may answer a call of `model`."""
        return self._models.answering(model)

    def leftovers(self, asked: Iterable[tuple[Stage, str, int, int]]) -> tuple[str, ...]:
        """What a finished run should have asked for and did not."""
        return self._models.leftovers(asked)


def worst_case(models: ChatModels, model: str, profile: Mapping[str, Any] | None, asked_chars: int) -> Spend:
    """What a call that asks so many characters of ASCII JSON may come to: no token is shorter than one of them, and an answer
    is as long as the model can make it. Whoever may answer it may cost the most; `usd` is None where one price is unknown."""
    known = profile or {}
    used = min(asked_chars, known.get("max_input_tokens") or asked_chars)
    made = known.get("max_output_tokens") or MOST_OUTPUT_TOKENS
    # To write to a provider's cache costs more than to be read without one.
    most = (Tokens(used, made), Tokens(used, made, cache_write_tokens=used))
    prices = [models.cost_usd(each, tokens) for each in models.answering(model) for tokens in most]
    known_prices = [price for price in prices if price is not None]
    return Spend(1, used, made, max(known_prices) if len(known_prices) == len(prices) else None)


def cost_of(answer: AIMessage, models: ChatModels, model: str, worst: Spend) -> Spend:
    """What `answer` cost: at the price that came with it, else at that of the model that gave it; at `worst` where it does
    not say what it took, and so for each try before that broke under way."""
    told, usage, spend = answer.response_metadata, answer.usage_metadata, worst
    if usage is not None:
        used = _tokens(usage)
        usd = told["usd"] if "usd" in told else models.cost_usd(answered_by(answer, model), used)
        spend = Spend(1, used.input_tokens, used.output_tokens, usd)
    return spend + worst.times(told.get("unanswered", 0))


def _tokens(usage: UsageMetadata) -> Tokens:
    """What `usage` says, no more of it cached than there is."""
    used, details = usage["input_tokens"], usage.get("input_token_details") or {}
    read = min(details.get("cache_read") or 0, used)
    written = sum(int(details.get(name) or 0) for name in _WRITTEN)  # type: ignore[call-overload]
    return Tokens(used, usage["output_tokens"], read, min(written, used - read))


def _payload(answer: AIMessage, clean: Callable[[str], str]) -> dict[str, Any]:
    """`answer` as plain JSON, cleaned; what a provider's library adds that is not JSON (its own parsed object) goes."""
    told = messages_to_dict([answer])[0]
    extra = told["data"].get("additional_kwargs") or {}
    told["data"]["additional_kwargs"] = {name: value for name, value in extra.items() if _is_json(value)}
    cleaned = _cleaned(json.loads(json.dumps(told, default=str)), clean)
    if not isinstance(cleaned, dict):
        raise BugError("a message became something else than a JSON object")
    return cleaned


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _as_document(text: str) -> str:
    return redacted(clean_text(text))


def _storable(text: str) -> str:
    """`text` without NUL and lone surrogates, which PostgreSQL refuses, and without secrets of this machine."""
    return without_known(text.encode("utf-8", "replace").decode("utf-8").replace("\0", ""))


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item, clean) for item in value]
    if isinstance(value, dict):
        return {clean(name): _cleaned(item, clean) for name, item in value.items()}
    return value


def _restore(payload: dict[str, Any]) -> AIMessage:
    message = messages_from_dict([payload])[0]
    if not isinstance(message, AIMessage):
        raise BugError(f"a stored reply is a {message.type} message")
    return message
