"""Bringing the tables up to date: ours from numbered files, LangGraph's by its own set-up, one process at a time."""

import asyncio
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import DictRow

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).with_name("migrations")
LOCK = 4_177_620_119
"""The advisory lock of a migration; a number nobody else is likely to use on a shared server."""
LOCK_TRIES, LOCK_PAUSE_S = 1200, 0.05
_DONE = "SELECT name FROM agentos_migrations"
_LEDGER = """CREATE TABLE IF NOT EXISTS agentos_migrations (
    name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"""
_RECORD = "INSERT INTO agentos_migrations (name) VALUES (%s) ON CONFLICT DO NOTHING"
_SAVER = "langgraph-checkpoint-postgres"


async def migrate(conn: psycopg.AsyncConnection[DictRow]) -> None:
    """Effect: all tables are there, as this version of AgentOS wants them. One SELECT where they are already.

    Raises: UsageError when a newer AgentOS changed the database, or this login may not make tables.
    """
    files = {path.stem: path for path in sorted(FOLDER.glob("[0-9]*.sql"))}
    # LangGraph counts its own migrations, but reading the count would import it, which `status` must not.
    saver = f"{_SAVER} {version(_SAVER)}"
    if not _missing(await _done(conn), (*files, saver)):
        return
    await _take_lock(conn)
    try:
        missing = _missing(await _done(conn), (*files, saver))
        await conn.execute(_LEDGER)
        for name in missing:
            await (_set_up_saver(conn, name) if name == saver else _apply(conn, files[name]))
    except psycopg.errors.InsufficientPrivilege as exc:
        words = exc.diag.message_primary
        raise UsageError(f"this database login may not make tables ({words}): grant it CREATE on its schema") from exc
    finally:
        await conn.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


async def _done(conn: psycopg.AsyncConnection[DictRow]) -> set[str]:
    try:
        return {row["name"] for row in await (await conn.execute(_DONE)).fetchall()}
    except psycopg.errors.UndefinedTable:
        return set()


def _missing(done: set[str], wanted: "Iterable[str]") -> list[str]:
    """What is wanted and not done, in order; refuses a database that a newer version has changed."""
    known = set(wanted)
    newer = sorted(name for name in done - known if re.fullmatch(r"[0-9]{4}_\w+", name))
    if newer:
        raise UsageError(
            f"the database was changed by a newer AgentOS ({', '.join(newer)}): "
            "install that version, or use another database (AGENTOS_DATABASE_URL or AGENTOS_HOME)"
        )
    return [name for name in wanted if name not in done]


async def _take_lock(conn: psycopg.AsyncConnection[DictRow]) -> None:
    """The lock, by asking again and again: a waiter inside `pg_advisory_lock` holds a snapshot, for whose end LangGraph's
    `CREATE INDEX CONCURRENTLY` waits under the lock: a deadlock."""
    for _ in range(LOCK_TRIES):
        row = await (await conn.execute("SELECT pg_try_advisory_lock(%s) AS got", (LOCK,))).fetchone()
        if row is not None and row["got"]:
            return
        await asyncio.sleep(LOCK_PAUSE_S)
    raise OutsideError(
        "another process has been migrating the database for a minute: wait for it or end it, then try again",
        kind=FailureKind.TRANSIENT,
    )


async def _apply(conn: psycopg.AsyncConnection[DictRow], file: Path) -> None:
    async with conn.transaction():
        await conn.execute(file.read_bytes())
        await conn.execute(_RECORD, (file.stem,))


async def _set_up_saver(conn: psycopg.AsyncConnection[DictRow], name: str) -> None:
    # Costs half a second of imports, once per version of the library.
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    # Not in a transaction: it builds indexes concurrently. It counts its own steps, so a kill in between is no harm.
    await AsyncPostgresSaver(conn).setup()
    await conn.execute(_RECORD, (name,))
