"""One structured question to a model."""

from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel

from agentos.domain.budget import Spend
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.chat_model import CallRef
from agentos.prompting.passing_model import answered_by, charge_of
from agentos.workflows.kit.recorded_model import RecordedModels

REPAIR_ROUNDS = 1


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked: `model` is `provider:model`, `schema` the form of the answer."""

    call: CallRef
    model: str
    system: str
    text: str
    schema: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `spend` covers the repair round too, `model` is the one that answered."""

    value: BaseModel
    spend: Spend
    model: str


async def ask(models: RecordedModels, request: Ask) -> Answer:
    """The model's answer as a value of `request.schema`, paid for once however often it is asked.

    An answer that does not fit is sent back once with what is wrong. Raises OutsideError, kind INVALID, when the second
    does not fit either: an unreadable answer is never taken for one.
    """
    model = models.open(request.model, request.call)
    asked = model.with_structured_output(request.schema, include_raw=True)
    conversation: list[BaseMessage] = [SystemMessage(request.system), HumanMessage(request.text)]
    spend, problem = Spend(), ""
    for _ in range(1 + REPAIR_ROUNDS):
        reply: dict[str, Any] = await asked.ainvoke(conversation)  # type: ignore[assignment]
        raw = reply["raw"]
        spend += charge_of(raw)
        if isinstance(reply["parsed"], request.schema):
            return Answer(reply["parsed"], spend, answered_by(raw, request.model))
        problem = str(reply["parsing_error"])
        conversation += [_as_said(raw), HumanMessage(f"{problem}\n\nAnswer again, complete, in the form asked for.")]
    raise OutsideError(
        f"{request.model} answered {request.call.stage} {request.call.role} twice in a form that cannot be read: "
        f"{' '.join(problem.split())[:300]}",
        kind=FailureKind.INVALID,
    )


def _as_said(raw: AIMessage) -> AIMessage:
    """`raw` as plain text: providers refuse a conversation in which a tool call has no result."""
    if not raw.tool_calls and not raw.invalid_tool_calls:
        return raw
    calls = [call["args"] for call in [*raw.tool_calls, *raw.invalid_tool_calls]]
    return AIMessage("\n".join(part for part in (raw.text, *map(str, calls)) if part))
