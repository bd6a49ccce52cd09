"""Whether an agent goes in circles, or gets nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from agentos.prompting.passing_model import request_digest

LONGEST_CIRCLE = 3
WINDOW = LONGEST_CIRCLE * 10


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply and its results: a digest of what was called and what came of it, whatever was said beside, and whether
    every call was refused."""

    digest: str
    refused: bool


def turns_of(messages: Sequence[BaseMessage], known: Sequence[Turn] = ()) -> list[Turn]:
    """The turns of a conversation that waits for its next reply; `known` are the first of them, looked at before."""
    said: list[list[BaseMessage]] = []
    for message in messages:
        if isinstance(message, AIMessage):
            said.append([AIMessage("", tool_calls=message.tool_calls)])
        elif isinstance(message, ToolMessage) and said:
            said[-1].append(message)
    return [*known, *(_turn(each) for each in said[len(known) :])]


def repeats(turns: Sequence[Turn]) -> int:
    """How often in a row the last turns did the same with the same result: one turn, or two or three in turn."""
    last = [turn.digest for turn in turns[-WINDOW:]]
    return max((_in_a_row(last, length) for length in range(1, LONGEST_CIRCLE + 1)), default=0)


def stale(turns: Sequence[Turn]) -> int:
    """How many of the last turns brought nothing that was not there before: each was the same as an earlier one, in
    whatever order, or was refused throughout."""
    last = turns[-WINDOW:]
    earlier = [turn.digest for turn in last]
    count = 0
    while count < len(last) and (last[-1 - count].refused or earlier[-1 - count] in earlier[: -1 - count]):
        count += 1
    return count


def _turn(said: Sequence[BaseMessage]) -> Turn:
    results = [message for message in said if isinstance(message, ToolMessage)]
    refused = bool(results) and all(result.status == "error" for result in results)
    return Turn(request_digest(list(said), {}), refused)


def _in_a_row(turns: Sequence[str], length: int) -> int:
    if len(turns) < length:
        return 0
    block, count = turns[-length:], 0
    while len(turns) >= length * (count + 1):
        end = len(turns) - length * count
        if turns[end - length : end] != block:
            break
        count += 1
    return count
