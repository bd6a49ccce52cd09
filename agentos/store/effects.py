"""What was changed outside, by effect key: the intent before it, the result after it (DESIGN §5, the effect protocol)."""

from dataclasses import dataclass
from typing import Literal

from psycopg.rows import DictRow

from agentos.domain.effect import EffectKey
from agentos.domain.error import BugError
from agentos.domain.event import JsonObject
from agentos.domain.issue import IssueRef
from agentos.store.database import Database
from agentos.store.fence import Fence, write
from agentos.store.plain import as_json, as_text

# `first` keeps the first intent of every version: the right operand of || wins, so a known version keeps its time.
_INTEND = """
    INSERT INTO effects AS old (repo, issue, key, run_id, epoch, state, version, first)
    SELECT %(repo)s, %(issue)s, %(key)s, %(run_id)s, %(epoch)s, 'intended', %(version)s,
           jsonb_build_object(%(version)s::text, to_char(clock_timestamp() AT TIME ZONE 'UTC', %(iso)s)) FROM fence
    ON CONFLICT (repo, issue, key) DO UPDATE SET
        run_id = excluded.run_id, epoch = excluded.epoch, state = 'intended', version = excluded.version, result = NULL,
        first = excluded.first || old.first
    WHERE old.state = 'intended' OR old.version <> excluded.version
    RETURNING *"""
_RECORD = """
    UPDATE effects SET state = 'recorded', result = %(result)s, run_id = %(run_id)s, epoch = %(epoch)s FROM fence
    WHERE repo = %(repo)s AND issue = %(issue)s AND key = %(key)s RETURNING key"""
_GET = "SELECT * FROM effects WHERE repo = %(repo)s AND issue = %(issue)s AND key = %(key)s"
_OF_ISSUE = "SELECT * FROM effects WHERE repo = %(repo)s AND issue = %(issue)s ORDER BY first ->> version, key"
_ISO = 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00'


@dataclass(frozen=True, slots=True)
class EffectRow:
    """One effect of an issue. `run_id` and `epoch` say who intended or found it last; `result` is set once recorded;
    `at` is when `version` was first intended, ISO 8601 UTC."""

    key: EffectKey
    state: Literal["intended", "recorded"]
    run_id: int
    epoch: int
    result: JsonObject | None
    version: str
    at: str


class EffectStore:
    """All effects; a new run of an issue finds what an earlier one made."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def intend(self, fence: Fence, issue: IssueRef, key: EffectKey, *, version: str = "") -> EffectRow:
        """The row of `key`: as it is where that version was intended or recorded before, else intended now.

        A recorded row of another version is intended again. Raises FenceLost.
        """
        values = _named(issue, key) | {"version": as_text(version), "iso": _ISO}
        async with self._db.connection() as conn:
            row = await write(conn, fence, _INTEND, values)
            row = row or await (await conn.execute(_GET, values)).fetchone()
        assert row is not None
        return _effect(row)

    async def record(self, fence: Fence, issue: IssueRef, key: EffectKey, result: JsonObject) -> None:
        """Effect: what was read back is kept. Repeating is harmless. Raises FenceLost; BugError without an intent."""
        async with self._db.connection() as conn:
            if await write(conn, fence, _RECORD, _named(issue, key) | {"result": as_json(result)}) is None:
                raise BugError(f"{key} of {issue} was recorded without an intent")

    async def get(self, issue: IssueRef, key: EffectKey) -> EffectRow | None:
        """The row of `key`, if it was ever intended."""
        row = await self._db.row(_GET, _named(issue, key))
        return None if row is None else _effect(row)

    async def of_issue(self, issue: IssueRef) -> tuple[EffectRow, ...]:
        """All effects of `issue` over all its runs, in the order they were intended."""
        return tuple(_effect(row) for row in await self._db.rows(_OF_ISSUE, _named(issue, EffectKey(""))))


def _named(issue: IssueRef, key: EffectKey) -> dict[str, object]:
    return {"repo": as_text(issue.repo), "issue": issue.number, "key": as_text(key)}


def _effect(row: DictRow) -> EffectRow:
    return EffectRow(
        key=EffectKey(row["key"]),
        state=row["state"],
        run_id=row["run_id"],
        epoch=row["epoch"],
        result=row["result"],
        version=row["version"],
        at=row["first"][row["version"]],
    )
