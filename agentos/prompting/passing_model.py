"""A chat model that hands every call on to another one: what retrying, recording and counting are built on."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, Field

from agentos.domain.budget import Spend
from agentos.domain.error import BugError
from agentos.prompting.structured import read_answer


class PassingChatModel(BaseChatModel):
    """`inner`, with one place (`_around`) through which each of its calls goes; tools and schemas are handed on too."""

    inner: BaseChatModel = Field(repr=False)

    @property
    def _llm_type(self) -> str:
        return self.inner._llm_type  # noqa: SLF001 - the name of the wrapped kind is this one's name

    def bind_tools(
        self, tools: Any, *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with `tools` on offer; the wrapped model turns them into its provider's own form."""
        choice = {} if tool_choice is None else {"tool_choice": tool_choice}
        return self.bind(tools=list(tools), **choice, **kwargs)

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, method: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """This model, answering with a value of `schema`: `{"raw", "parsed", "parsing_error"}` with `include_raw`."""
        bound = self.bind(answer_schema=json_schema(schema), answer_method=method, **kwargs)

        def read(raw: BaseMessage) -> Any:
            parsed, problem = read_answer(raw, schema)
            if include_raw:
                return {"raw": raw, "parsed": parsed, "parsing_error": problem}
            if problem is not None:
                raise problem
            return parsed

        return bound | RunnableLambda(read)

    async def _around(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> AIMessage:
        """One call; whoever extends this class wraps it."""
        return await self._pass_on(messages, stop, **kwargs)

    async def _pass_on(self, messages: list[BaseMessage], stop: list[str] | None, **kwargs: Any) -> AIMessage:
        # Callbacks of the caller already follow this model; following the wrapped one too would count twice.
        quiet: Any = {"callbacks": []}
        schema, method = kwargs.pop("answer_schema", None), kwargs.pop("answer_method", None)
        tools = kwargs.pop("tools", None)
        if schema is not None:
            # The plain schema, not the class: providers' own parsing raises where a repair round is wanted.
            asked = self.inner.with_structured_output(
                schema, include_raw=True, method=method or self._method(), **kwargs
            )
            reply: Any = await asked.ainvoke(messages, quiet)
            reply = reply["raw"] if isinstance(reply, dict) else reply
        elif tools is not None:
            reply = await self.inner.bind_tools(tools, **kwargs).ainvoke(messages, quiet, stop=stop)
        else:
            reply = await self.inner.ainvoke(messages, quiet, stop=stop, **kwargs)
        if not isinstance(reply, AIMessage):
            raise BugError(f"{self._llm_type} answered with {type(reply).__name__}, not with a message")
        return reply

    def _method(self) -> str:
        return "json_schema" if (self.inner.profile or {}).get("structured_output") else "function_calling"

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=await self._around(messages, stop, **kwargs))])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise BugError("models are asked by `ainvoke` only: a blocking call would stop every other run")


def json_schema(schema: Any) -> dict[str, Any]:
    """`schema` (a pydantic class or a JSON schema) as a JSON schema with a title, which becomes a tool's name."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return {
            "title": schema.__name__,
            "description": schema.__doc__ or schema.__name__,
            **schema.model_json_schema(),
        }
    return dict(schema)


def request_text(messages: list[BaseMessage], options: dict[str, Any]) -> str:
    """What a model is asked, as ASCII JSON: roles, contents, tool calls and results, tools and schema on offer.

    Ids that a provider or library invents for messages and tool calls do not count.
    """
    asked = {
        "messages": [_told(message) for message in messages],
        "options": {k: _plain(k, v) for k, v in options.items()},
    }
    return json.dumps(asked, sort_keys=True, ensure_ascii=True, default=str)


def text_digest(text: str) -> str:
    """The sha256 (hex) of `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


def request_digest(messages: list[BaseMessage], options: dict[str, Any]) -> str:
    """The sha256 (hex) of `request_text`."""
    return text_digest(request_text(messages, options))


CHARGED = "charged"
"""Where a kept answer says what was charged for it."""


def with_charge(answer: AIMessage, spend: Spend) -> AIMessage:
    """`answer` that says what was charged for it."""
    return answer.model_copy(update={"response_metadata": {**answer.response_metadata, CHARGED: asdict(spend)}})


def charge_of(answer: AIMessage) -> Spend:
    """What was charged for `answer`, which was kept."""
    return Spend(**answer.response_metadata[CHARGED])


def answered_by(answer: AIMessage, asked: str) -> str:
    """The `provider:model` that gave `answer`: `asked`, or who stood in for it."""
    return str(answer.response_metadata.get("answered_by", asked))


def _told(message: BaseMessage) -> dict[str, Any]:
    told: dict[str, Any] = {"role": message.type, "content": message.content}
    if isinstance(message, AIMessage):
        told["tool_calls"] = [[call["name"], call["args"]] for call in message.tool_calls]
    if isinstance(message, ToolMessage):
        told["status"] = message.status
    return told


def _plain(name: str, value: Any) -> Any:
    if name == "tools":
        return [convert_to_openai_tool(tool) for tool in value]
    return value
