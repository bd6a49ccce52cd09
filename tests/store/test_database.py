"""Opening the database: migrated once however many come, and one sentence without secrets where it does not open."""

import asyncio
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest

from agentos.domain.error import AgentOSError, OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.store import Store
from agentos.store.connecting import _refused, connect, read_url
from agentos.store.database import open_database
from agentos.store.migrating import FOLDER

OPEN = """
import asyncio, sys
from pathlib import Path
from agentos.store.database import open_database

async def main():
    async with open_database(Path("."), sys.argv[1]) as db:
        rows = await db.rows("SELECT name FROM agentos_migrations")
        print(len(rows), any(name.startswith("langgraph") for name in sys.modules))

print("ready", flush=True)
sys.stdin.readline()
asyncio.run(main())
"""
SECRET = "p@ss/wörd:1?#"


def start(url: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_six_processes_that_open_an_empty_database_at_once_migrate_it_once(empty_database_url: str) -> None:
    processes = [start(empty_database_url) for _ in range(6)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [(*process.communicate(timeout=90), process.returncode) for process in processes]
    applied = len(list(FOLDER.glob("*.sql"))) + 1
    assert [(out.split()[:1], code) for out, _, code in ended] == [([str(applied)], 0)] * 6, ended
    with psycopg.connect(empty_database_url) as conn:
        invalid = conn.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
    assert invalid == (0,)


def test_a_database_that_is_up_to_date_opens_without_langgraph(database_url: str) -> None:
    out, errors = start(database_url).communicate("go\n", timeout=60)
    assert out.endswith(" False\n"), errors


async def test_a_half_done_migration_is_completed(empty_database_url: str, tmp_path: Path) -> None:
    async with open_database(tmp_path, empty_database_url) as db:
        await db.count("DELETE FROM agentos_migrations WHERE name LIKE 'langgraph%%'")
        await db.count("DELETE FROM checkpoint_migrations WHERE v > 4")
        await db.count("DROP INDEX checkpoints_thread_id_idx")
    async with open_database(tmp_path, empty_database_url) as db:
        assert await db.rows("SELECT 1 FROM pg_indexes WHERE indexname = 'checkpoints_thread_id_idx'")


async def test_a_database_of_a_newer_agentos_is_left_alone(database_url: str, tmp_path: Path) -> None:
    async with open_database(tmp_path, database_url) as db:
        await db.count("INSERT INTO agentos_migrations VALUES ('9999_future')")
    with pytest.raises(UsageError, match=r"newer AgentOS \(9999_future\): install that version"):
        async with open_database(tmp_path, database_url):
            pass


async def refusal(tmp_path: Path, url: str) -> AgentOSError:
    with pytest.raises(AgentOSError) as caught:
        async with open_database(tmp_path, url):
            pass
    told = "".join(traceback.format_exception(caught.value))
    for secret in (SECRET, quote(SECRET, safe=""), "wörd", quote("wörd")):
        assert secret not in told
    assert "\n" not in str(caught.value)
    return caught.value


def at(url: str, *, user: str = "agentos", password: str = "", database: str = "agentos") -> str:
    return f"postgresql://{user}:{quote(password, safe='')}@/{database}?{urlsplit(url).query}"


@pytest.fixture
def locked_user(postgresql: str) -> Iterator[str]:
    """A login that has a password, on a server that asks for it."""
    with psycopg.connect(postgresql, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE locked LOGIN PASSWORD '{SECRET}'")
        row = conn.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        before = rules.read_text()
        rules.write_text(f"local all locked scram-sha-256\n{before}")
        conn.execute("SELECT pg_reload_conf()")
        yield "locked"
        rules.write_text(before)
        conn.execute("SELECT pg_reload_conf()")
        conn.execute("DROP ROLE locked")


async def test_a_wrong_password_is_said_in_one_sentence_that_does_not_show_it(
    postgresql: str, locked_user: str, tmp_path: Path
) -> None:
    wrong = await refusal(tmp_path, at(postgresql, user=locked_user, password=f"{SECRET}x"))
    assert isinstance(wrong, UsageError)
    assert "refuses the login of 'locked'" in str(wrong)
    none = await refusal(tmp_path, at(postgresql, user=locked_user))
    assert isinstance(none, UsageError)


async def test_a_login_without_rights_is_told_what_it_needs(postgresql: str, locked_user: str, tmp_path: Path) -> None:
    denied = await refusal(tmp_path, at(postgresql, user=locked_user, password=SECRET))
    assert isinstance(denied, UsageError)
    assert "grant it CREATE" in str(denied)


async def test_a_missing_database_is_named(postgresql: str, tmp_path: Path) -> None:
    missing = await refusal(tmp_path, at(postgresql, password=SECRET, database="nowhere"))
    assert isinstance(missing, UsageError)
    assert "'nowhere'" in str(missing)
    assert "createdb" in str(missing)


async def test_a_server_that_is_down_may_be_tried_again(tmp_path: Path) -> None:
    down = await refusal(tmp_path, f"postgresql://ann:{quote(SECRET, safe='')}@127.0.0.1:1/work")
    assert isinstance(down, OutsideError)
    assert down.kind is FailureKind.TRANSIENT
    assert "the database 'work' at 127.0.0.1:1 cannot be reached" in str(down)
    no_socket = await refusal(tmp_path, f"postgresql://ann:x@/work?host={quote(str(tmp_path), safe='')}")
    assert isinstance(no_socket, OutsideError)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{SECRET}@localhost/work",
        "postgresql://ann:wörd@more@localhost/work",
        "postgresql://ann:wörd/more@localhost/work",
        "postgresql://ann:wörd?more@localhost/work",
        "postgresql://ann:wörd#more@localhost/work",
        "postgresql:/ann:wörd@localhost/work",
        "postgresql://ann:%zzwörd@localhost/work",
        "mysql://ann:wörd@localhost/work",
        "wörd",
        "",
    ],
)
async def test_a_broken_url_is_refused_without_a_part_of_it(tmp_path: Path, url: str) -> None:
    broken = await refusal(tmp_path, url)
    assert isinstance(broken, UsageError)
    assert "postgresql://user:password@host:5432/database" in str(broken)


def test_a_driver_that_says_the_password_is_not_repeated() -> None:
    parts = read_url(f"postgresql://ann:{quote(SECRET, safe='')}@localhost/work")
    told = str(_refused(f"odd answer to {SECRET}\nmore", parts))
    assert "odd answer to ***" in told
    assert SECRET not in told


def test_a_sound_url_is_read_part_by_part() -> None:
    parts = read_url(f"postgresql://ann:{quote(SECRET, safe='')}@[::1]:5433/work?sslmode=require")
    assert (parts["user"], parts["password"], parts["port"]) == ("ann", SECRET, "5433")
    assert read_url("host=db user=ann password='a b@c'")["password"] == "a b@c"


async def test_a_connection_the_server_ends_is_transient_and_the_next_one_works(store: Store) -> None:
    with pytest.raises(OutsideError, match="broke off") as caught:
        await store.db.rows("SELECT pg_terminate_backend(pg_backend_pid())")
    assert caught.value.kind is FailureKind.TRANSIENT
    await store.db.rows(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert await store.runs.find() == ()


def test_the_store_imports_neither_langgraph_nor_a_provider() -> None:
    code = "import sys, agentos.store; print(sorted(m for m in sys.modules if m.split('.')[0].startswith('lang')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_a_cancelling_that_the_driver_swallowed_still_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def swallows(*_: object, **__: object) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise psycopg.OperationalError("connection timeout expired") from None

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", swallows)
    connecting = asyncio.create_task(connect("postgresql://ann@127.0.0.1:1/work"))
    await asked.wait()
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
