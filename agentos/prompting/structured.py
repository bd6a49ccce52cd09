"""Reading a model's answer as the record it was asked for."""

import json
import re
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel, ValidationError

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)


class Unreadable(ValueError):
    """The answer is not what was asked for; the message is fit to be shown to the model."""


def read_answer(raw: BaseMessage, schema: Any) -> tuple[Any, Unreadable | None]:
    """The value of `schema` (a pydantic class or a JSON schema) in `raw`, or why there is none.

    A tool call counts first, then the text as JSON, alone or in a code fence.
    """
    try:
        found = _value_in(raw)
        if isinstance(schema, type) and issubclass(schema, BaseModel):
            return schema.model_validate(found), None
    except ValidationError as error:
        return None, Unreadable(_sentences(error))
    except Unreadable as error:
        return None, error
    return found, None


def _value_in(raw: BaseMessage) -> Any:
    if isinstance(raw, AIMessage) and raw.tool_calls:
        return raw.tool_calls[0]["args"]
    text = raw.text.strip()
    fenced = _FENCED.search(text)
    for candidate in (text, fenced[1] if fenced else ""):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    start = text[:200] or "nothing"
    raise Unreadable(f"The answer is not a JSON object. It begins with: {start}")


def _sentences(error: ValidationError) -> str:
    lines = [
        f"- {'.'.join(str(part) for part in problem['loc']) or 'the answer'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    return "The answer does not fit its schema:\n" + "\n".join(lines)
