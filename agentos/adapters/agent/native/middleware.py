"""What surrounds the model and the tools: bounds, recorded results, and ends that do not depend on the model's will."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware.types import AgentMiddleware, AgentState, ModelRequest, ModelResponse, hook_config
from langchain.tools.tool_node import ToolCallRequest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langgraph.types import Command

from agentos.adapters.agent.native.guidelines import as_read, holding
from agentos.adapters.agent.native.loops import Turn, repeats, stale, turns_of
from agentos.adapters.agent.native.session import Session, SessionOver
from agentos.adapters.agent.native.submission import offered
from agentos.adapters.agent.native.text import one_line
from agentos.domain.naming import clean_text
from agentos.ports.agent import AgentActed, AgentStatus
from agentos.prompting.passing_model import charge_of, request_digest
from agentos.store.exchanges import ExchangeStore
from agentos.store.fence import Fence
from agentos.telemetry.crash import crash_point

NUDGE_AT, STALLED_AT = 3, 5
STALE_AT, HOPELESS_AT = 6, 12
WORDS_WITHOUT_ACT = 2
LOOKING = frozenset({"view", "search", "submit"})
"""Tools that change nothing, so that nobody need know whether one was begun."""
LATE = "late"
"""Names the record of the turn at which most of the time was used: a clock cannot be asked twice."""
SPEAKING = "Nothing is handed in by words. Go on with the tools; when the work is done, call submit."
CIRCLING = (
    f"You have now done the same {NUDGE_AT} times with the same result. Doing it again will not help: "
    "look at what the result says and try something else."
)
GETTING_NOWHERE = (
    f"Your last {STALE_AT} steps brought nothing new: each repeated an earlier one or was refused. Say to yourself in one "
    "sentence what you still need to know, and take another way to it; if you cannot get on, submit what is sound and name "
    "what is missing."
)
UNREADABLE = (
    "The arguments of your tool call could not be read, so nothing was done. Call the tool again, with its arguments as one "
    "complete JSON object; write a long file in parts."
)
ENDING = (
    "Most of what this session may take is used: {left}. Come to an end now: begin nothing new, see that what is there works, "
    "take out what is half done, and submit. What is not proved by then may stay without evidence."
)

Handler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
ToolHandler = Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]


class Bounds(AgentMiddleware[AgentState[Any], Any]):
    """Ends a session that is handed in, gets nowhere, only talks, hangs, or has taken all its steps.

    It decides by the messages alone, and by the clock only through what is recorded of it, so that a session resumed
    after a crash is spoken to in the same words.
    """

    def __init__(self, session: Session, record: "Record") -> None:
        super().__init__()
        self.tools = []
        self._session = session
        self._record = record
        self._turns: list[Turn] = []

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:
        """Whether there is a next call, and what the agent is told before it."""
        session, messages = self._session, state["messages"]
        limit, used = session.task.limits.steps, sum(isinstance(message, AIMessage) for message in messages)
        self._turns = turns_of(messages, self._turns)
        acted = isinstance(messages[-1], ToolMessage)
        circles, idle = (repeats(self._turns), stale(self._turns)) if acted else (0, 0)
        if circles >= STALLED_AT:
            session.stop(AgentStatus.STALLED, f"the agent did the same {circles} times with the same result")
        if idle >= HOPELESS_AT:
            session.stop(AgentStatus.STALLED, f"{idle} steps of the agent brought nothing new")
        if used >= limit:
            session.stop(AgentStatus.LIMIT, f"the agent took all its {limit} steps")
        if session.finished is not None:
            return {"jump_to": "end"}
        words = [CIRCLING] if circles == NUDGE_AT else [GETTING_NOWHERE] if idle == STALE_AT else []
        words += await self._ending(used)
        return {"messages": [HumanMessage("\n\n".join(words))]} if words else None

    async def _ending(self, used: int) -> list[str]:
        """The word that the session draws to its end, once by its steps and once by its time."""
        limits = self._session.task.limits
        words = []
        if used == math.ceil(limits.steps * limits.wrap_up):
            words.append(ENDING.format(left=f"{limits.steps - used} of {limits.steps} steps are left"))
        if await self._record.late_at(used) == used:
            left_min = limits.wall_s * (1 - limits.wrap_up) / 60
            words.append(ENDING.format(left=f"about {left_min:.0f} of {limits.wall_s / 60:.0f} minutes are left"))
        return words

    @hook_config(can_jump_to=["model"])
    async def aafter_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:
        """A word to a model that stops without handing in."""
        messages: list[AnyMessage] = state["messages"]
        last = messages[-1]
        if not isinstance(last, AIMessage) or last.tool_calls:
            return None
        word = UNREADABLE if last.invalid_tool_calls else SPEAKING
        said = sum(message.text in (SPEAKING, UNREADABLE) for message in messages if isinstance(message, HumanMessage))
        if said < WORDS_WITHOUT_ACT:
            return {"messages": [HumanMessage(word)], "jump_to": "model"}
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
                session.spend += charge_of(message)
        return response


class Record:
    """What one session keeps of its surroundings and its clock, so that a resumed one is told the same."""

    def __init__(self, session: Session, exchanges: ExchangeStore, fence: Fence) -> None:
        self._session = session
        self._exchanges = exchanges
        self._fence = fence
        self._began_s = asyncio.get_running_loop().time()
        self._late: int | None = None
        self._asked = False

    async def once(self, name: str, find: Callable[[], Awaitable[str]]) -> str:
        """What `find` gave the first time. The first name that is asked for tells whether the session is a fresh one."""
        task_id = self._session.task.call.task_id
        known = await self._exchanges.tool_state(task_id, name)
        if self._session.fresh is None:
            self._session.fresh = known is None
        if known is not None and known.result is not None:
            return str(known.result["content"])
        content = await find()
        await self._exchanges.finish_tool(self._fence, task_id, name, {"content": content, "status": "success"})
        return content

    async def late_at(self, used: int) -> int | None:
        """The step (counted from 0) before which most of the time was used; None while it is not."""
        if self._late is None and not self._asked and not self._session.fresh:
            self._asked = True
            known = await self._exchanges.tool_state(self._session.task.call.task_id, LATE)
            self._late = int(known.result["content"]) if known is not None and known.result is not None else None
        limits = self._session.task.limits
        elapsed_s = asyncio.get_running_loop().time() - self._began_s
        if self._late is None and elapsed_s >= limits.wall_s * limits.wrap_up:
            self._late = int(await self.once(LATE, lambda: _now(str(used))))
        return self._late


async def _now(text: str) -> str:
    return text


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
        if call["name"] == "submit" and session.offered is not None:
            # Its effect is in this process alone, so it is carried out again and never replayed.
            message = _as_message(await handler(request))
        else:
            session.place = _place(request.state["messages"], call)
            message = self._with_guidelines(await self._recorded(request, handler), call)
            if call["name"] == "submit" and message.status != "error":
                session.offered = offered(call["args"])
        ok = message.status != "error" and not (call["name"] == "bash" and not message.text.startswith("exit code 0"))
        session.acted.put_nowait(AgentActed(clean_text(call["name"]), _line(call["name"], call["args"]), ok))
        return message

    def _with_guidelines(self, message: ToolMessage, call: Any) -> ToolMessage:
        """`message` with what the owners say about the folders that are entered by it."""
        session = self._session
        if message.status == "error":
            return message
        found = holding(session.task.guidelines, call["name"], call["args"], session.task.cwd)
        new = [each for each in found if each.path not in session.entered]
        session.entered.update(each.path for each in new)
        return message.model_copy(update={"content": message.text + as_read(new)}) if new else message

    async def _recorded(self, request: ToolCallRequest, handler: ToolHandler) -> ToolMessage:
        session, call = self._session, request.tool_call
        task_id = session.task.call.task_id
        known = None if session.fresh else await self._exchanges.tool_state(task_id, session.place)
        if known is not None and known.result is not None:
            return _restored(known.result, call)
        session.again = known is not None
        crash_point("tool:before")
        if call["name"] not in LOOKING:
            # A former owner of the run is stopped here, before it acts.
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
