from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel

from agentos.prompting.passing_model import request_digest
from agentos.prompting.structured import read_answer


class Verdict(BaseModel):
    """A judgement."""

    approve: bool
    reason: str


def conversation(name: str, **changes: Any) -> list[Any]:
    told = {"said": "hi", "path": "a", "result": "x", "status": "success", **changes}
    call = {"name": "view", "args": {"path": told["path"]}, "id": f"{name}-1", "type": "tool_call"}
    return [
        SystemMessage("s"),
        HumanMessage(told["said"], id=f"{name}-h"),
        AIMessage("", tool_calls=[call], id=f"{name}-a"),
        ToolMessage(told["result"], tool_call_id=f"{name}-1", status=told["status"]),
    ]


def test_ids_that_somebody_invented_do_not_change_the_digest() -> None:
    assert request_digest(conversation("one"), {}) == request_digest(conversation("two"), {})


@pytest.mark.parametrize("change", [{"said": "ho"}, {"path": "b"}, {"result": "y"}, {"status": "error"}])
def test_whatever_the_model_is_told_changes_the_digest(change: dict[str, str]) -> None:
    assert request_digest(conversation("one", **change), {}) != request_digest(conversation("one"), {})


def test_tools_and_schema_on_offer_change_the_digest() -> None:
    def look(path: str) -> str:
        """Look."""
        return path

    digests = {request_digest([], options) for options in ({}, {"tools": [look]}, {"answer_schema": {"title": "A"}})}
    assert len(digests) == 3


GOOD = Verdict(approve=True, reason="r")


@pytest.mark.parametrize(
    "raw",
    [
        AIMessage('{"approve": true, "reason": "r"}'),
        AIMessage('Here it is:\n```json\n{"approve": true, "reason": "r"}\n```\nDone.'),
        AIMessage("", tool_calls=[{"name": "Verdict", "args": {"approve": True, "reason": "r"}, "id": "1"}]),
        AIMessage([{"type": "text", "text": '{"approve": true, "reason": "r"}'}]),
    ],
)
def test_an_answer_is_read_from_where_providers_put_it(raw: AIMessage) -> None:
    assert read_answer(raw, Verdict) == (GOOD, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not a JSON object"),
        ("yes", "begins with: yes"),
        ('{"approve": true}', "reason: Field required"),
        ("[1]", "dict"),
    ],
)
def test_an_unreadable_answer_is_no_answer_and_says_why(text: str, sentence: str) -> None:
    value, problem = read_answer(AIMessage(text), Verdict)
    assert value is None
    assert sentence in str(problem)
