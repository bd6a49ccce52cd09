"""What a whole run costs stays small, whatever LangGraph writes at each step: bytes, statements, git processes.

The counts are bounds with a little room: who passes one asks whether a look-up is repeated that one could have answered.
"""

import os
import shutil
from pathlib import Path

import psycopg

from tests.crash.conftest import World

MOST_BYTES, MOST_STATEMENTS, MOST_GIT_PROCESSES = 300_000, 1_500, 300
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


def _counting_git(folder: Path, counted: Path) -> None:
    """Effect: `git` in `folder` is the real one, with a mark in `counted` for each start."""
    folder.mkdir()
    script = f'#!/bin/sh\nprintf . >> "{counted}"\nexec "{shutil.which("git")}" "$@"\n'
    (folder / "git").write_text(script, "utf-8")
    (folder / "git").chmod(0o755)


def test_a_whole_run_needs_few_bytes_of_checkpoints_few_statements_and_few_git_processes(
    world: World, tmp_path: Path
) -> None:
    counted = tmp_path / "git-starts"
    _counting_git(tmp_path / "bin", counted)
    world.environment["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    done = world.drive()
    assert done.ended == "succeeded merged"
    with psycopg.connect(world.environment["AGENTOS_DATABASE_URL"]) as conn:
        sizes = [
            conn.execute(f"SELECT coalesce(sum(pg_column_size(each.*)), 0) FROM {table} AS each".encode()).fetchone()
            for table in TABLES
        ]
    stored = dict(zip(TABLES, (int(size[0]) for size in sizes if size), strict=True))
    assert stored["checkpoints"] > 0
    assert sum(stored.values()) < MOST_BYTES, stored
    assert 500 < done.statements < MOST_STATEMENTS
    assert 50 < counted.stat().st_size < MOST_GIT_PROCESSES
