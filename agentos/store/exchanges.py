"""Model replies and tool results, stored before they are used: after a kill nothing is paid for or run twice.

A model call has its row before it is made, at what it may come to: what was charged for it is never forgotten.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.rows import DictRow

from agentos.domain.budget import Scope, Spend, Used
from agentos.domain.event import JsonObject
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef
from agentos.store.costs import USED, spend_in, used_in
from agentos.store.database import Database
from agentos.store.fence import Fence, write
from agentos.store.plain import as_json, as_text, as_time

_REPLY = "SELECT payload FROM model_calls WHERE task_id = %s AND n = %s AND digest = %s AND payload IS NOT NULL"
_RESERVE = """
    INSERT INTO model_calls (task_id, n, digest, run_id, stage, role, round, model,
                             calls, input_tokens, output_tokens, usd)
    SELECT %(task_id)s, %(n)s, %(digest)s, %(run_id)s, %(stage)s, %(role)s, %(round)s, %(model)s,
           %(calls)s, %(input_tokens)s, %(output_tokens)s, %(usd)s FROM fence
    RETURNING id"""
# The sums see what was committed before, never the new row itself: of those who ask at the same moment, each may pass.
_RESERVE_COUNTED = f"{_RESERVE}, ({USED}) AS used"
_SETTLE = """
    UPDATE model_calls SET calls = %(calls)s, input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s,
        usd = %(usd)s, settled_at = clock_timestamp(){more}
    FROM fence WHERE id = %(id)s RETURNING id"""
_KEEP = _SETTLE.format(
    more=""", model = %(model)s, payload = CASE WHEN NOT EXISTS (
        SELECT 1 FROM model_calls AS other WHERE other.task_id = model_calls.task_id AND other.n = model_calls.n
        AND other.digest = model_calls.digest AND other.payload IS NOT NULL) THEN %(payload)s::json END"""
)
_VAIN = _SETTLE.format(more="")
_UNDO = "DELETE FROM model_calls USING fence WHERE id = %(id)s RETURNING id"
_TOOL = "SELECT result FROM tool_calls WHERE task_id = %s AND call_id = %s"
_START = """
    INSERT INTO tool_calls (run_id, task_id, call_id) SELECT %(run_id)s, %(task_id)s, %(call_id)s FROM fence
    ON CONFLICT DO NOTHING RETURNING task_id"""
_FINISH = """
    INSERT INTO tool_calls AS old (run_id, task_id, call_id, result, finished_at)
    SELECT %(run_id)s, %(task_id)s, %(call_id)s, %(result)s, clock_timestamp() FROM fence
    ON CONFLICT (task_id, call_id) DO UPDATE SET result = excluded.result, finished_at = excluded.finished_at
    WHERE old.result IS NULL RETURNING task_id"""
_CALLS = "SELECT * FROM model_calls WHERE run_id = %s AND payload IS NOT NULL ORDER BY at, task_id, n"


@dataclass(frozen=True, slots=True)
class ToolState:
    """How far a tool call came. Started without a result: it may have acted, nobody knows."""

    started: bool
    result: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """A call that may be made: its row, and what was used before it where that was asked."""

    id: int
    used: Mapping[Scope, Used]


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

    async def reserve(  # noqa: PLR0913 - a call, where it belongs and what it may cost
        self, fence: Fence, call: CallRef, n: int, digest: str, *, model: str, worst: Spend, counted: bool = False
    ) -> Reserved:
        """Effect: the call is charged with `worst` until it is settled. `counted`: what was used before it comes back.

        Raises FenceLost.
        """
        values = {
            "task_id": as_text(call.task_id),
            "n": n,
            "digest": as_text(digest),
            "stage": call.stage,
            "role": as_text(call.role),
            "round": call.round,
            "model": as_text(model),
            **asdict(worst),
        }
        async with self._db.connection() as conn:
            row = await write(conn, fence, _RESERVE_COUNTED if counted else _RESERVE, values)
        assert row is not None
        return Reserved(row["id"], used_in(row["used"]) if counted else {})

    async def keep_reply(self, fence: Fence, call_id: int, *, model: str, payload: JsonObject, spend: Spend) -> None:
        """Effect: the call is settled, and its reply is kept; the first one of a request stays. Raises FenceLost."""
        values = {"id": call_id, "model": as_text(model), "payload": as_json(payload), **asdict(spend)}
        await self._write(fence, _KEEP, values)

    async def give_up(self, fence: Fence, call_id: int, spend: Spend) -> None:
        """Effect: the call is settled without a reply; one that came to no request at all is forgotten. Raises FenceLost."""
        await self._write(fence, _VAIN if spend.calls else _UNDO, {"id": call_id, **asdict(spend)})

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

    async def _write(self, fence: Fence, sql: str, values: dict[str, Any]) -> None:
        async with self._db.connection() as conn:
            await write(conn, fence, sql, values)


def _call(row: DictRow) -> CallRow:
    at = as_time(row["at"])
    assert at is not None
    return CallRow(Stage(row["stage"]), row["role"], row["round"], row["n"], row["model"], spend_in(row), at)
