"""What model calls cost: of a run, by what it was for, and against the ceilings that hold; and what GitHub was asked."""

from collections.abc import Mapping
from typing import Any, Literal

from psycopg.rows import DictRow

from agentos.domain.budget import Costs, Scope, Spend, Used
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.domain.requests import Requests
from agentos.store.database import Database

Part = Literal["stage", "model"]

# One unknown price makes the sum unknown: it is never taken for 0.
_SUMS = """coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
    coalesce(sum(output_tokens), 0)::bigint AS output_tokens,
    CASE WHEN bool_or(usd IS NULL) THEN NULL ELSE coalesce(sum(usd), 0) END AS usd"""
_SPEND = f"SELECT {_SUMS} FROM model_calls WHERE run_id = %s"  # noqa: S608 - two constants
_SPEND_BY: Mapping[Part, str] = {
    "stage": f"SELECT stage AS part, {_SUMS} FROM model_calls WHERE run_id = %s GROUP BY stage ORDER BY stage",  # noqa: S608
    "model": f"SELECT model AS part, {_SUMS} FROM model_calls WHERE run_id = %s GROUP BY model ORDER BY model",  # noqa: S608
}
# Both are fixed for one statement, so that the indexes by time and by run serve, however long the history is.
_TODAY = "date_trunc('day', statement_timestamp(), 'UTC')"
_OF_ISSUE = """run_id = ANY (ARRAY(
    SELECT id FROM runs WHERE (repo, issue) = (SELECT repo, issue FROM runs WHERE id = %(run_id)s)))"""
_COUNTED = {Scope.ISSUE: "of_issue", Scope.STAGE: "of_issue AND stage = %(stage)s", Scope.DAY: "of_day"}
_ARRAYS = ", ".join(
    f"""'{scope}', json_build_array(coalesce(sum(calls) FILTER (WHERE {counted}), 0),
        coalesce(sum(input_tokens + output_tokens) FILTER (WHERE {counted}), 0),
        coalesce(sum(usd) FILTER (WHERE {counted}), 0),
        coalesce(sum(calls) FILTER (WHERE {counted} AND usd IS NULL), 0))"""
    for scope, counted in _COUNTED.items()
)
USED = f"""
    WITH counted AS MATERIALIZED (
        SELECT stage, calls, input_tokens, output_tokens, usd, at >= {_TODAY} AS of_day, {_OF_ISSUE} AS of_issue
        FROM model_calls WHERE at >= {_TODAY} OR {_OF_ISSUE})
    SELECT json_build_object({_ARRAYS}) FROM counted"""  # noqa: S608 - constants
"""What counts against the ceilings of a run in a stage, `%(run_id)s` and `%(stage)s`, as one value; see `used_in`."""
_WHOLE = f"""
    SELECT repo, issue, model_calls.stage, model, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, {_SUMS},
        GROUPING(issue, model_calls.stage, model, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')) AS parts
    FROM model_calls JOIN runs ON runs.id = run_id
    WHERE (%(repo)s::text IS NULL OR repo = %(repo)s) AND (%(issue)s::bigint IS NULL OR issue = %(issue)s)
        AND (NOT %(unsettled)s OR settled_at IS NULL)
    GROUP BY GROUPING SETS ((), (repo, issue), (model_calls.stage), (model),
        (to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')))"""  # noqa: S608 - constants

_REQUESTS = f"""
    SELECT {", ".join(f"coalesce(sum((data ->> '{name}')::bigint), 0)::bigint AS {name}" for name in Requests.__slots__)}
    FROM events WHERE {_OF_ISSUE} AND kind = '{EventKind.REQUESTS_COUNTED}'"""  # noqa: S608 - constants


class CostStore:
    """The sums over all model calls, and over what was asked of GitHub."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def spend(self, run_id: int) -> Spend:
        """What the run's models cost so far."""
        row = await self._db.row(_SPEND, (run_id,))
        return Spend() if row is None else spend_in(row)

    async def spend_by(self, run_id: int, part: Part) -> dict[str, Spend]:
        """The same by stage or by model."""
        return {row["part"]: spend_in(row) for row in await self._db.rows(_SPEND_BY[part], (run_id,))}

    async def used(self, run_id: int, stage: Stage) -> dict[Scope, Used]:
        """What counts against the ceilings of the run in that stage."""
        row = await self._db.row(f"SELECT ({USED}) AS used", {"run_id": run_id, "stage": stage})
        assert row is not None
        return used_in(row["used"])

    async def requests(self, run_id: int) -> Requests:
        """What was asked of GitHub for all runs of the issue of that run, as far as its processes lived to tell."""
        row = await self._db.row(_REQUESTS, {"run_id": run_id})
        return Requests() if row is None else Requests(**row)

    async def whole(self, *, repo: str | None = None, issue: int | None = None) -> Costs:
        """What was spent so far on all issues, or on those of `repo`, or with the number `issue`."""
        named = {"repo": repo, "issue": issue}
        rows = await self._db.rows(_WHOLE, {**named, "unsettled": False})
        open_rows = await self._db.rows(_WHOLE, {**named, "unsettled": True})
        by_stage = _by(rows, 0b1011, "stage")
        return Costs(
            total=_total(rows),
            unsettled=_total(open_rows),
            by_issue={
                IssueRef(row["repo"], row["issue"]): spend_in(row)
                for row in sorted(rows, key=lambda row: (row["repo"] or "", row["issue"] or 0))
                if row["parts"] == 0b0111
            },
            by_stage={stage: by_stage[stage] for stage in Stage if stage in by_stage},
            by_model=_by(rows, 0b1101, "model"),
            by_day=_by(rows, 0b1110, "day"),
        )


def _total(rows: list[DictRow]) -> Spend:
    return next(spend_in(row) for row in rows if row["parts"] == 0b1111)


def _by(rows: list[DictRow], parts: int, name: str) -> dict[str, Spend]:
    """The sums of the rows that are apart in `name` alone: PostgreSQL sets the bit of each part that is not."""
    found = sorted((row for row in rows if row["parts"] == parts), key=lambda row: str(row[name]))
    return {row[name]: spend_in(row) for row in found}


def spend_in(row: DictRow) -> Spend:
    """The sums in `row`."""
    return Spend(row["calls"], row["input_tokens"], row["output_tokens"], row["usd"])


def used_in(value: Any) -> dict[Scope, Used]:
    """What `USED` came to."""
    return {
        scope: Used(int(calls), int(tokens), float(usd), int(none))
        for scope, (calls, tokens, usd, none) in ((scope, value[scope]) for scope in Scope)
    }
