"""A conversation that outgrows its model goes on: old results cleared, old turns summed up, nothing left unanswered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from agentos.adapters.agent.native.agent import NativeAgent
from agentos.adapters.agent.native.context import CLEARED, SILENCE, UNANSWERED, answered
from agentos.adapters.model.script import ReplyTable
from agentos.adapters.model.scripted import ScriptedModels
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.error import OutsideError, TooLong
from agentos.ports.agent import AgentFinished, AgentLimits, AgentStatus, Guideline
from agentos.ports.chat_model import CallRef
from tests.agents.conftest import Bench
from tests.agents.model_server import SUBMIT

SUMMARY = "I found the place: app.py, line 7."
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


class Thinking(BaseChatModel):
    """Answers by `say`, given the number of the agent's steps so far; sums up when it is asked to."""

    mind: Any = Field(repr=False)

    @property
    def _llm_type(self) -> str:
        return "thinking"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.mind.answer(messages))])


@dataclass
class Mind:
    """What a thinking model was asked: `steps` as the agent, `summed` to sum up."""

    say: Callable[[int], AIMessage]
    most_tokens: float = 10**9
    window: int | None = None
    steps: list[list[BaseMessage]] = field(default_factory=list)
    summed: list[list[BaseMessage]] = field(default_factory=list)
    refused: int = 0

    def answer(self, messages: list[BaseMessage]) -> AIMessage:
        if messages[-1].text.rstrip().endswith("Sum it up."):
            self.summed.append(messages)
            return AIMessage(SUMMARY, usage_metadata=USAGE)
        if count_tokens_approximately(messages) > self.most_tokens:
            self.refused += 1
            raise TooLong("the conversation is too long for it")
        self.steps.append(messages)
        return self.say(len(self.steps) - 1)

    def open(self) -> Thinking:
        profile: Any = {"max_input_tokens": self.window} if self.window else None
        return Thinking(mind=self, profile=profile)


def call(name: str, number: int, **args: Any) -> AIMessage:
    tools = [{"name": name, "args": args, "id": f"c{number}", "type": "tool_call"}]
    return AIMessage("", tool_calls=tools, usage_metadata=USAGE)


def works(turns: int, size: int) -> Callable[[int], AIMessage]:
    """Prints `size` characters in each of `turns` steps, then submits."""

    def say(step: int) -> AIMessage:
        if step < turns:
            return call("bash", step, command=f"echo step-{step}; head -c {size} /dev/zero | tr '\\0' x")
        return call("submit", step, **SUBMIT["tool_calls"][0]["args"])

    return say


def writes(turns: int, size: int) -> Callable[[int], AIMessage]:
    """Writes a file of `size` characters in each of `turns` steps, which no clearing of results makes shorter; submits."""

    def say(step: int) -> AIMessage:
        if step < turns:
            return call("write", step, path=f"file-{step}.txt", content="x" * size)
        return works(0, 0)(step)

    return say


async def play(bench: Bench, mind: Mind, **limits: Any) -> AgentFinished:
    class Models(ScriptedModels):
        def open(self, model: str, call: CallRef) -> Thinking:
            return mind.open()

    scripted = Models(source=ReplyTable({}, origin="nothing"))
    models = bench.recorded(scripted)
    agent = NativeAgent(models=models, exchanges=bench.store.exchanges, sandbox=ProcessSandbox(), fence=bench.fence)
    task = replace(bench.task, limits=AgentLimits(**limits))
    last = [event async for event in agent.run(task)][-1]
    assert isinstance(last, AgentFinished)
    return last


def well_formed(messages: Sequence[BaseMessage]) -> bool:
    """Whether each result follows a reply that called for it, and each call has its result."""
    called = {item["id"] for message in messages if isinstance(message, AIMessage) for item in message.tool_calls}
    results = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
    return called == results


async def test_old_results_are_cleared_and_the_latest_stay(bench: Bench) -> None:
    mind = Mind(works(turns=20, size=3000), window=24_000)
    finished = await play(bench, mind)
    assert finished.status is AgentStatus.SUBMITTED
    results = [message.text for message in mind.steps[-1] if isinstance(message, ToolMessage)]
    assert CLEARED in results
    assert CLEARED not in results[-8:]
    assert mind.summed == [], "clearing was enough"


async def test_a_conversation_that_outgrows_the_window_is_summed_up_and_the_task_stays_word_for_word(
    bench: Bench,
) -> None:
    mind = Mind(writes(turns=14, size=9000), window=30_000)
    finished = await play(bench, mind)
    assert (finished.status, finished.summary) == (AgentStatus.SUBMITTED, "done")
    assert 1 <= len(mind.summed) <= 4
    last = mind.steps[-1]
    assert last[0].text == "Work."
    assert last[1].text.startswith("Do it.")
    assert SUMMARY in last[2].text
    assert all(well_formed(each) for each in mind.steps)
    assert all(count_tokens_approximately(each) < 30_000 for each in mind.steps)
    assert "file-0.txt" in mind.summed[0][-1].text
    spent = await bench.store.costs.spend(bench.fence.run_id)
    assert spent.calls == finished.spend.calls == len(mind.steps) + len(mind.summed), (
        "summing up is paid for and counted"
    )


async def test_a_summed_up_session_that_is_told_again_asks_for_nothing(bench: Bench) -> None:
    mind = Mind(writes(turns=14, size=9000), window=30_000)
    first = await play(bench, mind)
    again = Mind(works(turns=0, size=0), window=30_000)
    assert await play(bench, again) == first
    assert (again.steps, again.summed) == ([], [])


async def test_what_a_summary_took_away_of_guidelines_is_shown_again(bench: Bench) -> None:
    (bench.tree / "lib").mkdir()
    bench.task = replace(bench.task, guidelines=(Guideline("lib", "lib/AGENTS.md", "HELD"),))

    def say(step: int) -> AIMessage:
        return call("bash", step, command="ls lib") if step in (0, 13) else writes(turns=14, size=9000)(step)

    mind = Mind(say, window=30_000)
    await play(bench, mind)
    assert "HELD" in mind.steps[1][-1].text
    assert "HELD" in mind.steps[14][-1].text


async def test_a_model_that_says_the_conversation_is_too_long_is_asked_once_more_with_less(bench: Bench) -> None:
    mind = Mind(writes(turns=12, size=9000), most_tokens=15_000)
    finished = await play(bench, mind)
    assert finished.status is AgentStatus.SUBMITTED
    assert mind.refused == len(mind.summed) >= 1
    assert all(well_formed(each) for each in mind.steps)


async def test_a_task_too_long_for_its_model_ends_the_session_after_one_try(bench: Bench) -> None:
    mind = Mind(works(turns=1, size=10), most_tokens=10)
    finished = await play(bench, mind)
    assert finished.status is AgentStatus.ERROR
    assert "too long" in finished.reason
    assert (mind.refused, mind.summed) == (1, [])


async def test_a_call_that_cannot_be_read_is_answered_and_the_agent_goes_on(bench: Bench) -> None:
    def say(step: int) -> AIMessage:
        if step == 0:
            broken = {"name": "write", "args": '{"path": "a', "id": "b1", "error": None, "type": "invalid_tool_call"}
            return AIMessage("", invalid_tool_calls=[broken], usage_metadata=USAGE)
        return AIMessage("", usage_metadata=USAGE) if step == 1 else works(turns=0, size=0)(step)

    mind = Mind(say)
    finished = await play(bench, mind)
    assert finished.status is AgentStatus.SUBMITTED
    _, _, broken, result, word = mind.steps[1]
    assert isinstance(result, ToolMessage)
    assert (result.tool_call_id, result.status) == ("b1", "error")
    assert "could not be read" in word.text
    assert broken.text == ""
    assert SILENCE in [message.text for message in mind.steps[2]]


def test_every_call_gets_its_result_and_no_reply_is_empty() -> None:
    call_ = {"name": "view", "args": {}, "id": "1", "type": "tool_call"}
    other = {**call_, "id": "2"}
    said: list[Any] = [
        HumanMessage("go"),
        AIMessage("", tool_calls=[call_, other]),
        ToolMessage("seen", tool_call_id="2"),
        AIMessage(""),
    ]
    mended = answered(said)
    assert [message.text for message in mended] == ["go", "", UNANSWERED, "seen", SILENCE]
    assert answered(mended) == mended
    assert issubclass(TooLong, OutsideError)
