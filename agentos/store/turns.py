"""Turns: what only one process at a time does, by a lock of the database that is free the moment its holder dies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentos.store.connecting import connect, reached
from agentos.store.database import Database

_TAKE = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0)) AS taken"


@asynccontextmanager
async def turn(db: Database, what: str) -> AsyncIterator[bool]:
    """Whether it is this process's turn to do `what`; then nobody else has it while the body runs."""
    # A connection of its own: the lock is the session's, and the pool hands sessions on.
    with reached():
        conn = await connect(db.url)
    async with conn:
        row = await (await conn.execute(_TAKE, (f"agentos {what}",))).fetchone()
        yield row is not None and bool(row["taken"])
