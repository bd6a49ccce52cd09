"""A run's position: LangGraph's checkpointer, that refuses every write of a stale owner (DESIGN §5)."""

import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

# LangGraph reads it when it is imported, and turns off what lets a crafted checkpoint run code; off is its default.
# Whoever imported LangGraph earlier is covered as well: `open_saver` hands over a strict serializer.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import DatabaseError

from agentos.domain.error import OutsideError
from agentos.store.connecting import reached
from agentos.store.database import Connection, Database
from agentos.store.fence import Fence, check

_REQUIRE = "SELECT require_fence(%s, %s)"
_FORGET = "DELETE FROM checkpoint_writes WHERE thread_id = %s AND checkpoint_ns = %s AND checkpoint_id = %s"


class FencedSaver(AsyncPostgresSaver):
    """The checkpointer of one pipeline that runs now; reading needs no fence, writing does."""

    def __init__(self, db: Database, fence: Fence, serde: SerializerProtocol) -> None:
        super().__init__(db.pool, serde=serde)
        self.db = db
        self.fence = fence

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """The configuration that names the stored checkpoint. Raises FenceLost."""
        names = config["configurable"]
        async with self._fenced() as (conn, saver):
            if parent := names.get("checkpoint_id"):
                # What its tasks wrote is in the new checkpoint; kept as well, it would be two fifths of a run's bytes.
                await conn.execute(_FORGET, (names["thread_id"], names["checkpoint_ns"], parent))
            return await saver.aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Effect: what a task wrote is stored. Raises FenceLost."""
        async with self._fenced() as (_, saver):
            await saver.aput_writes(config, writes, task_id, task_path)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that `config` names. Raises OutsideError where the database does not answer."""
        with reached():
            return await super().aget_tuple(config)

    def get_next_version(self, current: str | None, channel: None) -> str:
        """LangGraph's version in a third of its length: every checkpoint names one for each channel, twice."""
        count = 1 if current is None else int(current.split(".")[0]) + 1
        return f"{count:08}.{secrets.token_hex(4)}"

    @asynccontextmanager
    async def _fenced(self) -> AsyncIterator[tuple[Connection, AsyncPostgresSaver]]:
        """A connection whose transaction holds the fence, and LangGraph's own saver on it.

        There is no BEGIN: what a pipeline sends up to its sync, which ends LangGraph's write, is one transaction and one
        round trip. A pipeline inside this one would sync before it begins, so the saver is given this one.
        """
        try:
            # One write at a time, as LangGraph itself does it: a run takes one connection of the pool, never all.
            async with self.lock, self.db.connection() as conn, conn.pipeline() as pipe:
                await conn.execute(_REQUIRE, (self.fence.run_id, self.fence.epoch))
                yield conn, AsyncPostgresSaver(conn, pipe, self.serde)
        except (DatabaseError, OutsideError):
            # A pipeline that broke says so and not why: was it the fence?
            async with self.db.connection() as conn:
                await check(conn, self.fence)
            raise


def open_saver(db: Database, fence: Fence) -> FencedSaver:
    """The checkpointer for the pipeline that `fence` owns. One for each: it writes one thing at a time."""
    return FencedSaver(db, fence, JsonPlusSerializer(allowed_msgpack_modules=None))
