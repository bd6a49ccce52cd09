"""One connection to the database, and one sentence without secrets where there is none."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import DictRow, dict_row
from psycopg_pool import PoolTimeout

from agentos.domain.error import AgentOSError, OutsideError, UsageError
from agentos.domain.failure import FailureKind

CONNECT_TIMEOUT_S = 10
_HOW = "AGENTOS_DATABASE_URL must look like postgresql://user:password@host:5432/database"
_ENCODE = "special characters of user and password percent-encoded (@ is %40, / is %2F, : is %3A)"
# What PostgreSQL answers where trying again changes nothing; other answers, and other languages, count as transient.
_LOGIN = re.compile(r"authentication failed|no password supplied|no pg_hba\.conf entry|role .* does not exist")
_MISSING = re.compile(r"FATAL: +database .* does not exist")


def read_url(url: str) -> dict[str, str]:
    """The parts of a database URL, as libpq names them. Raises UsageError, without a part of it, for a broken one."""
    if not url.strip():
        raise UsageError(f"AGENTOS_DATABASE_URL is empty: {_HOW}, or must not be set")
    if "://" in url and url.count("@") > 1:
        # libpq would take what follows the first of them for the host, and show that to people.
        raise UsageError(f"AGENTOS_DATABASE_URL has more than one @: {_HOW}, {_ENCODE}")
    authority = url.partition("://")[2]
    if "@" in authority and re.search(r"[/?#]", authority.partition("@")[0]):
        raise UsageError(f"AGENTOS_DATABASE_URL cannot be read: {_HOW}, {_ENCODE}")
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Not `from` it: what libpq says may quote the URL.
        raise UsageError(f"AGENTOS_DATABASE_URL cannot be read: {_HOW}, {_ENCODE}") from None
    return {name: str(value) for name, value in parts.items() if value is not None}


async def connect(url: str) -> psycopg.AsyncConnection[DictRow]:
    """A connection of one's own, outside the pool. Raises UsageError or OutsideError in one sentence."""
    parts = read_url(url)
    timeout_s = int(parts.get("connect_timeout", CONNECT_TIMEOUT_S))
    try:
        return await psycopg.AsyncConnection.connect(
            url, autocommit=True, row_factory=dict_row, connect_timeout=timeout_s, application_name="agentos"
        )
    except psycopg.OperationalError as exc:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from None  # Python 3.11's wait_for, inside the driver, may swallow it
        raise _refused(str(exc), parts) from None


def _refused(words: str, parts: dict[str, str]) -> AgentOSError:
    where = f"the database {parts.get('dbname', '')!r} at {parts.get('host', 'localhost')}:{parts.get('port', '5432')}"
    why = _without(first_line(words), parts.get("password"))
    if _LOGIN.search(words):
        return UsageError(f"{where} refuses the login of {parts.get('user', 'the current user')!r}: {why}")
    if _MISSING.search(words):
        return UsageError(f"{where} does not exist: create it with `createdb`, or correct AGENTOS_DATABASE_URL")
    return OutsideError(
        f"{where} cannot be reached ({why}): start the server, correct AGENTOS_DATABASE_URL, or unset it",
        kind=FailureKind.TRANSIENT,
    )


@contextmanager
def reached() -> Iterator[None]:
    """The body, with every failure to reach the database, or to go on with it, as OutsideError, kind TRANSIENT."""
    try:
        yield
    except psycopg.OperationalError as exc:
        what = "gives no connection" if isinstance(exc, PoolTimeout) else "broke off"
        raise OutsideError(
            f"the database {what}: {first_line(exc)}; nothing done is lost, the same command goes on once it answers",
            kind=FailureKind.TRANSIENT,
        ) from exc


def first_line(words: object) -> str:
    """What a driver's error says, as far as it fits into a sentence."""
    lines = [line.strip() for line in str(words).splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"


def _without(words: str, secret: str | None) -> str:
    for form in filter(None, (secret, unquote(secret or ""))):
        words = words.replace(form, "***")
    return words
