"""The right to write for a run, and the check of it in the transaction of every write (docs/decisions/0003)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentos.domain.error import FenceLost

if TYPE_CHECKING:
    from psycopg.rows import DictRow

    from agentos.store.database import Connection


@dataclass(frozen=True, slots=True)
class Fence:
    """One ownership of a run: `epoch` grows with every owner, so a former owner's is refused for ever."""

    run_id: int
    epoch: int


OWNED = "runs.id = %(run_id)s AND runs.epoch = %(epoch)s AND runs.lease_until IS NOT NULL"
"""The condition of an UPDATE of the run's own row; such an update locks it by itself."""
# Two writes of one owner may hold it together; whoever wants to take the run over waits until they are committed.
_SHARE = f"SELECT 1 FROM runs WHERE {OWNED} FOR SHARE"  # noqa: S608 - a constant
# One round trip instead of four. The lock is taken before `done` reads a row of `fence`, and is held to the commit.
_WRITE = "WITH fence AS ({share}), done AS ({write}) SELECT done.* FROM fence LEFT JOIN done ON true"


async def check(conn: "Connection", fence: Fence) -> None:
    """Nothing, while `fence` holds; it then holds until the caller's transaction ends.

    Raises: FenceLost when the run has another owner, or `fence` was released.
    """
    if await (await conn.execute(_SHARE, _named(fence))).fetchone() is None:
        raise lost(fence)


async def write(conn: "Connection", fence: Fence, sql: str, values: Mapping[str, Any]) -> "DictRow | None":
    """The row that `sql` returned, None where it changed none; checked and written in one statement.

    `sql` is an INSERT or UPDATE with a RETURNING that takes its row `FROM fence`. Raises FenceLost as `check` does.
    """
    cursor = await conn.execute(_WRITE.format(share=_SHARE, write=sql), {**values, **_named(fence)})
    row = await cursor.fetchone()
    if row is None:
        raise lost(fence)
    return None if all(value is None for value in row.values()) else row


def _named(fence: Fence) -> dict[str, int]:
    return {"run_id": fence.run_id, "epoch": fence.epoch}


def lost(fence: Fence) -> FenceLost:
    """The error that says whose right ended."""
    return FenceLost(
        f"run {fence.run_id} is no longer owned by epoch {fence.epoch}: "
        "another process took it over or it was released; nothing was written"
    )
