"""Webhooks that were heard: each counts once, on whichever machine it came in."""

from agentos.store.database import Database
from agentos.store.plain import as_text

KEPT_DAYS = 30
"""Longer than GitHub lets anybody send a delivery again (3 days)."""
_HEAR = """
    WITH old AS (DELETE FROM deliveries WHERE at < clock_timestamp() - %(kept)s * interval '1 day')
    INSERT INTO deliveries (id, digest) VALUES (%(id)s, %(digest)s) ON CONFLICT DO NOTHING RETURNING id"""


class DeliveryStore:
    """All deliveries of the last `KEPT_DAYS` days."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def hear(self, delivery: str, digest: str) -> bool:
        """Whether it is heard for the first time: neither its id nor what it says (`digest`) came before.

        Effect: it is kept, and those that are too old to come again are not any more.
        """
        values = {"id": as_text(delivery), "digest": as_text(digest), "kept": KEPT_DAYS}
        return await self._db.row(_HEAR, values) is not None
