"""Model replies and tool results, stored before they are used: after a kill nothing is paid for or run twice."""

from dataclasses import dataclass
from typing import Any, Literal

from psycopg.rows import DictRow

from agentos.domain.budget import Spend
from agentos.domain.event import JsonObject
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef
from agentos.store.database import Database
from agentos.store.fence import Fence, write
from agentos.store.plain import as_json, as_text, as_time

_REPLY = "SELECT payload FROM replies WHERE task_id = %s AND n = %s AND digest = %s"
_KEEP = """
    INSERT INTO replies (task_id, n, digest, run_id, stage, role, round, model, payload,
                         calls, input_tokens, output_tokens, usd)
    SELECT %(task_id)s, %(n)s, %(digest)s, %(run_id)s, %(stage)s, %(role)s, %(round)s, %(model)s, %(payload)s,
           %(calls)s, %(input_tokens)s, %(output_tokens)s, %(usd)s FROM fence
    ON CONFLICT DO NOTHING RETURNING task_id"""
_TOOL = "SELECT result FROM tool_calls WHERE task_id = %s AND call_id = %s"
_START = """
    INSERT INTO tool_calls (run_id, task_id, call_id) SELECT %(run_id)s, %(task_id)s, %(call_id)s FROM fence
    ON CONFLICT DO NOTHING RETURNING task_id"""
_FINISH = """
    INSERT INTO tool_calls AS old (run_id, task_id, call_id, result, finished_at)
    SELECT %(run_id)s, %(task_id)s, %(call_id)s, %(result)s, clock_timestamp() FROM fence
    ON CONFLICT (task_id, call_id) DO UPDATE SET result = excluded.result, finished_at = excluded.finished_at
    WHERE old.result IS NULL RETURNING task_id"""
_CALLS = "SELECT * FROM replies WHERE run_id = %s ORDER BY at, task_id, n"
# One unknown price makes the sum unknown: it is never taken for 0.
_SUMS = """coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
    coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
    CASE WHEN bool_or(usd IS NULL) THEN NULL ELSE coalesce(sum(usd), 0) END AS usd"""
_SPEND = f"SELECT {_SUMS} FROM replies WHERE run_id = %s"  # noqa: S608 - two constants
_SPEND_BY = {
    "stage": f"SELECT stage AS part, {_SUMS} FROM replies WHERE run_id = %s GROUP BY stage ORDER BY stage",  # noqa: S608
    "model": f"SELECT model AS part, {_SUMS} FROM replies WHERE run_id = %s GROUP BY model ORDER BY model",  # noqa: S608
}


@dataclass(frozen=True, slots=True)
class ToolState:
    """How far a tool call came. Started without a result: it may have acted, nobody knows."""

    started: bool
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class CallRow:
    """One stored reply: call `n` (from 0) of a conversation. `at` is ISO 8601 UTC."""

    stage: Stage
    role: str
    round: int
    n: int
    model: str
    spend: Spend
    at: str


class ExchangeStore:
    """All replies and tool calls."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def reply(self, task_id: str, n: int, digest: str) -> dict[str, Any] | None:
        """The stored reply to exactly that request, key for key as it was kept."""
        row = await self._db.row(_REPLY, (task_id, n, digest))
        return None if row is None else row["payload"]

    async def keep_reply(  # noqa: PLR0913 - a reply, where it belongs and what it cost
        self, fence: Fence, call: CallRef, n: int, digest: str, *, model: str, payload: JsonObject, spend: Spend
    ) -> None:
        """Effect: the reply is kept; the first one of a request stays. Raises FenceLost."""
        values = {
            "task_id": as_text(call.task_id),
            "n": n,
            "digest": as_text(digest),
            "stage": call.stage,
            "role": as_text(call.role),
            "round": call.round,
            "model": as_text(model),
            "payload": as_json(payload),
            "calls": spend.calls,
            "input_tokens": spend.input_tokens,
            "output_tokens": spend.output_tokens,
            "usd": spend.usd,
        }
        await self._write(fence, _KEEP, values)

    async def tool_state(self, task_id: str, call_id: str) -> ToolState | None:
        """How far the call came; None where it was never started."""
        row = await self._db.row(_TOOL, (task_id, call_id))
        return None if row is None else ToolState(started=True, result=row["result"])

    async def start_tool(self, fence: Fence, task_id: str, call_id: str) -> None:
        """Effect: the call counts as started. Repeating is harmless. Raises FenceLost."""
        await self._write(fence, _START, {"task_id": as_text(task_id), "call_id": as_text(call_id)})

    async def finish_tool(self, fence: Fence, task_id: str, call_id: str, result: JsonObject) -> None:
        """Effect: the result is kept; the first one stays. Raises FenceLost."""
        values = {"task_id": as_text(task_id), "call_id": as_text(call_id), "result": as_json(result)}
        await self._write(fence, _FINISH, values)

    async def calls(self, run_id: int) -> tuple[CallRow, ...]:
        """Every stored reply of the run, oldest first."""
        return tuple(_call(row) for row in await self._db.rows(_CALLS, (run_id,)))

    async def spend(self, run_id: int) -> Spend:
        """What the run's models cost so far."""
        row = await self._db.row(_SPEND, (run_id,))
        return Spend() if row is None else _spend(row)

    async def spend_by(self, run_id: int, part: Literal["stage", "model"]) -> dict[str, Spend]:
        """The same by stage or by model."""
        return {row["part"]: _spend(row) for row in await self._db.rows(_SPEND_BY[part], (run_id,))}

    async def _write(self, fence: Fence, sql: str, values: dict[str, Any]) -> None:
        async with self._db.connection() as conn:
            await write(conn, fence, sql, values)


def _spend(row: DictRow) -> Spend:
    return Spend(row["calls"], row["input_tokens"], row["output_tokens"], row["usd"])


def _call(row: DictRow) -> CallRow:
    at = as_time(row["at"])
    assert at is not None
    return CallRow(Stage(row["stage"]), row["role"], row["round"], row["n"], row["model"], _spend(row), at)
