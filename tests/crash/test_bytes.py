"""What a whole run leaves in PostgreSQL stays small, whatever LangGraph writes at each step."""

import psycopg

from tests.crash.conftest import World

MOST_BYTES = 300_000
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


def test_a_whole_runs_checkpoints_are_below_300_kilobytes(world: World) -> None:
    assert world.drive().ended == "succeeded merged"
    with psycopg.connect(world.environment["AGENTOS_DATABASE_URL"]) as conn:
        sizes = [
            conn.execute(f"SELECT coalesce(sum(pg_column_size(each.*)), 0) FROM {table} AS each".encode()).fetchone()
            for table in TABLES
        ]
    stored = dict(zip(TABLES, (int(size[0]) for size in sizes if size), strict=True))
    assert stored["checkpoints"] > 0
    assert sum(stored.values()) < MOST_BYTES, stored
