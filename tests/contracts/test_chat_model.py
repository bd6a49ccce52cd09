"""What every model backend promises; the real providers are played by servers on loopback."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel

from agentos.adapters.model.langchain import LangChainModels
from agentos.adapters.model.scripted import ScriptedModels
from agentos.config.budgets import PriceSettings
from agentos.config.settings import ModelsSettings
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef, Tokens

CALL = CallRef(run_id=1, task_id="task", stage=Stage.LLD, role="drafter", round=1)
Reply = tuple[int, dict[str, str], dict[str, Any]]


class Verdict(BaseModel):
    """A judgement."""

    approve: bool
    reason: str


class WaitingClock:
    """A clock that notes how long it was asked to wait, and goes on at once."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_s(self) -> float:
        return sum(self.waits)

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.sleep(0)


@contextmanager
def provider(answer: Callable[[int, dict[str, Any]], Reply]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server on loopback whose n-th request is answered by `answer(n, body)`; yields its URL and the requests."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.append(body)
            status, headers, data = answer(len(seen), body)
            raw = json.dumps(data).encode()
            self.send_response(status)
            for name, value in {**headers, "content-type": "application/json", "content-length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the requests are kept in `seen`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(text: str) -> Reply:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return 200, {}, {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}


def refused(status: int, code: str = "busy", **headers: str) -> Reply:
    return status, headers, {"error": {"message": f"refused: {code}", "type": code, "code": code}}


def models_at(url: str, clock: WaitingClock) -> LangChainModels:
    return LangChainModels(
        settings=ModelsSettings(base_url={"openai": url}), clock=clock, environment={}, jitter=lambda: 1.0
    )


async def test_a_busy_provider_is_asked_again_after_the_time_it_names() -> None:
    clock = WaitingClock()
    with provider(lambda n, _: refused(429, **{"retry-after": "7"}) if n == 1 else said("hello")) as (url, seen):
        answer = await models_at(url, clock).open("openai:m", CALL).ainvoke("hi")
    assert (answer.text, len(seen), clock.waits) == ("hello", 2, [7.0])
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == 7


async def test_a_provider_that_stays_down_is_asked_five_times_and_parks_the_run() -> None:
    clock = WaitingClock()
    with provider(lambda *_: refused(503)) as (url, seen), pytest.raises(OutsideError) as caught:
        await models_at(url, clock).open("openai:m", CALL).ainvoke("hi")
    assert caught.value.kind is FailureKind.CAPACITY
    assert (len(seen), clock.waits) == (5, [2.0, 4.0, 8.0, 16.0])
    assert "openai:m" in str(caught.value)


async def test_a_long_wait_named_by_the_provider_is_handed_on_instead_of_waited_for() -> None:
    clock = WaitingClock()
    with (
        provider(lambda *_: refused(429, **{"retry-after": "3600"})) as (url, seen),
        pytest.raises(OutsideError) as caught,
    ):
        await models_at(url, clock).open("openai:m", CALL).ainvoke("hi")
    assert (caught.value.retry_after_s, len(seen), clock.waits) == (3600.0, 1, [])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused(401), FailureKind.DENIED),
        (refused(403), FailureKind.DENIED),
        (refused(402), FailureKind.DENIED),
        (refused(400), FailureKind.INVALID),
        (refused(404), FailureKind.INVALID),
        (refused(429, "insufficient_quota"), FailureKind.CAPACITY),
    ],
)
async def test_what_no_repeat_can_mend_is_asked_once(answer: Reply, kind: FailureKind) -> None:
    clock = WaitingClock()
    with provider(lambda *_: answer) as (url, seen), pytest.raises(OutsideError) as caught:
        await models_at(url, clock).open("openai:m", CALL).ainvoke("hi")
    assert (caught.value.kind, len(seen), clock.waits) == (kind, 1, [])


async def test_a_refused_connection_counts_as_a_provider_that_is_down() -> None:
    with provider(lambda *_: said("x")) as (url, _):
        pass
    clock = WaitingClock()
    with pytest.raises(OutsideError) as caught:
        await models_at(url, clock).open("openai:m", CALL).ainvoke("hi")
    assert (caught.value.kind, len(clock.waits)) == (FailureKind.CAPACITY, 4)


async def test_structured_output_of_a_real_provider_keeps_the_raw_message_and_says_what_is_wrong() -> None:
    with provider(lambda n, _: said('{"approve": 7}') if n == 1 else said('{"approve": true, "reason": "ok"}')) as (
        url,
        _,
    ):
        asked = models_at(url, WaitingClock()).open("openai:m", CALL).with_structured_output(Verdict, include_raw=True)
        first: Any = await asked.ainvoke("hi")
        second: Any = await asked.ainvoke("hi")
    assert first["parsed"] is None
    assert "reason: Field required" in str(first["parsing_error"])
    assert isinstance(first["raw"], AIMessage)
    assert second["parsed"] == Verdict(approve=True, reason="ok")


ANSWER = '{"approve": true, "reason": "ok"}'
WIRES: dict[str, Reply] = {
    "openai:gpt-5": said(ANSWER),
    "anthropic:claude-opus-4-5": (
        200,
        {},
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": ANSWER}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 7, "output_tokens": 3},
        },
    ),
    "google_genai:gemini-2.5-pro": (
        200,
        {},
        {
            "candidates": [{"content": {"role": "model", "parts": [{"text": ANSWER}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "totalTokenCount": 10},
        },
    ),
}


@pytest.mark.parametrize("model", sorted(WIRES))
async def test_every_provider_is_given_tools_and_schema_and_is_asked_again_once_it_was_busy(model: str) -> None:
    def look(path: str) -> str:
        """Look at a file."""
        return path

    clock = WaitingClock()
    with provider(lambda n, _: refused(503) if n == 1 else WIRES[model]) as (url, seen):
        where = {model.partition(":")[0]: url.removesuffix("/v1") if "openai" not in model else url}
        models = LangChainModels(
            settings=ModelsSettings(base_url=where), clock=clock, environment={}, jitter=lambda: 1.0
        )
        tooled: Any = await models.open(model, CALL).bind_tools([look]).ainvoke("hi")
        answer: Any = await models.open(model, CALL).with_structured_output(Verdict, include_raw=True).ainvoke("hi")
    assert (len(seen), clock.waits) == (3, [2.0])
    assert "Look at a file." in json.dumps(seen[1])
    assert "approve" in json.dumps(seen[2])
    assert tooled.usage_metadata["input_tokens"] == 7
    assert answer["parsed"] == Verdict(approve=True, reason="ok")


def test_a_missing_key_is_named() -> None:
    models = LangChainModels(settings=ModelsSettings(), clock=WaitingClock(), environment={})
    with pytest.raises(UsageError, match="ANTHROPIC_API_KEY"):
        models.open("anthropic:claude-opus-4-5", CALL)


@pytest.mark.parametrize("model", ["nobody:x", "openai", "openai:"])
def test_a_model_nobody_serves_is_refused_in_a_sentence(model: str) -> None:
    models = LangChainModels(settings=ModelsSettings(), clock=WaitingClock(), environment={"OPENAI_API_KEY": "k"})
    with pytest.raises(UsageError, match=model):
        models.open(model, CALL)


def test_prices_are_the_operators_then_the_published_ones_then_unknown() -> None:
    own = ModelsSettings(prices={"openai:mine": PriceSettings(input_usd=1, output_usd=2)})
    models = LangChainModels(settings=own, clock=WaitingClock(), environment={})
    assert models.cost_usd("openai:mine", Tokens(1_000_000, 500_000)) == 2.0
    assert models.cost_usd("anthropic:claude-opus-4-5", Tokens(1000, 1000)) == pytest.approx(0.03)
    assert models.cost_usd("google_genai:gemini-2.5-pro", Tokens(1000, 1000)) is not None
    assert models.cost_usd("openai:nobody-knows", Tokens(1000, 1000)) is None


# -- scripted ---------------------------------------------------------------------------------------------------------

SCRIPT = """
triage:
  drafter:
    1: [{text: for all}]
lld:
  drafter:
    1:
      - {text: thinking, tool_calls: [{name: view, args: {path: a.py}}], input_tokens: 9}
      - json: {approve: true, reason: fine}
issues:
  1:
    triage:
      drafter:
        1: [{text: for one, usd: 0.5}]
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.yaml"
    path.write_text(SCRIPT)
    return path


async def test_a_script_answers_by_the_turn_of_the_conversation_alone(script: Path) -> None:
    models = ScriptedModels.on(script, issue=1)
    first = await models.open("scripted:x", CALL).ainvoke("hi")
    again = await models.open("scripted:x", CALL).ainvoke("hi")
    assert (first.tool_calls, first.usage_metadata) == (again.tool_calls, again.usage_metadata)
    assert first.tool_calls[0]["id"] == again.tool_calls[0]["id"]
    assert isinstance(first, AIMessage)
    result = ToolMessage("1: x", tool_call_id=str(first.tool_calls[0]["id"]))
    second = await models.open("scripted:x", CALL).ainvoke([HumanMessage("hi"), first, result])
    assert json.loads(second.text) == {"approve": True, "reason": "fine"}


async def test_a_script_prefers_the_section_of_its_issue(script: Path) -> None:
    call = CallRef(1, "t", Stage.TRIAGE, "drafter", 1)
    for issue, text in ((1, "for one"), (2, "for all"), (None, "for all")):
        assert (await ScriptedModels.on(script, issue=issue).open("scripted:x", call).ainvoke("hi")).text == text


async def test_an_unexpected_call_names_its_key_and_the_nearest(script: Path) -> None:
    call = CallRef(1, "t", Stage.LLD, "reviewer", 2)
    with pytest.raises(UsageError, match=r"lld reviewer round 2 turn 0; the nearest: lld drafter"):
        await ScriptedModels.on(script).open("scripted:x", call).ainvoke("hi")


def test_replies_nobody_asked_for_are_reported(script: Path) -> None:
    models = ScriptedModels.on(script)
    asked = [(Stage.TRIAGE, "drafter", 1, 0), (Stage.LLD, "drafter", 1, 0)]
    assert models.leftovers(asked) == ("nobody asked for the scripted reply lld drafter round 1 turn 1",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lld: {drafter: {1: [{}]}}", "give one of text"),
        ("lld: {drafter: {1: [{text: a, json: {}}]}}", "json stands alone"),
        ("lld: {drafter: {1: [{txt: a}]}}", "txt"),
        ("nonsense: {}", "nonsense"),
        ("[1, 2]", "must begin with stages"),
        ("a: [", "not well-formed"),
    ],
)
def test_a_script_that_cannot_be_told_is_refused_with_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        ScriptedModels.on(tmp_path / "s.yaml")


async def test_a_script_may_be_a_server_on_this_machine() -> None:
    with provider(lambda n, body: (200, {}, {"text": f"reply {body['turn']} for {body['role']}"})) as (url, seen):
        answer = await ScriptedModels.on(url).open("scripted:x", CALL).ainvoke("hi")
    assert answer.text == "reply 0 for drafter"
    assert set(seen[0]) == {"stage", "role", "round", "turn", "digest"}


async def test_a_server_that_knows_no_reply_ends_the_run_with_its_reason() -> None:
    with provider(lambda *_: (404, {}, {"error": "unexpected"})) as (url, _), pytest.raises(UsageError, match="404"):
        await ScriptedModels.on(url).open("scripted:x", CALL).ainvoke("hi")


def test_a_script_is_never_fetched_from_another_machine() -> None:
    with pytest.raises(UsageError, match="127"):
        ScriptedModels.on("http://example.org:80/x")


async def test_a_scripted_model_gives_structured_answers(script: Path) -> None:
    answered = AIMessage("first")
    asked = ScriptedModels.on(script).open("scripted:x", CALL).with_structured_output(Verdict)
    assert await asked.ainvoke([HumanMessage("hi"), answered]) == Verdict(approve=True, reason="fine")
