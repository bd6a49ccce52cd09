"""Documents by content: in the database for every machine, mirrored to files for people, with an index of digests."""

import asyncio
import hashlib
import json
import re
import tempfile
from pathlib import Path

from psycopg.rows import DictRow

from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.error import BugError, OutsideError, refusal_of_machine
from agentos.domain.issue import IssueRef
from agentos.domain.naming import safe_name
from agentos.store.database import Database
from agentos.store.fence import Fence, write
from agentos.store.plain import as_text
from agentos.telemetry.crash import crash_point
from agentos.telemetry.redaction import redacted_document

INDEX = "artifacts.jsonl"
"""Beside the mirrored files: a line for each document put there, so that they can be told from damaged ones without the
database."""
_KEEP = """
    INSERT INTO artifact_contents (sha256, content) SELECT %(sha256)s, %(content)s FROM fence
    ON CONFLICT DO NOTHING RETURNING sha256"""
# A document that returns to an earlier text becomes the newest again, with one row for each text.
_NAME = """
    INSERT INTO artifacts (run_id, kind, name, sha256, size_bytes, path)
    VALUES (%(run_id)s, %(kind)s, %(name)s, %(sha256)s, %(size_bytes)s, %(path)s)
    ON CONFLICT (run_id, path, sha256) DO UPDATE SET position = DEFAULT"""
MOST_KEPT_BYTES = 4_000_000
_GET = "SELECT content FROM artifact_contents WHERE sha256 = %s"
_OF_RUN = "SELECT * FROM artifacts WHERE run_id = %s ORDER BY position"
_LATEST = """
    SELECT artifacts.* FROM artifacts JOIN runs ON runs.id = run_id
    WHERE repo = %s AND issue = %s AND kind = %s ORDER BY position DESC LIMIT 1"""


class ArtifactStore:
    """All documents of all runs."""

    def __init__(self, db: Database, home: Path) -> None:
        self._db = db
        self._home = home
        self._kept: dict[str, bytes] = {}
        """Contents that were read or put lately: a run reads its few documents in almost every step."""

    async def put(  # noqa: PLR0913 - a document is found by all of these
        self,
        fence: Fence,
        issue: IssueRef,
        run_number: int,
        kind: ArtifactKind,
        content: bytes,
        *,
        suffix: str,
        name: str = "",
    ) -> ArtifactRef:
        """The reference of `content`, stored, and mirrored to `<home>/runs/<repo>/<issue>/<run>/<name or kind><suffix>`.

        Repeating is harmless. The file shows what was put there last; the database keeps every content.
        Raises: FenceLost; OutsideError when the file cannot be written.
        """
        if not re.fullmatch(r"(\.[a-z0-9]+)*", suffix):
            raise BugError(f"{suffix!r} is no file suffix")
        content = await asyncio.to_thread(redacted_document, content, suffix=suffix)
        sha256 = hashlib.sha256(content).hexdigest()
        folder = f"runs/{safe_name(issue.repo)}/{issue.number}/{run_number}"
        ref = ArtifactRef(kind, sha256, len(content), f"{folder}/{safe_name(name or kind)}{suffix}")
        values = {"run_id": fence.run_id, "kind": kind, "name": as_text(name), "sha256": sha256}
        async with self._db.transaction() as conn:
            await write(conn, fence, _KEEP, {"sha256": sha256, "content": content})
            await conn.execute(_NAME, values | {"size_bytes": ref.size_bytes, "path": ref.path})
            # Under the fence, so that a stale owner never overwrites what its successor put there.
            await asyncio.to_thread(_mirror, self._home / ref.path, content, ref)
            crash_point("artifact:before_commit")
        self._keep(sha256, content)
        return ref

    async def get(self, sha256: str) -> bytes:
        """The content with that digest. Raises BugError where none was ever put."""
        if sha256 not in self._kept:
            row = await self._db.row(_GET, (sha256,))
            if row is None:
                raise BugError(f"no artifact has the digest {sha256}")
            self._keep(sha256, bytes(row["content"]))
        return self._kept[sha256]

    def _keep(self, sha256: str, content: bytes) -> None:
        """Effect: `content` is at hand, the oldest others are not where they would be too much together."""
        self._kept[sha256] = content
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > MOST_KEPT_BYTES:
            self._kept.pop(next(iter(self._kept)))

    async def of_run(self, run_id: int) -> tuple[ArtifactRef, ...]:
        """All documents of the run, the newest last."""
        return tuple(_ref(row) for row in await self._db.rows(_OF_RUN, (run_id,)))

    async def latest(self, issue: IssueRef, kind: ArtifactKind) -> ArtifactRef | None:
        """The newest document of `kind` over all runs of `issue`."""
        row = await self._db.row(_LATEST, (issue.repo, issue.number, kind))
        return None if row is None else _ref(row)


def _ref(row: DictRow) -> ArtifactRef:
    return ArtifactRef(ArtifactKind(row["kind"]), row["sha256"], row["size_bytes"], row["path"])


def _mirror(path: Path, content: bytes, ref: ArtifactRef) -> None:
    """Effect: the file is `content`, whole, and the index names its digest; a kill at any moment leaves what was there
    before, which the index names as well.

    Not forced to the disk: what a power cut takes of it is in the database.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (path.parent / INDEX).open("a", encoding="utf-8") as index:
            index.write(_index_line(ref, path.name))
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as part:
            try:
                part.write(content)
                part.close()
                crash_point("artifact:before_rename")
                Path(part.name).replace(path)
            except BaseException:
                Path(part.name).unlink(missing_ok=True)
                raise
    except OSError as exc:
        raise (refusal_of_machine(exc, path) or OutsideError(f"{path} cannot be written: {exc.strerror}")) from exc


def _index_line(ref: ArtifactRef, name: str) -> str:
    return json.dumps({"name": name, "kind": ref.kind, "sha256": ref.sha256, "size_bytes": ref.size_bytes}) + "\n"
