from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from agentos.adapters.model.scripted import ScriptedModels
from agentos.domain.budget import Spend
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef
from agentos.workflows.kit.ask import Ask, ask
from tests.agents.conftest import Bench
from tests.agents.model_server import model_server


class Verdict(BaseModel):
    """A judgement."""

    approve: bool
    reason: str


GOOD: dict[str, Any] = {"json": {"approve": True, "reason": "fine"}, "input_tokens": 5, "output_tokens": 2, "usd": 0.25}
BAD: dict[str, Any] = {"json": {"approve": True}, "input_tokens": 5, "output_tokens": 2, "usd": None}


def asked(bench: Bench, **changes: Any) -> Ask:
    call = CallRef(bench.fence.run_id, "task-9", Stage.LLD, "reviewer", 1)
    return replace(Ask(call, "scripted:x", "You judge.", "Judge this.", Verdict), **changes)


async def test_an_answer_is_paid_for_once(bench: Bench) -> None:
    with model_server({("lld", "reviewer", 1, 0): GOOD}) as server:
        for _ in range(3):
            answer = await ask(bench.recorded(ScriptedModels.on(server.url)), asked(bench))
            assert answer.value == Verdict(approve=True, reason="fine")
            assert answer.spend == Spend(1, 5, 2, 0.25)
        assert list(server.asked.values()) == [1]
    assert await bench.store.costs.spend(bench.fence.run_id) == Spend(1, 5, 2, 0.25)


async def test_another_question_of_the_same_step_is_another_call(bench: Bench) -> None:
    replies = {("lld", "reviewer", 1, 0): GOOD, ("lld", "drafter", 1, 0): GOOD}
    with model_server(replies) as server:
        models = bench.recorded(ScriptedModels.on(server.url))
        for request in (
            asked(bench),
            asked(bench, text="Judge that."),
            asked(bench, call=CallRef(bench.fence.run_id, "task-9", Stage.LLD, "drafter", 1)),
        ):
            await ask(models, request)
        assert sum(server.asked.values()) == 3
    assert len(await bench.store.exchanges.calls(bench.fence.run_id)) == 3


async def test_an_unreadable_answer_is_sent_back_once_with_what_is_wrong(bench: Bench) -> None:
    with model_server({("lld", "reviewer", 1, 0): BAD, ("lld", "reviewer", 1, 1): GOOD}) as server:
        answer = await ask(bench.recorded(ScriptedModels.on(server.url)), asked(bench))
        assert list(server.asked.values()) == [1, 1]
    assert answer.value == Verdict(approve=True, reason="fine")
    # One price is unknown, so the sum is.
    assert answer.spend == Spend(2, 10, 4, None)


async def test_an_answer_unreadable_twice_is_never_a_pass(bench: Bench) -> None:
    with (
        model_server({("lld", "reviewer", 1, turn): BAD for turn in range(3)}) as server,
        pytest.raises(OutsideError, match="reason: Field required") as caught,
    ):
        await ask(bench.recorded(ScriptedModels.on(server.url)), asked(bench))
    assert caught.value.kind is FailureKind.INVALID
    assert sum(server.asked.values()) == 2


async def test_a_reply_that_postgresql_could_not_hold_is_made_storable(bench: Bench) -> None:
    dirty = {"json": {"approve": True, "reason": "nul \x00 zero\u200bwidth \x1b[31mred"}}
    with model_server({("lld", "reviewer", 1, 0): dirty}) as server:
        answer = await ask(bench.recorded(ScriptedModels.on(server.url)), asked(bench))
    assert answer.value == Verdict(approve=True, reason="nul  zerowidth red")


async def test_code_in_a_tool_call_is_kept_to_the_letter(bench: Bench) -> None:
    def write(content: str) -> None:
        """Write."""

    code = "family = '\u200d'\r\n# \x1b[31m"
    reply = {"tool_calls": [{"name": "write", "args": {"content": code + "\x00"}}]}
    call = CallRef(bench.fence.run_id, "task-9", Stage.IMPL, "implementer", 1)
    with model_server({("impl", "implementer", 1, 0): reply}) as server:
        models = bench.recorded(ScriptedModels.on(server.url))
        first = await models.open("scripted:x", call).bind_tools([write]).ainvoke([HumanMessage("go")])
        second = await models.open("scripted:x", call).bind_tools([write]).ainvoke([HumanMessage("go")])
        assert list(server.asked.values()) == [1]
    assert first.tool_calls == second.tool_calls
    assert first.tool_calls[0]["args"] == {"content": code}
