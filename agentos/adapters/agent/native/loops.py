"""Whether an agent goes in circles."""

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agentos.prompting.passing_model import request_digest

LONGEST_CIRCLE = 3
WINDOW = LONGEST_CIRCLE * 10


def repeats(messages: Sequence[BaseMessage]) -> int:
    """How often in a row the last turns did the same with the same result: one turn, or two or three in turn."""
    turns = _turns(messages)
    return max((_in_a_row(turns, length) for length in range(1, LONGEST_CIRCLE + 1)), default=0)


def stale(messages: Sequence[BaseMessage]) -> int:
    """How many of the last turns brought nothing that was not there before: each was the same as an earlier one, in
    whatever order, or was refused throughout."""
    turns, refused = _turns(messages), _refused(messages)
    count = 0
    while count < len(turns) and (refused[-1 - count] or turns[-1 - count] in turns[: -1 - count]):
        count += 1
    return count


def _refused(messages: Sequence[BaseMessage]) -> list[bool]:
    """Of each turn, whether every one of its calls came back as an error."""
    turns: list[list[bool]] = []
    for message in messages:
        if isinstance(message, AIMessage):
            turns.append([])
        elif isinstance(message, ToolMessage) and turns:
            turns[-1].append(message.status == "error")
    return [bool(turn) and all(turn) for turn in turns[-WINDOW:]]


def _turns(messages: Sequence[BaseMessage]) -> list[str]:
    """A digest of each turn: what was called and what came of it, whatever was said beside."""
    turns: list[list[BaseMessage]] = []
    for message in messages:
        if isinstance(message, AIMessage):
            turns.append([AIMessage("", tool_calls=message.tool_calls)])
        elif isinstance(message, ToolMessage) and turns:
            turns[-1].append(message)
    return [request_digest(turn, {}) for turn in turns[-WINDOW:]]


def _in_a_row(turns: list[str], length: int) -> int:
    if len(turns) < length:
        return 0
    block, count = turns[-length:], 0
    while len(turns) >= length * (count + 1):
        end = len(turns) - length * count
        if turns[end - length : end] != block:
            break
        count += 1
    return count
