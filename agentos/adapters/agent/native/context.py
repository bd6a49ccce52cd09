"""A conversation that fits its model: old results cleared, old turns summed up, no call without its answer."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware, SummarizationMiddleware
from langchain.agents.middleware.types import AgentMiddleware, AgentState, ModelRequest, ModelResponse
from langchain_core.exceptions import ContextOverflowError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately, get_buffer_string

from agentos.adapters.agent.native.session import Session
from agentos.domain.error import TooLong

USUAL_WINDOW_TOKENS = 128_000
"""Of a model that does not say what it holds."""
CLEAR_AT, CLEAR_KEEPS = 0.5, 8
COMPACT_AT, COMPACT_KEEPS = 0.75, 0.2
"""Shares of the window; what is kept of results is a number of them."""
URGENT_KEEPS = 4
CHARACTERS_PER_TOKEN = 3
CLEARED = "[an older result, taken out to save room; call the tool again where you need it]"
UNANSWERED = "not carried out: the arguments could not be read, or the session was interrupted before; call it again"
SILENCE = "(said nothing)"

Handler = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
Summarise = Callable[[str], Awaitable[str]]


def window_of(model: BaseChatModel) -> int:
    """How many tokens `model` takes in at most."""
    known = (model.profile or {}).get("max_input_tokens")
    return known if isinstance(known, int) and known > 0 else USUAL_WINDOW_TOKENS


class Cleared(ContextEditingMiddleware[Any, Any]):
    """Old results of tools are no longer sent once the conversation fills half of the window; the latest stay."""

    def __init__(self, model: BaseChatModel) -> None:
        self._trigger = int(window_of(model) * CLEAR_AT)
        edit = ClearToolUsesEdit(
            trigger=self._trigger, keep=CLEAR_KEEPS, exclude_tools=("submit",), placeholder=CLEARED
        )
        super().__init__(edits=[edit])

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> Any:
        """The model's reply, to a shorter conversation where this one is long. Below that nothing is copied: LangChain
        would copy every message before it counts them."""
        if count_tokens_approximately(request.messages) <= self._trigger:
            return await handler(request)
        return await super().awrap_model_call(request, handler)


class Compacted(AgentMiddleware[AgentState[Any], Any]):
    """Old turns are summed up by the model itself before they outgrow its window, and once more where it says that they
    did. The task stays word for word; the conversation itself stays whole, so that everything else can count on it.

    When and where it is cut is LangChain's; that its own summary would replace the task and shorten the conversation for
    all is why it is asked from here.
    """

    def __init__(self, session: Session, model: BaseChatModel, summarise: Summarise) -> None:
        super().__init__()
        self.tools = []
        self._session = session
        self._most_characters = window_of(model) // 2 * CHARACTERS_PER_TOKEN
        self._summarise = summarise
        self._summary: list[AnyMessage] = []
        self._covered = 0
        window = window_of(model)
        room = window - count_tokens_approximately([session.task.system, session.task.prompt])
        usual = {"trigger": ("tokens", max(int(room * COMPACT_AT), 1)), "keep": ("tokens", int(window * COMPACT_KEEPS))}
        urgent = {"trigger": ("messages", 2), "keep": ("messages", URGENT_KEEPS)}
        self._usual, self._urgent = (
            SummarizationMiddleware(model, summarizer=self._told, trim_tokens_to_summarize=None, **each)  # type: ignore[arg-type]
            for each in (usual, urgent)
        )

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> ModelResponse[Any]:
        """The model's reply to as much as it can hold."""
        shown = await self._short(request, self._usual)
        try:
            return await handler(request.override(messages=shown))
        except (TooLong, ContextOverflowError):
            shorter = await self._short(request, self._urgent)
            if len(shorter) >= len(shown):
                raise
        return await handler(request.override(messages=shorter))

    async def _short(self, request: ModelRequest[Any], cutting: SummarizationMiddleware[Any, Any]) -> list[AnyMessage]:
        """The task, what was summed up, and the turns since; summed up anew where `cutting` wants it."""
        task, *turns = request.messages
        rest = [*self._summary, *turns[self._covered :]]
        update = await cutting.abefore_model({"messages": rest}, request.runtime)
        if update is None:
            return [task, *rest]
        summary, *kept = [message for message in update["messages"] if not isinstance(message, RemoveMessage)]
        self._summary, self._covered = [summary], len(turns) - len(kept)
        self._session.entered.clear()  # what was shown on the way is no longer there to be read
        return [task, summary, *kept]

    async def _told(self, messages: Sequence[AnyMessage]) -> str:
        text = get_buffer_string(list(messages))
        head = self._most_characters // 4
        if len(text) > self._most_characters:
            text = f"{text[:head]}\n\n[… the middle is left out …]\n\n{text[head - self._most_characters :]}"
        return await self._summarise(text)


class Answered(AgentMiddleware[AgentState[Any], Any]):
    """No request holds a tool call without a result or a reply without a word: providers refuse such a conversation."""

    def __init__(self) -> None:
        super().__init__()
        self.tools = []

    async def awrap_model_call(self, request: ModelRequest[Any], handler: Handler) -> ModelResponse[Any]:
        """The model's reply to the mended conversation."""
        return await handler(request.override(messages=answered(request.messages)))


def answered(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """`messages` with a result for every tool call, those included whose arguments could not be read, and a word in every
    reply that is empty."""
    known = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    mended: list[AnyMessage] = []
    for message in messages:
        if not isinstance(message, AIMessage):
            mended.append(message)
            continue
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        mended.append(message if calls or message.text else message.model_copy(update={"content": SILENCE}))
        mended += [
            ToolMessage(UNANSWERED, tool_call_id=call["id"], name=call["name"], status="error")
            for call in calls
            if call["id"] not in known
        ]
    return mended
