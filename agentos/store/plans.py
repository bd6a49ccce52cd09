"""Plan records: what is known of an issue's place among the others, so that work that would collide is told of (R-QUEUE-6).

Kept apart from the runs: routing works without them, and tickets and documents hold all that is in them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg.rows import DictRow
from pydantic import TypeAdapter

from agentos.domain.issue import IssueRef, Relations
from agentos.domain.status import TERMINAL, JobState
from agentos.store.database import Database
from agentos.store.fence import Fence, write
from agentos.store.plain import as_json, as_text

_RELATIONS: TypeAdapter[Relations] = TypeAdapter(Relations)
_KEEP = """
    INSERT INTO plan_records (repo, issue, run_id, relations, paths)
    SELECT %(repo)s, %(issue)s, %(run_id)s, coalesce(%(relations)s::json, '{}'), coalesce(%(paths)s::text[], '{}')
    FROM fence
    ON CONFLICT (repo, issue) DO UPDATE SET run_id = excluded.run_id, at = clock_timestamp(),
        relations = coalesce(%(relations)s::json, plan_records.relations),
        paths = coalesce(%(paths)s::text[], plan_records.paths)
    RETURNING issue"""
_GET = "SELECT * FROM plan_records WHERE repo = %s AND issue = %s"
_MEETING = """
    SELECT plan_records.*, runs.number, runs.job FROM plan_records JOIN runs ON runs.id = plan_records.run_id
    WHERE plan_records.repo = %(repo)s AND plan_records.issue <> %(issue)s AND NOT runs.job = ANY(%(terminal)s)
        AND plan_records.paths && %(paths)s::text[]
    ORDER BY plan_records.issue"""


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """An issue's plan: the issues it names, the files its change is expected to touch or touched."""

    issue: IssueRef
    relations: Relations
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Another issue under way, and the files that both are about to change."""

    issue: IssueRef
    run_number: int
    job: JobState
    paths: tuple[str, ...]


class PlanStore:
    """All plan records, one an issue; the last run's word counts."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def relate(self, fence: Fence, issue: IssueRef, relations: Relations) -> None:
        """Effect: the issue's relations are on record. Raises FenceLost."""
        await self._keep(fence, issue, relations=as_json(_RELATIONS.dump_python(relations, mode="json")))

    async def expect(self, fence: Fence, issue: IssueRef, paths: Iterable[str]) -> None:
        """Effect: the files that its change touches are on record, in the place of earlier ones. Raises FenceLost."""
        await self._keep(fence, issue, paths=[as_text(path) for path in dict.fromkeys(paths)])

    async def get(self, issue: IssueRef) -> PlanRecord | None:
        """The issue's plan."""
        row = await self._db.row(_GET, (issue.repo, issue.number))
        if row is None:
            return None
        return PlanRecord(issue, _RELATIONS.validate_python(row["relations"]), tuple(row["paths"]))

    async def meeting(self, issue: IssueRef, paths: Iterable[str]) -> tuple[Meeting, ...]:
        """The other issues with a live run that are about to change one of `paths`."""
        wanted = list(dict.fromkeys(paths))
        values = {"repo": issue.repo, "issue": issue.number, "paths": wanted, "terminal": [*TERMINAL]}
        return tuple(_meeting(row, wanted) for row in await self._db.rows(_MEETING, values))

    async def _keep(self, fence: Fence, issue: IssueRef, **values: object) -> None:
        given = {"repo": as_text(issue.repo), "issue": issue.number, "relations": None, "paths": None, **values}
        async with self._db.connection() as conn:
            await write(conn, fence, _KEEP, given)


def _meeting(row: DictRow, wanted: list[str]) -> Meeting:
    both = tuple(path for path in wanted if path in row["paths"])
    return Meeting(IssueRef(row["repo"], row["issue"]), row["number"], JobState(row["job"]), both)
