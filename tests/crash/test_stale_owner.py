"""An owner that was stopped, lost its lease and woke up again can write nothing any more."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.crash.conftest import ROOT, World

pytestmark = pytest.mark.slow
DRIVE = "import sys; from pathlib import Path; from tests.crash.drive import drive; print(drive(Path(sys.argv[1])))"
LIMIT_S = 90.0


@contextmanager
def _driver(world: World, home: Path) -> Iterator[subprocess.Popen[str]]:
    """A driver in a process of its own, on a data folder of its own: a machine of its own, as far as leases go."""
    environment = {**os.environ, **world.environment, "AGENTOS_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVE, str(world.target)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _rows(url: str) -> dict[str, Any]:
    """How many rows each table has, and the newest of what a run writes."""
    with psycopg.connect(url, autocommit=True) as conn:
        tables = ("events", "effects", "checkpoints", "checkpoint_writes", "artifacts", "model_calls", "decisions")
        counts: dict[str, Any] = {
            table: conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() for table in tables
        }
        counts["effects_now"] = conn.execute("SELECT key, state, epoch FROM effects ORDER BY key").fetchall()
        counts["run"] = conn.execute("SELECT job, stage, epoch, outcome FROM runs").fetchall()
        return counts


def _wait_for(url: str, sql: str) -> None:
    """Returns once `sql` has a row; a condition in the database, looked at until the limit."""
    end = time.monotonic() + LIMIT_S
    with psycopg.connect(url, autocommit=True) as conn:
        while conn.execute(sql.encode()).fetchone() is None:
            assert time.monotonic() < end, f"never came true: {sql}"
            conn.execute("SELECT pg_sleep(0.02)")


@pytest.mark.parametrize("stage", ["lld", "spec", "pr"])
def test_a_stale_owner_writes_no_checkpoint_event_or_effect(world: World, tmp_path: Path, stage: str) -> None:
    url = world.environment["AGENTOS_DATABASE_URL"]
    with _driver(world, tmp_path / "stale") as stale:
        _wait_for(url, f"SELECT 1 FROM runs WHERE stage = '{stage}'")
        stale.send_signal(signal.SIGSTOP)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("UPDATE runs SET lease_until = clock_timestamp() - interval '1 second'")

        assert world.drive().ended == "succeeded merged"
        before, merged = _rows(url), world.picture()["refs"]
        stale.send_signal(signal.SIGCONT)
        _, complaint = stale.communicate(timeout=LIMIT_S)

    assert stale.returncode != 0
    assert "FenceLost" in complaint
    assert _rows(url) == before
    assert world.picture()["refs"] == merged
