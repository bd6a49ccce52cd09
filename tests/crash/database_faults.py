"""What a database does to a run at the worst moment: its sessions die around a statement, or the whole server restarts."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from agentos.store.embedded import connect_embedded
from agentos.store.embedded_layout import layout_of

END_SESSIONS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def count_statements(*, nth: int = 0, url: str = "", answered: bool = False) -> Callable[[], int]:
    """How to read the number of statements this process has sent from now on.

    Effect: all sessions at `url` end right before the `nth` statement is sent, or, where `answered`, that statement is
    carried out and its answer is lost.
    """
    sent = 0
    real = psycopg.AsyncCursor.execute

    async def execute(self: Any, *args: Any, **options: Any) -> Any:
        nonlocal sent
        sent += 1
        due = sent == nth
        if due and not answered:
            end_sessions(url)
        done = await real(self, *args, **options)
        if due and answered:
            raise psycopg.OperationalError("the answer was lost: server closed the connection unexpectedly")
        return done

    psycopg.AsyncCursor.execute = execute  # type: ignore[method-assign]  # the world breaks here, not our code
    return lambda: sent


def end_sessions(url: str) -> None:
    """Effect: nobody has a session in the database any more."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(END_SESSIONS)


def stop_server(home: Path, how: signal.Signals) -> None:
    """Effect: the server of `home` is told to end: SIGQUIT is PostgreSQL's immediate shutdown, SIGINT its fast one."""
    process = int((layout_of(home).data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(process, how)


def restart_server(home: Path) -> None:
    """Effect: the server of `home` ended as by `pg_ctl stop -m immediate`, and a recovered one answers."""
    stop_server(home, signal.SIGQUIT)
    connect_embedded(home).close()
