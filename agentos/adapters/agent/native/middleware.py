"""What surrounds the model and the tools: bounds, recorded results, and ends that do not depend on the model's will."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware.types import AgentMiddleware, AgentState, ModelRequest, ModelResponse, hook_config
from langchain.tools.tool_node import ToolCallRequest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.types import Command

from agentos.adapters.agent.native.loops import repeats
from agentos.adapters.agent.native.session import Session, SessionOver
from agentos.adapters.agent.native.text import one_line
from agentos.domain.naming import clean_text
from agentos.ports.agent import AgentActed, AgentStatus
from agentos.ports.chat_model import ChatModels
from agentos.prompting.passing_model import request_digest, spend_of
from agentos.store.exchanges import ExchangeStore
from agentos.store.fence import Fence
from agentos.telemetry.crash import crash_point

NUDGE_AT, STALLED_AT = 3, 5
WORDS_WITHOUT_ACT = 2
SPEAKING = "Nothing is handed in by words. Go on with the tools; when the work is done, call submit."
CIRCLING = (
    f"You have now done the same {NUDGE_AT} times with the same result. Doing it again will not help: "
    "look at what the result says and try something else."
)

Handler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
ToolHandler = Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]


class Bounds(AgentMiddleware[AgentState[Any], Any]):
    """Ends a session that is handed in, goes in circles, only talks, hangs, or has taken all its steps.

    It decides by the messages alone, so that a session resumed after a crash is spoken to in the same words.
    """

    def __init__(self, session: Session, models: ChatModels) -> None:
        super().__init__()
        self.tools = []
        self._session = session
        self._models = models

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:
        """Whether there is a next call, and a word against going in circles."""
        session, messages = self._session, state["messages"]
        limit = session.task.limits.steps
        circles = repeats(messages) if isinstance(messages[-1], ToolMessage) else 0
        if circles >= STALLED_AT:
            session.stop(AgentStatus.STALLED, f"the agent did the same {circles} times with the same result")
        if sum(isinstance(message, AIMessage) for message in messages) >= limit:
            session.stop(AgentStatus.LIMIT, f"the agent took all its {limit} steps")
        if session.finished is not None:
            return {"jump_to": "end"}
        return {"messages": [HumanMessage(CIRCLING)]} if circles == NUDGE_AT else None

    @hook_config(can_jump_to=["model"])
    async def aafter_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:
        """A word to a model that stops without handing in."""
        messages: list[AnyMessage] = state["messages"]
        last = messages[-1]
        if not isinstance(last, AIMessage) or last.tool_calls:
            return None
        if (
            sum(message.text == SPEAKING for message in messages if isinstance(message, HumanMessage))
            < WORDS_WITHOUT_ACT
        ):
            return {"messages": [HumanMessage(SPEAKING)], "jump_to": "model"}
        self._session.stop(
            AgentStatus.STALLED, f"the agent stopped without handing in: {one_line(clean_text(last.text))}"
        )
        return None

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> ModelResponse[Any]:
        """The model's reply within the time it may take, its cost counted."""
        session = self._session
        try:
            async with asyncio.timeout(session.task.limits.idle_s) as patience:
                response = await handler(request)
        except TimeoutError as error:
            if not patience.expired():
                raise
            session.stop(AgentStatus.STALLED, f"the model was silent for {session.task.limits.idle_s:.0f} s")
            raise SessionOver from error
        for message in response.result:
            if isinstance(message, AIMessage):
                session.spend += spend_of(message, self._models, session.task.model)
        return response


class Recorded(AgentMiddleware[AgentState[Any], Any]):
    """Stores each tool result before the model reads it; a stored one is used instead of acting again."""

    def __init__(self, session: Session, exchanges: ExchangeStore, fence: Fence) -> None:
        super().__init__()
        self.tools = []
        self._session = session
        self._exchanges = exchanges
        self._fence = fence

    async def awrap_tool_call(self, request: ToolCallRequest, handler: ToolHandler) -> ToolMessage | Command[Any]:
        """The result of one tool call, one after the other."""
        async with self._session.turn:
            return await self._one(request, handler)

    async def _one(self, request: ToolCallRequest, handler: ToolHandler) -> ToolMessage | Command[Any]:
        call, session = request.tool_call, self._session
        if call["name"] == "submit":
            # Its effect is in this process alone, so it is carried out again and never replayed.
            message = _as_message(await handler(request))
        else:
            session.place = _place(request.state["messages"], call)
            message = await self._recorded(request, handler)
        ok = message.status != "error" and not (call["name"] == "bash" and not message.text.startswith("exit code 0"))
        session.acted.put_nowait(AgentActed(clean_text(call["name"]), _line(call["name"], call["args"]), ok))
        return message

    async def _recorded(self, request: ToolCallRequest, handler: ToolHandler) -> ToolMessage:
        session, call = self._session, request.tool_call
        task_id = session.task.call.task_id
        known = await self._exchanges.tool_state(task_id, session.place)
        if known is not None and known.result is not None:
            return _restored(known.result, call)
        session.again = known is not None
        crash_point("tool:before")
        await self._exchanges.start_tool(self._fence, task_id, session.place)
        message = _as_message(await handler(request))
        crash_point("tool:answer_lost")
        result = {"content": clean_text(message.text), "status": message.status}
        await self._exchanges.finish_tool(self._fence, task_id, session.place, result)
        crash_point("tool:after_store")
        # What a resumed session would read.
        return _restored(result, call)


def _restored(result: dict[str, Any], call: Any) -> ToolMessage:
    return ToolMessage(result["content"], tool_call_id=call["id"], name=call["name"], status=result["status"])


def _as_message(result: ToolMessage | Command[Any]) -> ToolMessage:
    assert isinstance(result, ToolMessage), "our tools return text"
    return result


def _place(messages: list[AnyMessage], call: Any) -> str:
    """The name of a tool call: its turn, its place in the reply, and all that was said before it."""
    last = max(n for n, message in enumerate(messages) if isinstance(message, AIMessage))
    turn = sum(isinstance(message, AIMessage) for message in messages[:last])
    reply = messages[last]
    assert isinstance(reply, AIMessage)
    index = next(n for n, each in enumerate(reply.tool_calls) if each["id"] == call["id"])
    return f"{turn}.{index}-{request_digest(list(messages[: last + 1]), {})[:32]}"


def _line(tool: str, args: dict[str, Any]) -> str:
    """One line for people about a call."""
    said = {"bash": "command", "search": "pattern", "submit": "summary"}.get(tool, "path")
    text = args.get(said)
    return one_line(clean_text(text if isinstance(text, str) else json.dumps(args, ensure_ascii=False, default=str)))
