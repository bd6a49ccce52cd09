"""What happened in a run: appended once, read in order, followed live."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, TypeAlias

from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow

from agentos.domain.event import Event, EventKind, JsonObject
from agentos.domain.pipeline import Stage
from agentos.store.connecting import connect, reached
from agentos.store.database import Connection, Database
from agentos.store.fence import OWNED, Fence, check
from agentos.store.plain import as_json, as_text, as_time
from agentos.telemetry.redaction import redacted_data

CHANNEL = "agentos_events"
UNKNOWN = "NOT EXISTS (SELECT 1 FROM events WHERE run_id = %(run_id)s AND event_id = %(event_id)s)"
# The row that was counted up is locked until the commit, so numbers have no gaps; who listens hears of it only then.
_TELL = """
    WITH counted AS ({counted}), told AS (
        INSERT INTO events (run_id, seq, event_id, kind, stage, step, data)
        SELECT id, last_seq, %(event_id)s, %(kind)s, {stage}, {step}, %(data)s FROM counted RETURNING *)
    SELECT told.*, counted.*, pg_notify('{channel}', told.run_id::text) FROM told, counted"""
_ONCE = "events_run_id_event_id_key"
_READ = "SELECT * FROM events WHERE run_id = %s AND seq > %s ORDER BY seq"
_HISTORIES = """
    SELECT run_id, seq, at, kind, events.stage, events.step, '{}'::json AS data,
        (runs.repo, runs.issue) = (own.repo, own.issue) AS of_issue
    FROM events JOIN runs ON runs.id = run_id JOIN runs AS own ON own.id = %(run_id)s
    WHERE (runs.repo, runs.issue) = (own.repo, own.issue)
        OR (%(since)s::timestamptz IS NOT NULL AND coalesce(runs.completed_at >= %(since)s, true))
    ORDER BY run_id, seq"""

Observer: TypeAlias = Callable[[Event], None]
"""Told each event of this process once it is committed, for live displays. Must not block or raise."""


def unseen(event: Event) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class History:
    """What happened in a run, without the data of its events; `of_issue`: it works on the issue that was asked for."""

    run_id: int
    of_issue: bool
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event before it has its number; `event_id` makes a repeat harmless."""

    kind: EventKind
    event_id: str
    data: JsonObject
    stage: Stage | None = None
    step: str | None = None

    def values(self, run_id: int) -> dict[str, Any]:
        """What a `telling` statement asks of it."""
        return {
            "run_id": run_id,
            "event_id": as_text(self.event_id),
            "kind": self.kind,
            "stage": self.stage,
            "step": None if self.step is None else as_text(self.step),
            "data": as_json(redacted_data(self.data)),
        }


def telling(counted: str, *, stage: str = "%(stage)s", step: str = "%(step)s") -> str:
    """The statement that does `counted` and appends its event, both or neither; its row is both of theirs.

    `counted` updates a row of `runs`, `last_seq` by one, and returns at least `id` and `last_seq`.
    """
    return _TELL.format(counted=counted, stage=stage, step=step, channel=CHANNEL)


TELL = telling("UPDATE runs SET last_seq = last_seq + 1 WHERE id = %(run_id)s RETURNING id, last_seq")
"""For who made the run's row in the same transaction: nobody else can own it yet."""
_APPEND = telling(f"UPDATE runs SET last_seq = last_seq + 1 WHERE {OWNED} AND {UNKNOWN} RETURNING id, last_seq")  # noqa: S608


async def tell(
    conn: Connection, fence: Fence, new: NewEvent, sql: str, more: dict[str, Any] | None = None
) -> DictRow | None:
    """The row of `sql`, a `telling` statement, or None where it told nothing: the run has the event, or a condition
    of its own did not hold. Raises FenceLost."""
    try:
        values = {**new.values(fence.run_id), "epoch": fence.epoch, **(more or {})}
        row = await (await conn.execute(sql, values)).fetchone()
    except UniqueViolation as exc:
        # Two tasks told it at once, and neither saw the other's; everything of the second was undone.
        if exc.diag.constraint_name != _ONCE:
            raise
        row = None
    if row is None:
        await check(conn, fence)
    return row


class Ledger:
    """The events of all runs."""

    def __init__(self, db: Database, observe: Observer = unseen) -> None:
        self._db = db
        self._observe = observe

    async def append(  # noqa: PLR0913 - an event is these facts
        self,
        fence: Fence,
        kind: EventKind,
        *,
        stage: Stage | None,
        step: str | None,
        data: JsonObject,
        event_id: str,
    ) -> Event | None:
        """The new event, or None where the run has one with that `event_id`. Raises FenceLost."""
        async with self._db.connection() as conn:
            row = await tell(conn, fence, NewEvent(kind, event_id, data, stage, step), _APPEND)
        if row is None:
            return None
        told = as_event(row)
        self._observe(told)
        return told

    async def read(self, run_id: int, *, after: int = 0) -> tuple[Event, ...]:
        """The run's events with a number greater than `after`, in order."""
        return tuple(as_event(row) for row in await self._db.rows(_READ, (run_id, after)))

    async def histories(self, run_id: int, *, since: datetime | None = None) -> tuple[History, ...]:
        """The histories of all runs of the issue of `run_id`; with `since`, of every run that had not ended before, too."""
        rows = await self._db.rows(_HISTORIES, {"run_id": run_id, "since": since})
        runs = groupby(rows, key=lambda row: (row["run_id"], row["of_issue"]))
        return tuple(History(number, ours, tuple(map(as_event, told))) for (number, ours), told in runs)

    async def follow(self, run_id: int, *, after: int = 0) -> AsyncGenerator[Event, None]:
        """The run's events after `after`, those to come included; ends only with its reader. Nothing is polled."""
        # A connection of its own: it listens for as long as somebody reads, and the pool is small.
        with reached():
            async with await connect(self._db.url) as conn:
                await conn.execute(f"LISTEN {CHANNEL}")
                # Listening began before this read, so what comes in between is told twice rather than lost.
                for event in await self.read(run_id, after=after):
                    after = event.seq
                    yield event
                async for told in conn.notifies():
                    if told.payload != str(run_id):
                        continue
                    for event in await self.read(run_id, after=after):
                        after = event.seq
                        yield event


def as_event(row: DictRow) -> Event:
    """The event in a row of `events`."""
    at = as_time(row["at"])
    assert at is not None
    stage = None if row["stage"] is None else Stage(row["stage"])
    return Event(row["run_id"], row["seq"], at, EventKind(row["kind"]), stage, row["step"], row["data"])
