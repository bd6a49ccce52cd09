"""The built-in coding agent: a tool loop on any chat model, resumable after every instruction."""

import asyncio
import contextvars
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from agentos.adapters.agent.native.surroundings import surroundings
from agentos.config.data import data_folder
from agentos.domain.error import BugError, OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import clean_text
from agentos.ports.agent import AgentEvent, AgentStatus, AgentTask
from agentos.ports.chat_model import ChatModels
from agentos.ports.sandbox import Sandbox
from agentos.prompting.library import prompts_in
from agentos.store.exchanges import ExchangeStore
from agentos.store.fence import Fence

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentos.adapters.agent.native.session import Session

SURROUNDINGS = "surroundings"
"""Names the record of the box, beside those of the tool calls."""


class NativeAgent:
    """An agent for one run, valid while `fence` holds.

    `models` must record its replies (`workflows/kit/recorded_model.py`): the agent asks in the same order again after a
    crash and relies on being given the same replies.
    """

    def __init__(self, *, models: ChatModels, exchanges: ExchangeStore, sandbox: Sandbox, fence: Fence) -> None:
        self._models = models
        self._exchanges = exchanges
        self._sandbox = sandbox
        self._fence = fence

    @property
    def name(self) -> str:
        """The backend's name."""
        return "native"

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        """Events of one session, the last one `AgentFinished`. Effect: files below `task.cwd` change.

        Raises OutsideError where the model cannot be had, FenceLost where the run has another owner.
        """
        from agentos.adapters.agent.native.session import Session

        session = Session(task)
        work = asyncio.create_task(self._to_the_end(session), context=_apart())
        try:
            while (event := await session.acted.get()) is not None:
                yield event
            await work
            if session.finished is None:
                raise BugError(f"the session of {task.call} ended without an end")
            yield replace(session.finished, spend=session.spend)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _to_the_end(self, session: "Session") -> None:
        try:
            await self._work(session)
        finally:
            session.acted.put_nowait(None)

    async def _work(self, session: "Session") -> None:
        from langchain.agents import create_agent  # LangGraph and half of LangChain
        from langchain_core.messages import HumanMessage

        from agentos.adapters.agent.native.context import Answered, Cleared, Compacted
        from agentos.adapters.agent.native.middleware import Bounds, Record, Recorded
        from agentos.adapters.agent.native.session import SessionOver
        from agentos.adapters.agent.native.tools import Tools

        task = session.task
        model = self._models.open(task.model, task.call)
        record = Record(session, self._exchanges, self._fence)
        where = await record.once(SURROUNDINGS, lambda: surroundings(self._sandbox, task))
        agent = create_agent(
            model,
            tools=Tools(session=session, sandbox=self._sandbox).all(),
            system_prompt=task.system,
            middleware=[
                Bounds(session, record),
                Recorded(session, self._exchanges, self._fence),
                Cleared(model),
                Compacted(session, model, partial(self._sum_up, session, model)),
                Answered(),
            ],
            # Its progress is in the exchange store; a checkpointer would store every message again at every step.
            checkpointer=False,
        )
        try:
            async with asyncio.timeout(task.limits.wall_s) as wall:
                await agent.ainvoke({"messages": [HumanMessage(f"{task.prompt}\n\n{where}")]})
        except SessionOver:
            return
        except TimeoutError:
            if not wall.expired():
                raise
            session.stop(AgentStatus.LIMIT, f"the session took all its {task.limits.wall_s:.0f} s")
        except OutsideError as error:
            if error.kind is not FailureKind.INVALID:
                raise
            session.stop(AgentStatus.ERROR, str(error))

    async def _sum_up(self, session: "Session", model: "BaseChatModel", conversation: str) -> str:
        """What the agent says itself about its conversation so far: one more call of it."""
        from langchain_core.messages import HumanMessage, SystemMessage

        from agentos.prompting.passing_model import charge_of

        rendered = prompts_in(data_folder("prompts")).render("impl/sum_up", conversation=conversation)
        answer = await model.ainvoke([SystemMessage(rendered.system), HumanMessage(rendered.text)])
        session.spend += charge_of(answer)
        return clean_text(answer.text)


def _apart() -> contextvars.Context:
    """This context without the graph that runs around us: its checkpointer, callbacks and streams are not the agent's."""
    from langchain_core.runnables.config import var_child_runnable_config

    context = contextvars.copy_context()
    context.run(var_child_runnable_config.set, None)
    return context
