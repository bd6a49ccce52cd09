"""The chat model of a script, as LangChain knows chat models."""

import asyncio
import json
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

from agentos.adapters.model.script import Key, ReplyServer, ReplySource, ScriptedReply
from agentos.ports.chat_model import CallRef
from agentos.prompting.passing_model import request_digest


class ScriptedChatModel(BaseChatModel):
    """Answers each turn with the script's reply for it; a turn is counted by the answers already in the conversation."""

    source: Any = Field(repr=False)
    call: CallRef
    model_name: str

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(
        self, tools: Any, *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with `tools` on offer."""
        offered = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=offered, tool_choice=tool_choice, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = sum(isinstance(message, AIMessage) for message in messages)
        key = (self.call.stage, self.call.role, self.call.round, turn)
        options = {name: kwargs[name] for name in ("tools",) if kwargs.get(name)}
        source: ReplySource = self.source
        reply = source.reply(key, request_digest(messages, options))
        message = _message(reply, key, kwargs.get("tools") if kwargs.get("tool_choice") else None)
        message.response_metadata["model_name"] = self.model_name
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if isinstance(self.source, ReplyServer):
            return await asyncio.to_thread(self._generate, messages, stop, None, **kwargs)
        return self._generate(messages, stop, None, **kwargs)


def _message(reply: ScriptedReply, key: Key, forced: list[dict[str, Any]] | None) -> AIMessage:
    """`reply` as a message; its ids follow from `key`, so that a repeated conversation is the same to the byte."""
    stage, role, round_, turn = key
    name = f"{stage.value}-{role}-{round_}-{turn}"
    calls = [{"name": call.name, "args": call.args, "id": f"{name}-{n}"} for n, call in enumerate(reply.tool_calls)]
    text = reply.text
    if reply.answer is not None and forced:
        calls = [{"name": forced[0]["function"]["name"], "args": reply.answer, "id": f"{name}-0"}]
    elif reply.answer is not None:
        text = json.dumps(reply.answer, ensure_ascii=False)
    return AIMessage(
        content=text,
        id=name,
        tool_calls=[{**call, "type": "tool_call"} for call in calls],
        usage_metadata={
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "total_tokens": reply.input_tokens + reply.output_tokens,
        },
        response_metadata={"usd": reply.usd},
    )
