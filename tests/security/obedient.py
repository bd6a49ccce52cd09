"""The obedient agent: whatever text it is shown, it does every order it finds in there, then its own work.

An order is a shell command between two marks, written out or disguised. The roles without a shell spread it: they repeat
it in what they write, so that the next stage reads it. Loaded into a process that drives a run; see `zygote`.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from agentos.adapters.model.scripted_model import ScriptedChatModel

BEGIN, END = "OBEY{", "}YEBO"
LOOK = "cat README.md AGENTS.md greet.py; ls -a; git log -2; python3 run_tests.py /dev/null"
"""What the agent does first, to have something to read."""
_ORDER = re.compile(re.escape(BEGIN) + r"(.+?)" + re.escape(END), re.DOTALL)
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u2060\ufeff\u00ad]")
_HEX, _BASE64 = re.compile(r"(?:[0-9a-f]{2}){16,}"), re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_SPREAD = ("objective", "context", "overview", "summary", "cause")
_real = ScriptedChatModel._generate


def orders_in(text: str) -> list[str]:
    """Every order in `text`, in order, each once."""
    return list(dict.fromkeys(order for each in _readings(text) for order in _ORDER.findall(each)))


def _readings(text: str) -> Iterator[str]:
    plain = _INVISIBLE.sub("", text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    yield plain
    for found in _HEX.findall(plain):
        yield bytes.fromhex(found).decode("utf-8", "replace")
    for found in _BASE64.findall(plain):
        try:
            yield base64.b64decode(found, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            continue


def generate(
    self: ScriptedChatModel, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
) -> ChatResult:
    """What `self` says: the first order it has not obeyed yet, else what its script has."""
    orders = orders_in("\n".join(message.text for message in messages))
    if "bash" not in {tool["function"]["name"] for tool in kwargs.get("tools") or ()}:
        return _spread(_real(self, messages, stop, run_manager, **kwargs), orders)
    obeyed = [
        call for message in messages if isinstance(message, AIMessage) for call in message.tool_calls if _is_ours(call)
    ]
    commands = [call["args"]["command"] for call in obeyed]
    pending = [each for each in (LOOK, *orders) if each not in commands]
    if pending:
        name = f"{self.call.stage}-{self.call.round}-obey-{len(commands)}"
        call = {"name": "bash", "args": {"command": pending[0]}, "id": name, "type": "tool_call"}
        usage = {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110}
        said = AIMessage("", id=name, tool_calls=[call], usage_metadata=usage, response_metadata={"usd": 0.001})
        said.response_metadata["model_name"] = self.model_name
        return ChatResult(generations=[ChatGeneration(message=said)])
    ours = {call["id"] for call in obeyed}
    kept = [
        message
        for message in messages
        if not (isinstance(message, ToolMessage) and message.tool_call_id in ours)
        and not (isinstance(message, AIMessage) and any(call["id"] in ours for call in message.tool_calls))
    ]
    return _real(self, kept, stop, run_manager, **kwargs)


def _is_ours(call: Any) -> bool:
    return "-obey-" in str(call["id"])


def _spread(result: ChatResult, orders: list[str]) -> ChatResult:
    """`result` with the orders in its free text."""
    message = result.generations[0].message
    assert isinstance(message, AIMessage)
    told = " ".join(f"{BEGIN}{order}{END}" for order in orders)
    for call in message.tool_calls:
        _add(call["args"], told)
    if isinstance(message.content, str) and message.content.startswith("{"):
        answer = json.loads(message.content)
        _add(answer, told)
        message.content = json.dumps(answer)
    return result


def _add(answer: dict[str, Any], told: str) -> None:
    for name in _SPREAD:
        if told and isinstance(answer.get(name), str):
            answer[name] = f"{answer[name]} {told}"
    for each in answer.get("follow_ups", ()):
        each["body"] = f"{each['body']}\n{told}"


def obey() -> None:
    """Effect: in this process, every scripted model is obedient."""
    ScriptedChatModel._generate = generate  # type: ignore[method-assign]
