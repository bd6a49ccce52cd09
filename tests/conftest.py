"""What holds for every test: nothing of the developer's own machine leaks in, and nothing reaches the internet."""

import asyncio
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agentos.store import Store

_KEYS_OF_THE_DEVELOPER = ("_API_KEY", "_TOKEN", "_SECRET")
_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")

pytest_plugins = ["tests.figures"]


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name.endswith(_KEYS_OF_THE_DEVELOPER) or name.startswith(("AGENTOS_", "GIT_", "LANGSMITH_", "LANGCHAIN_")):
            del os.environ[name]
    # The developer's git settings (signing, hooks, default branch) must not decide a test.
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
    os.environ["GIT_CONFIG_NOSYSTEM"] = "1"
    # A sandbox is tried out once per boot and version of it, not once per test.
    os.environ["XDG_CACHE_HOME"] = str(config.rootpath / ".pytest_cache" / "xdg")
    sys.addaudithook(_stay_at_home)


def _stay_at_home(event: str, arguments: tuple[object, ...]) -> None:
    """Refuses connections that leave this machine; Unix sockets and loopback pass."""
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
        raise ConnectionRefusedError(f"a test tried to reach {address[0]!r}: tests stay on this machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for the database is slow by definition; nobody has to remember the mark."""
    for item in items:
        if "postgresql" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of our own, one for each process of the test run, with a migrated database as template."""
    # What is thrown away after the test needs to survive no power cut.
    with own_server(tmp_path_factory.mktemp("postgresql"), "fsync", "synchronous_commit", "full_page_writes") as url:
        yield url


@contextmanager
def no_trace_of(home: Path) -> Iterator[None]:
    """For root a server's folder lies in the system's state folder, which outlives the test's own: nothing of an earlier test,
    whose `home` was called the same, is there before the body, and nothing after it."""
    from agentos.store.embedded import is_running
    from agentos.store.embedded_layout import layout_of

    layout = layout_of(home)

    def erase() -> None:
        if layout.account.drop:
            shutil.rmtree(layout.root, ignore_errors=True)

    erase()
    try:
        yield
    finally:
        pause = threading.Event()
        for _ in range(3000):
            if not is_running(home):
                break
            pause.wait(0.01)
        erase()


@contextmanager
def own_server(home: Path, *switched_off: str) -> Iterator[str]:
    """The URL of the server of `home`, with a migrated database as template; it is gone after the body."""
    import psycopg

    from agentos.store.database import open_database
    from agentos.store.embedded import connect_embedded

    async def migrate(url: str) -> None:
        async with open_database(home, url):
            pass

    with no_trace_of(home), closing(connect_embedded(home)) as server:
        with psycopg.connect(server.url, autocommit=True) as conn:
            for setting in switched_off:
                conn.execute(f"ALTER SYSTEM SET {setting} = off".encode())
            conn.execute("SELECT pg_reload_conf()")
            conn.execute("CREATE DATABASE template_migrated")
        asyncio.run(migrate(_named(server.url, "template_migrated")))
        yield server.url


_numbers = count(1)


@pytest.fixture
def database_url(postgresql: str) -> Iterator[str]:
    """The URL of a database of the test's own, with all tables and no row."""
    with fresh_database(postgresql) as url:
        yield url


@pytest.fixture
def empty_database_url(postgresql: str) -> Iterator[str]:
    """The URL of a database that AgentOS has never seen."""
    with fresh_database(postgresql, "template0") as url:
        yield url


@pytest.fixture
async def store(database_url: str, tmp_path: Path) -> "AsyncIterator[Store]":
    """The store on the test's own database; `tmp_path / "home"` is its data folder."""
    from agentos.store import Store
    from agentos.store.database import open_database

    home = tmp_path / "home"
    home.mkdir()
    async with open_database(home, database_url) as db:
        yield Store.on(db, home)


@contextmanager
def fresh_database(server: str, template: str = "template_migrated") -> Iterator[str]:
    """The URL of a new database, dropped after the body; the server may have been restarted in between."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
    yield _named(server, name)
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _named(server: str, database: str) -> str:
    return server.replace("/agentos?", f"/{database}?")
