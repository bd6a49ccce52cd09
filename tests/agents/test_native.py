import asyncio
import contextlib
from dataclasses import replace
from typing import Any, TypedDict

import psutil
import pytest
from langchain_core.language_models import BaseChatModel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from agentos.adapters.agent.native.agent import NativeAgent
from agentos.adapters.model.scripted import ReplyTable, ScriptedModels
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.error import FenceLost
from agentos.ports.agent import AgentFinished, AgentLimits, AgentStatus
from agentos.ports.chat_model import CallRef
from tests.agents.conftest import Bench
from tests.agents.model_server import SUBMIT, calls

BIG = "x" * 10_000


class Outer(TypedDict, total=False):
    summary: str


async def test_inside_an_outer_graph_nothing_of_the_conversation_enters_its_checkpoints(bench: Bench) -> None:
    turns = [calls(("bash", {"command": f"printf %s {BIG}; echo {n}"}), text=BIG) for n in range(8)]
    agent = bench.agent((*turns, SUBMIT))

    async def code(state: Outer) -> Outer:
        last = [event async for event in agent.run(bench.task)][-1]
        assert isinstance(last, AgentFinished)
        return {"summary": last.summary}

    saver = InMemorySaver()
    graph = StateGraph(Outer).add_node("code", code).add_edge(START, "code").add_edge("code", END).compile(saver)
    streamed = [
        chunk
        async for chunk in graph.astream(
            {},
            {"configurable": {"thread_id": "1"}},
            stream_mode=["messages", "updates"],
            durability="sync",
            subgraphs=True,
        )
    ]
    told: list[Any] = [*streamed]
    assert [(mode, update) for _, mode, update in told] == [("updates", {"code": {"summary": "done"}})]
    stored = repr(dict(saver.storage)) + repr(dict(saver.writes)) + repr(dict(saver.blobs))
    assert set(saver.storage["1"]) == {""}, "the session has its own namespace in the outer thread"
    assert BIG not in stored
    assert len(stored) < 5_000
    assert sum(len(blob) for kind, blob in saver.blobs.values()) < 3_000


async def test_a_session_takes_no_more_steps_than_it_may(bench: Bench) -> None:
    turns = [calls(("bash", {"command": f"echo {n}"})) for n in range(5)]
    played = await bench.play(*turns, limits=AgentLimits(steps=3))
    assert (played.finished.status, len(played.acted)) == (AgentStatus.LIMIT, 3)
    assert "3 steps" in played.finished.reason
    assert played.finished.spend.calls == 3


async def test_a_session_takes_no_more_time_than_it_may_and_its_command_is_gone(bench: Bench) -> None:
    agent = bench.agent((calls(("bash", {"command": "echo $$ > pid; sleep 600"})), SUBMIT))
    task = replace(bench.task, limits=AgentLimits(wall_s=1.5))
    last = [event async for event in agent.run(task)][-1]
    assert isinstance(last, AgentFinished)
    assert last.status is AgentStatus.LIMIT
    assert not psutil.pid_exists(int((bench.tree / "pid").read_text()))


async def test_whoever_stops_listening_ends_the_session(bench: Bench) -> None:
    agent = bench.agent((calls(("view", {"path": "."})), calls(("bash", {"command": "echo $$ > pid; sleep 600"}))))
    async with contextlib.aclosing(agent.run(bench.task)) as events:
        await anext(events)
        async with asyncio.timeout(20):
            while not ((bench.tree / "pid").exists() and (bench.tree / "pid").read_text().strip()):
                await asyncio.sleep(0.01)
    assert not psutil.pid_exists(int((bench.tree / "pid").read_text()))


async def test_the_same_three_times_is_spoken_to_and_five_times_ends_it(bench: Bench) -> None:
    again = calls(("bash", {"command": "echo same"}))
    played = await bench.play(*[again] * 9)
    assert (played.finished.status, len(played.acted)) == (AgentStatus.STALLED, 5)
    assert "same 5 times" in played.finished.reason


async def test_going_to_and_fro_is_a_circle_too(bench: Bench) -> None:
    there, back = calls(("bash", {"command": "echo there"})), calls(("bash", {"command": "echo back"}))
    played = await bench.play(*[there, back] * 7)
    assert (played.finished.status, len(played.acted)) == (AgentStatus.STALLED, 10)


async def test_different_results_are_no_circle(bench: Bench) -> None:
    again = calls(("bash", {"command": "echo x >> n; wc -l n"}))
    played = await bench.play(*[again] * 7, SUBMIT)
    assert played.finished.status is AgentStatus.SUBMITTED


async def test_words_alone_hand_nothing_in(bench: Bench) -> None:
    played = await bench.play({"text": "I am done."}, SUBMIT)
    assert played.finished.status is AgentStatus.SUBMITTED
    bench.task = replace(bench.task, call=replace(bench.task.call, task_id="task-2"))
    played = await bench.play(*[{"text": "I am done."}] * 3)
    assert (played.finished.status, played.finished.spend.calls) == (AgentStatus.STALLED, 3)
    assert "I am done." in played.finished.reason


async def test_missing_evidence_is_asked_for_once_and_then_taken_as_missing(bench: Bench) -> None:
    bare = calls(("submit", {"summary": "s", "evidence": []}))
    played = await bench.play(bare, bare)
    assert (played.finished.status, played.finished.evidence, len(played.acted)) == (AgentStatus.SUBMITTED, (), 2)


async def test_a_silent_model_ends_the_session_as_stalled(bench: Bench) -> None:
    class Silent(BaseChatModel):
        @property
        def _llm_type(self) -> str:
            return "silent"

        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("only asked asynchronously")

        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.Event().wait()

    class Models(ScriptedModels):
        def open(self, model: str, call: CallRef) -> BaseChatModel:
            return Silent()

    models = Models(source=ReplyTable({}, origin="silence"))
    agent = NativeAgent(models=models, exchanges=bench.store.exchanges, sandbox=ProcessSandbox(), fence=bench.fence)
    task = replace(bench.task, limits=AgentLimits(idle_s=0.1))
    last = [event async for event in agent.run(task)][-1]
    assert isinstance(last, AgentFinished)
    assert last.status is AgentStatus.STALLED
    assert "silent" in last.reason


async def test_a_former_owner_of_the_run_neither_acts_nor_records(bench: Bench) -> None:
    await bench.store.runs.release(bench.fence)
    with pytest.raises(FenceLost):
        await bench.play(calls(("write", {"path": "a.txt", "content": "x"})), SUBMIT)
    assert list(bench.tree.iterdir()) == []


async def test_tool_calls_of_one_reply_run_in_their_order(bench: Bench) -> None:
    slow = ("bash", {"command": "sleep 0.3; echo 1 >> log"})
    quick = [("bash", {"command": f"echo {n} >> log"}) for n in (2, 3)]
    await bench.play(calls(slow, *quick), SUBMIT)
    assert (bench.tree / "log").read_text() == "1\n2\n3\n"


async def test_a_command_begun_before_a_kill_is_not_run_again(bench: Bench) -> None:
    turns = (calls(("bash", {"command": "echo ran >> log"})), SUBMIT)
    await bench.play(*turns)
    # As a kill between the command and its record would leave it.
    async with bench.store.db.connection() as conn:
        await conn.execute("UPDATE tool_calls SET result = NULL, finished_at = NULL")
        await conn.execute("DELETE FROM model_calls WHERE n > 0")
    played = await bench.play(*turns)
    assert (bench.tree / "log").read_text() == "ran\n"
    assert "may have run in part" in played.results[0]
    assert played.finished.status is AgentStatus.SUBMITTED


async def test_long_output_is_cut_and_kept_whole_in_a_file_the_agent_can_view(bench: Bench) -> None:
    played = await bench.play(calls(("bash", {"command": "seq 1 20000"})), SUBMIT)
    shown = played.results[0]
    assert len(shown) < 11_000
    kept = next((bench.scratch / "outputs").iterdir())
    assert str(kept) in shown
    assert kept.read_text().splitlines()[9999] == "10000"
    bench.task = replace(bench.task, call=replace(bench.task.call, task_id="task-2"))
    played = await bench.play(calls(("view", {"path": str(kept), "start": 10_000, "end": 10_000})), SUBMIT)
    assert played.results[-1] == " 10000\t10000\n[10000 more lines; the file has 20000]"


async def test_a_failing_command_and_a_refused_path_are_told_apart_from_success(bench: Bench) -> None:
    played = await bench.play(
        calls(("bash", {"command": "exit 3"}), ("view", {"path": "../x"}), ("fly", {}), ("view", {"start": 1})), SUBMIT
    )
    assert [event.ok for event in played.acted] == [False, False, False, False, True, True]
    assert played.results[0] == "exit code 3\n"
    assert "outside the working folder" in played.results[1]


async def test_a_catastrophic_pattern_is_stopped(bench: Bench) -> None:
    (bench.tree / "a.txt").write_text("a" * 60 + "!\n")
    played = await bench.play(calls(("search", {"pattern": "(a+)+$"})), SUBMIT, limits=AgentLimits(command_s=0.5))
    assert "use a simpler pattern" in played.results[0]


async def test_a_search_names_places_and_explains_a_broken_pattern(bench: Bench) -> None:
    (bench.tree / "b").mkdir()
    (bench.tree / "b" / "c.py").write_text("first\nwanted = 1\n")
    (bench.tree / "b" / "c.txt").write_text("wanted\n")
    (bench.tree / "link").symlink_to("/etc")
    asked = [
        {"pattern": "("},
        {"pattern": r"want\w+", "glob": "*.py"},
        {"pattern": "root", "path": "link"},
        {"pattern": "w"},
    ]
    played = await bench.play(*[calls(("search", each)) for each in asked], SUBMIT)
    assert "no regular expression" in played.results[0]
    assert played.results[1] == "b/c.py:2: wanted = 1"
    assert "link is a symbolic link" in played.results[2]
    assert played.results[3].splitlines() == ["b/c.py:2: wanted = 1", "b/c.txt:1: wanted"]


@pytest.mark.parametrize(
    ("old", "new"), [("one", "one\ntwo"), ("ab", "a"), ("one\n", ""), ("abb", "abbb"), ("one", "1")]
)
@pytest.mark.parametrize("was_made", [True, False])
async def test_an_edit_begun_before_a_kill_is_made_once(bench: Bench, old: str, new: str, *, was_made: bool) -> None:
    before = "one\nabb\n"
    turns = (calls(("edit", {"path": "a.txt", "old": old, "new": new})), SUBMIT)
    (bench.tree / "a.txt").write_text(before)
    await bench.play(*turns)
    assert (bench.tree / "a.txt").read_text() == before.replace(old, new)
    if not was_made:
        (bench.tree / "a.txt").write_text(before)
    async with bench.store.db.connection() as conn:
        await conn.execute("UPDATE tool_calls SET result = NULL, finished_at = NULL")
        await conn.execute("DELETE FROM model_calls WHERE n > 0")
    played = await bench.play(*turns)
    assert (bench.tree / "a.txt").read_text() == before.replace(old, new)
    assert played.results == ["a.txt changed"]
