"""Replies stored before they are used, so that a kill between two instructions pays for none of them twice."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, messages_from_dict, messages_to_dict
from pydantic import Field, PrivateAttr

from agentos.domain.error import BugError
from agentos.domain.naming import clean_text
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef, ChatModels
from agentos.prompting.passing_model import PassingChatModel, request_digest, spend_of
from agentos.store.exchanges import ExchangeStore
from agentos.store.fence import Fence
from agentos.telemetry.crash import crash_point


class RecordedChatModel(PassingChatModel):
    """The wrapped model for one conversation: a request that was answered before is answered from the store.

    A reply is found by the conversation's task, the number of the call in this conversation, and what was asked.
    """

    exchanges: Any = Field(repr=False)
    models: Any = Field(repr=False)
    fence: Fence
    call: CallRef
    model_name: str
    _calls: int = PrivateAttr(default=0)

    async def _around(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> AIMessage:
        exchanges: ExchangeStore = self.exchanges
        n, self._calls = self._calls, self._calls + 1
        digest = request_digest(messages, {"role": self.call.role, "stop": stop, **kwargs})
        stored = await exchanges.reply(self.call.task_id, n, digest)
        if stored is not None:
            return _restore(stored)
        crash_point("model:before_call")
        answer = await self._pass_on(messages, stop, **kwargs)
        crash_point("model:answer_lost")
        # A document is cleaned here, where it enters; a tool call may write code, which stays as it is.
        clean = clean_text if "answer_schema" in kwargs else _storable
        payload, spend = _payload(answer, clean), spend_of(answer, self.models, self.model_name)
        await exchanges.keep_reply(
            self.fence, self.call, n, digest, model=self.model_name, payload=payload, spend=spend
        )
        crash_point("model:after_store")
        # What goes on is what a resumed run would read, so that both say the same to the byte.
        return _restore(payload)


class RecordedModels:
    """Every model of `models`, recorded under `fence`."""

    def __init__(self, models: ChatModels, exchanges: ExchangeStore, fence: Fence) -> None:
        self._models = models
        self._exchanges = exchanges
        self._fence = fence

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
            fence=self._fence,
            call=call,
            model_name=model,
        )

    def cost_usd(self, model: str, input_tokens: int, output_tokens: int) -> float | None:
        """The price of one call in US dollars; None where it is unknown."""
        return self._models.cost_usd(model, input_tokens, output_tokens)

    def leftovers(self, asked: Iterable[tuple[Stage, str, int, int]]) -> tuple[str, ...]:
        """What a finished run should have asked for and did not."""
        return self._models.leftovers(asked)


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


def _storable(text: str) -> str:
    """`text` without NUL and lone surrogates, which PostgreSQL refuses."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


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
