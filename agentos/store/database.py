"""The database of this process: found or started, brought up to date, and open."""

import asyncio
import logging
import select
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from agentos.store.connecting import connect, reached, read_url
from agentos.store.migrating import migrate

# Without a handler of its own Python would print what the pool notes to the person's terminal, beside our sentence.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

Connection: TypeAlias = psycopg.AsyncConnection[DictRow]
Params: TypeAlias = Sequence[Any] | Mapping[str, Any]

MOST_CONNECTIONS = 8
STUCK_AFTER = "20s"
"""A process that stopped inside a transaction holds its run's row; then the server ends its session, and others go on.
Our transactions are a few statements without any waiting between them."""
TIMES_TRANSACTIONS = 17_00_00
"""The first server version that also ends a session stopped inside a pipeline, which is not idle in its eyes."""


@dataclass(frozen=True)
class Database:
    """An open database. Every failure to reach it leaves here as OutsideError, kind TRANSIENT."""

    url: str
    pool: AsyncConnectionPool[Connection]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of the pool; each statement on it is committed by itself."""
        with reached():
            async with self.pool.connection() as conn:
                yield conn

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction: committed when the body ends, undone when it raises."""
        async with self.connection() as conn, conn.transaction():
            yield conn

    async def rows(self, sql: str, params: Params = ()) -> list[DictRow]:
        """All rows of one statement."""
        async with self.connection() as conn:
            return await (await conn.execute(sql, params)).fetchall()

    async def row(self, sql: str, params: Params = ()) -> DictRow | None:
        """The first row of one statement."""
        async with self.connection() as conn:
            return await (await conn.execute(sql, params)).fetchone()

    async def count(self, sql: str, params: Params = ()) -> int:
        """How many rows one statement changed."""
        async with self.connection() as conn:
            return (await conn.execute(sql, params)).rowcount


_THERE = "SELECT to_regclass('agentos_migrations') IS NOT NULL AS there"


@asynccontextmanager
async def open_database(home: Path, url: str | None) -> AsyncIterator[Database]:
    """The database at `url`, or AgentOS's own below `home` where that is None; up to date, and closed on exit.

    Effect: tables are made or migrated, once however many processes come at the same time.
    Raises: UsageError when the URL, the login or a newer database does not fit; OutsideError when it cannot be reached.
    No message carries the password.
    """
    if url is not None:
        async with _opened(url) as database:
            yield database
        return
    # Only here: who has a server of their own needs nothing of ours.
    from agentos.store.embedded import connect_embedded

    server = await asyncio.to_thread(connect_embedded, home)
    try:
        async with _opened(server.url) as database:
            yield database
    finally:
        server.close()


@asynccontextmanager
async def read_database(url: str) -> AsyncIterator[Database | None]:
    """The database at `url` for looking only: nothing is migrated and every transaction is read-only. None where it
    holds no tables of ours."""
    read_url(url)
    with reached():
        async with await connect(url) as conn:
            there = await (await conn.execute(_THERE)).fetchone()
    if there is None or not there["there"]:
        yield None
        return
    async with _pooled(url, options="-c default_transaction_read_only=on") as database:
        yield database


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    read_url(url)
    with reached():
        async with await connect(url) as conn:
            await migrate(conn)
    async with _pooled(url) as database:
        yield database


async def _require_alive(conn: Connection) -> None:
    """Raises OperationalError for a connection that a restarted server left behind.

    One that lies idle has nothing to read but the server's goodbye; only then the server is asked, which costs more than
    most of our statements.
    """
    poll = select.poll()
    poll.register(conn.fileno(), select.POLLIN)
    if poll.poll(0):
        await AsyncConnectionPool.check_connection(conn)


@asynccontextmanager
async def _pooled(url: str, **settings: str) -> AsyncIterator[Database]:
    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
        url,
        kwargs={"autocommit": True, "row_factory": dict_row, "application_name": "agentos", **settings},
        min_size=1,
        max_size=MOST_CONNECTIONS,
        open=False,
        check=_require_alive,
        name="agentos",
        configure=_configure,
    )
    async with pool:
        yield Database(url, pool)


async def _configure(conn: Connection) -> None:
    await conn.execute(f"SET idle_in_transaction_session_timeout = '{STUCK_AFTER}'")
    if conn.info.server_version >= TIMES_TRANSACTIONS:
        await conn.execute(f"SET transaction_timeout = '{STUCK_AFTER}'")
