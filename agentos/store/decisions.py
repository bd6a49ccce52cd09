"""What people decided about a run: each decision counts once, is consumed once, and is heard of by who works on it."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from psycopg import OperationalError
from psycopg.errors import ForeignKeyViolation
from psycopg.rows import DictRow
from pydantic import TypeAdapter

from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.error import BugError, OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.store.connecting import connect, first_line
from agentos.store.database import Database
from agentos.store.fence import Fence, write
from agentos.store.plain import as_json, as_text, as_time

_DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)
CHANNEL = "agentos_decisions"
# Who listens hears of it when it is committed, not before.
_RECORD = f"""
    WITH new AS (
        INSERT INTO decisions (run_id, source, decision) VALUES (%s, %s, %s)
        ON CONFLICT (run_id, source) DO NOTHING RETURNING *)
    SELECT new.*, pg_notify('{CHANNEL}', run_id::text) FROM new"""  # noqa: S608 - a constant
_PENDING = "SELECT * FROM decisions WHERE run_id = %s AND consumed_at IS NULL ORDER BY id"
_OF_RUN = "SELECT * FROM decisions WHERE run_id = %s ORDER BY id"
_HOLD = """
    SELECT * FROM decisions WHERE run_id = %s AND decision ->> 'kind' IN ('hold', 'resume') ORDER BY id DESC LIMIT 1"""
_ORDER = """
    SELECT * FROM decisions WHERE run_id = %s
    AND (decision ->> 'kind' IN ('hold', 'resume') OR (decision ->> 'kind' = 'cancel' AND consumed_at IS NULL))
    ORDER BY decision ->> 'kind' = 'cancel' DESC, id DESC LIMIT 1"""
_CONSUME = """
    UPDATE decisions SET consumed_at = coalesce(consumed_at, clock_timestamp()) FROM fence
    WHERE id = %(id)s AND run_id = %(run_id)s RETURNING id"""


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision as it was recorded; times are ISO 8601 UTC, `consumed_at` is None until the run took it."""

    id: int
    run_id: int
    decision: Decision
    at: str
    consumed_at: str | None


class DecisionStore:
    """All decisions. Recording one needs no fence: people decide while nobody, or somebody, works on the run."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def record(self, run_id: int, decision: Decision) -> DecisionRow | None:
        """The row of `decision`, or None where a decision from the same source was counted before."""
        stored = as_json(_DECISION.dump_python(decision, mode="json"))
        try:
            row = await self._db.row(_RECORD, (run_id, as_text(decision.source), stored))
        except ForeignKeyViolation as exc:
            raise UsageError(f"there is no run with the id {run_id}") from exc
        return None if row is None else _decided(row)

    async def pending(self, run_id: int) -> tuple[DecisionRow, ...]:
        """What was decided and not consumed yet, oldest first."""
        return tuple(_decided(row) for row in await self._db.rows(_PENDING, (run_id,)))

    async def of_run(self, run_id: int) -> tuple[DecisionRow, ...]:
        """All decisions about the run, oldest first."""
        return tuple(_decided(row) for row in await self._db.rows(_OF_RUN, (run_id,)))

    async def hold(self, run_id: int) -> DecisionRow | None:
        """The hold that stands: the run is on hold from it until somebody resumes it, whether or not it stopped yet."""
        return _unless_resumed(await self._db.row(_HOLD, (run_id,)))

    async def order(self, run_id: int) -> DecisionRow | None:
        """What stands against the run's going on: a cancel that was not carried out yet, else the hold it is under."""
        return _unless_resumed(await self._db.row(_ORDER, (run_id,)))

    async def recorded(self, run_id: int) -> AsyncGenerator[None, None]:
        """One turn at once, then one after every decision about the run; ends only with its reader. Nothing is polled.

        Raises OutsideError, kind TRANSIENT, where the database breaks off.
        """
        async with contextlib.aclosing(self.heard()) as turns:
            async for told in turns:
                if told in (None, run_id):
                    yield

    async def heard(self) -> AsyncGenerator[int | None, None]:
        """None once it listens, then the run of every decision that is recorded; ends only with its reader. Nothing is
        polled. Raises as `recorded`."""
        # A connection of its own: it listens for as long as somebody reads, and the pool is small.
        async with await connect(self._db.url) as conn:
            try:
                await conn.execute(f"LISTEN {CHANNEL}")
                yield None
                async for told in conn.notifies():
                    yield int(told.payload)
            except OperationalError as exc:
                raise OutsideError(f"the database broke off: {first_line(exc)}", kind=FailureKind.TRANSIENT) from exc

    async def consume(self, fence: Fence, decision_id: int) -> None:
        """Effect: the decision is pending no more. Repeating is harmless. Raises FenceLost."""
        async with self._db.connection() as conn:
            if await write(conn, fence, _CONSUME, {"id": decision_id}) is None:
                raise BugError(f"decision {decision_id} is not one about run {fence.run_id}")


def _unless_resumed(row: DictRow | None) -> DecisionRow | None:
    found = None if row is None else _decided(row)
    return None if found is None or found.decision.kind is DecisionKind.RESUME else found


def _decided(row: DictRow) -> DecisionRow:
    at = as_time(row["at"])
    assert at is not None
    decision = _DECISION.validate_python(row["decision"])
    return DecisionRow(row["id"], row["run_id"], decision, at, as_time(row["consumed_at"]))
