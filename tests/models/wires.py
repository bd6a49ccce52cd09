"""What each provider says on the wire, as it publishes it: a whole answer, the same answer in pieces, and its refusals.

Sources: the API references of Anthropic (Messages), OpenAI (Chat Completions, Responses), Google (Gemini
`generateContent`) and Ollama (`/api/chat`); the error bodies of vLLM for a server of one's own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

IN, OUT = 7, 3
"""The tokens that every answer says it took."""


@dataclass(frozen=True)
class Told:
    """What a model says: a text, or one tool call."""

    text: str = ""
    tool: str = ""
    args: str = "{}"

    def halves(self) -> tuple[str, str]:
        """The text, or the arguments, in two pieces."""
        said = self.args if self.tool else self.text
        return said[: len(said) // 2], said[len(said) // 2 :]


@dataclass(frozen=True)
class Refusal:
    """An HTTP status and the provider's own body."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Wire:
    """One provider's way of speaking.

    `paths` are (whole, streamed); `last` is how many pieces at the end of a stream tell that it is complete;
    `names_wait` is whether `Retry-After` says how long it is busy. `late` is the piece that says, in a stream under way, that the provider is overloaded.
    """

    name: str
    model: str
    root: str
    paths: tuple[str, str]
    whole: Callable[[Told], dict[str, Any]]
    pieces: Callable[[Told], list[bytes]]
    last: int
    late: bytes
    refusals: Mapping[str, Refusal]
    key: tuple[str, str] | None
    schema_by_tool: bool = False
    streams_only: bool = False
    lines: bool = False
    names_wait: bool = True

    @property
    def provider(self) -> str:
        """The provider's name in the settings."""
        return self.model.partition(":")[0]


def sse(data: Mapping[str, Any], *, named: bool = False) -> bytes:
    """One server-sent event; `named` repeats its type in the event field."""
    event = f"event: {data['type']}\n" if named else ""
    return f"{event}data: {json.dumps(data)}\n\n".encode()


# -- Anthropic Messages -----------------------------------------------------------------------------------------------


def _anthropic(told: Told) -> dict[str, Any]:
    block = (
        {"type": "tool_use", "id": "toolu_1", "name": told.tool, "input": json.loads(told.args)}
        if told.tool
        else {"type": "text", "text": told.text}
    )
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-5",
        "content": [block],
        "stop_reason": "tool_use" if told.tool else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": IN, "output_tokens": OUT},
    }


def _anthropic_pieces(told: Told) -> list[bytes]:
    whole = _anthropic(told)
    start = {**whole, "content": [], "stop_reason": None, "usage": {"input_tokens": IN, "output_tokens": 1}}
    block = {"type": "tool_use", "id": "toolu_1", "name": told.tool, "input": {}}
    kind = ("input_json_delta", "partial_json") if told.tool else ("text_delta", "text")
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": block if told.tool else {"type": "text", "text": ""},
        },
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": kind[0], kind[1]: half}}
            for half in told.halves()
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": {"input_tokens": IN, "output_tokens": OUT},
        },
        {"type": "message_stop"},
    ]
    return [sse(event, named=True) for event in events]


def _anthropic_error(status: int, kind: str, message: str) -> Refusal:
    return Refusal(status, {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})


ANTHROPIC = Wire(
    name="anthropic",
    model="anthropic:claude-opus-4-5",
    root="",
    paths=("/v1/messages", "/v1/messages"),
    whole=_anthropic,
    pieces=_anthropic_pieces,
    last=2,
    late=sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, named=True),
    refusals={
        "busy": _anthropic_error(429, "rate_limit_error", "This request would exceed your rate limit."),
        "down": _anthropic_error(529, "overloaded_error", "Overloaded"),
        "overflow": _anthropic_error(
            400, "invalid_request_error", "prompt is too long: 200011 tokens > 200000 maximum"
        ),
        "key": _anthropic_error(401, "authentication_error", "invalid x-api-key"),
        "quota": _anthropic_error(
            400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."
        ),
    },
    key=("authorization", "Bearer the-key"),
)

# -- OpenAI Chat Completions ------------------------------------------------------------------------------------------


def _chat(told: Told) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": told.tool, "arguments": told.args}}
    message: dict[str, Any] = {"role": "assistant", "content": told.text or None}
    if told.tool:
        message["tool_calls"] = [call]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if told.tool else "stop"}],
        "usage": {"prompt_tokens": IN, "completion_tokens": OUT, "total_tokens": IN + OUT},
    }


def _chat_pieces(told: Told) -> list[bytes]:
    whole = _chat(told)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if told.tool else ""}]
    if told.tool:
        named = {"index": 0, "id": "call_1", "type": "function", "function": {"name": told.tool, "arguments": ""}}
        deltas[0]["tool_calls"] = [named]
    for half in told.halves():
        piece = {"tool_calls": [{"index": 0, "function": {"arguments": half}}]} if told.tool else {"content": half}
        deltas.append(piece)
    finish = whole["choices"][0]["finish_reason"]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5"}
    chunks = [sse({**common, "choices": [choice], "usage": None}) for choice in choices]
    return [*chunks, sse({**common, "choices": [], "usage": whole["usage"]}), b"data: [DONE]\n\n"]


def _openai_error(status: int, kind: str, code: str | None, message: str) -> Refusal:
    return Refusal(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


OPENAI_REFUSALS = {
    "busy": _openai_error(429, "requests", "rate_limit_exceeded", "Rate limit reached for gpt-5."),
    "down": _openai_error(503, "server_error", None, "The server is overloaded or not ready yet."),
    "overflow": _openai_error(
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ),
    "key": _openai_error(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: the-key."),
    "quota": _openai_error(
        429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan."
    ),
}
OPENAI_CHAT = Wire(
    name="openai chat",
    model="openai:gpt-5",
    root="/v1",
    paths=("/v1/chat/completions", "/v1/chat/completions"),
    whole=_chat,
    pieces=_chat_pieces,
    last=3,
    late=sse({"error": {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}}),
    refusals=OPENAI_REFUSALS,
    key=("authorization", "Bearer the-key"),
)

# -- OpenAI Responses -------------------------------------------------------------------------------------------------


def _response(told: Told) -> dict[str, Any]:
    item: dict[str, Any] = (
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": told.tool,
            "arguments": told.args,
            "status": "completed",
        }
        if told.tool
        else {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": told.text, "annotations": []}],
        }
    )
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-5-pro",
        "output": [item],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": {
            "input_tokens": IN,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": OUT,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": IN + OUT,
        },
    }


def _response_pieces(told: Told) -> list[bytes]:
    whole = _response(told)
    item = whole["output"][0]
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    empty = {**item, "status": "in_progress", **({"arguments": ""} if told.tool else {"content": []})}
    at = {"item_id": item["id"], "output_index": 0}
    if told.tool:
        kind = "response.function_call_arguments"
        middle: list[dict[str, Any]] = [
            *({"type": f"{kind}.delta", **at, "delta": half} for half in told.halves()),
            {"type": f"{kind}.done", **at, "arguments": told.args},
        ]
    else:
        at = {**at, "content_index": 0}
        part = item["content"][0]
        middle = [
            {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
            *({"type": "response.output_text.delta", **at, "delta": half, "logprobs": []} for half in told.halves()),
            {"type": "response.output_text.done", **at, "text": told.text, "logprobs": []},
            {"type": "response.content_part.done", **at, "part": part},
        ]
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        *middle,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return [sse({**event, "sequence_number": n}, named=True) for n, event in enumerate(events)]


OPENAI_RESPONSES = Wire(
    name="openai responses",
    model="openai:gpt-5-pro",
    root="/v1",
    paths=("/v1/responses", "/v1/responses"),
    whole=_response,
    pieces=_response_pieces,
    last=1,
    late=sse(
        {
            "type": "error",
            "code": "server_error",
            "message": "The server had an error.",
            "param": None,
            "sequence_number": 9,
        },
        named=True,
    ),
    refusals=OPENAI_REFUSALS,
    key=("authorization", "Bearer the-key"),
)

# -- Google Gemini ----------------------------------------------------------------------------------------------------


def _gemini(told: Told) -> dict[str, Any]:
    call = {"functionCall": {"name": told.tool, "args": json.loads(told.args)}}
    return _gemini_piece([call if told.tool else {"text": told.text}], finish=True)


def _gemini_piece(parts: list[dict[str, Any]], *, finish: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = "STOP"
    return {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": IN, "candidatesTokenCount": OUT, "totalTokenCount": IN + OUT},
        "modelVersion": "gemini-2.5-pro",
        "responseId": "r1",
    }


def _gemini_pieces(told: Told) -> list[bytes]:
    parts = _gemini(told)["candidates"][0]["content"]["parts"]
    said = [parts] if told.tool else [[{"text": half}] for half in told.halves()]
    pieces = [_gemini_piece(part, finish=False) for part in said]
    return [sse(piece) for piece in [*pieces, _gemini_piece([{"text": ""}], finish=True)]]


def _gemini_error(code: int, status: str, message: str, *details: dict[str, Any]) -> Refusal:
    return Refusal(code, {"error": {"code": code, "message": message, "status": status, "details": list(details)}})


GEMINI_DOWN = _gemini_error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
GOOGLE = Wire(
    name="google",
    model="google_genai:gemini-2.5-pro",
    root="",
    paths=(
        "/v1beta/models/gemini-2.5-pro:generateContent",
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
    ),
    whole=_gemini,
    pieces=_gemini_pieces,
    last=1,
    late=sse(GEMINI_DOWN.body),
    refusals={
        # A limit per minute: it speaks of a quota, and names the wait in the body alone.
        "busy": _gemini_error(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota, please check your plan and billing details.",
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"},
        ),
        "down": GEMINI_DOWN,
        "overflow": _gemini_error(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576).",
        ),
        "key": _gemini_error(403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers."),
    },
    key=("x-goog-api-key", "the-key"),
    names_wait=False,
)

# -- Ollama -----------------------------------------------------------------------------------------------------------


def _ollama_line(message: dict[str, Any], **end: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "", **message}
    return {"model": "qwen3", "created_at": "2026-01-01T00:00:00Z", "message": said, "done": bool(end), **end}


def _ollama(told: Told) -> dict[str, Any]:
    raise NotImplementedError("its client asks for pieces always")


def _ollama_pieces(told: Told) -> list[bytes]:
    call = {"function": {"name": told.tool, "arguments": json.loads(told.args)}}
    lines = [{"tool_calls": [call]}] if told.tool else [{"content": half} for half in told.halves()]
    end = _ollama_line({}, done_reason="stop", total_duration=1, prompt_eval_count=IN, eval_count=OUT)
    return [json.dumps(line).encode() + b"\n" for line in [*map(_ollama_line, lines), end]]


OLLAMA = Wire(
    name="ollama",
    model="ollama:qwen3",
    root="",
    paths=("/api/chat", "/api/chat"),
    whole=_ollama,
    pieces=_ollama_pieces,
    last=1,
    late=b'{"error":"an error was encountered while running the model: unexpected EOF"}\n',
    refusals={
        "busy": Refusal(429, {"error": "too many requests"}),
        "down": Refusal(503, {"error": "server busy, please try again.  maximum pending requests exceeded"}),
        "overflow": Refusal(400, {"error": "the input length exceeds the context length"}),
        "key": Refusal(401, {"error": "unauthorized"}),
    },
    key=None,
    schema_by_tool=True,
    streams_only=True,
    lines=True,
)

# -- A server of one's own that speaks Chat Completions ---------------------------------------------------------------


def _vllm_error(code: int, kind: str, message: str) -> Refusal:
    return Refusal(code, {"object": "error", "message": message, "type": kind, "param": None, "code": code})


COMPATIBLE = Wire(
    name="openai compatible",
    model="openai:qwen3-coder",
    root="/gateway/v1",
    paths=("/gateway/v1/chat/completions", "/gateway/v1/chat/completions"),
    whole=_chat,
    pieces=_chat_pieces,
    last=3,
    late=sse({"error": {"object": "error", "message": "EngineCore died", "type": "InternalServerError", "code": 500}}),
    refusals={
        "busy": _vllm_error(429, "TooManyRequests", "Too many requests"),
        "down": Refusal(502, {"detail": "Bad Gateway"}),
        "overflow": _vllm_error(
            400,
            "BadRequestError",
            "This model's maximum context length is 32768 tokens. However, you requested 40000 tokens.",
        ),
        "key": Refusal(401, {"error": "Unauthorized"}),
    },
    key=("authorization", "Bearer none"),
    schema_by_tool=True,
)
WIRES = (ANTHROPIC, OPENAI_CHAT, OPENAI_RESPONSES, GOOGLE, OLLAMA, COMPATIBLE)
