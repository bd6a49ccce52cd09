"""Runs: their rows, who owns them, and the one function that moves them on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import DictRow
from pydantic import TypeAdapter

from agentos.domain.decision import Wait
from agentos.domain.error import BugError, OutsideError, UsageError
from agentos.domain.event import EventKind, JsonObject
from agentos.domain.failure import FailureKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Outcome, Stage
from agentos.domain.run import Run, RunRef
from agentos.domain.status import ALLOWED, LIVE, TERMINAL, JobState, WaitKind
from agentos.store.database import Database
from agentos.store.fence import OWNED, Fence
from agentos.store.ledger import TELL, UNKNOWN, NewEvent, Observer, as_event, tell, telling, unseen
from agentos.store.plain import as_json, as_jsonb, as_text, as_time
from agentos.telemetry.redaction import redacted, redacted_data

CREATE_TRIES = 5
_WAIT: TypeAdapter[Wait] = TypeAdapter(Wait)

_CREATE = """
    INSERT INTO runs (repo, issue, number, target, profile, options)
    SELECT %(repo)s, %(issue)s, greatest(max(number), %(after)s) + 1, %(target)s, %(profile)s, %(options)s
    FROM runs WHERE repo = %(repo)s AND issue = %(issue)s
    ON CONFLICT DO NOTHING RETURNING *"""
_GET = "SELECT * FROM runs WHERE id = %s"
_ADD_OPTIONS = "UPDATE runs SET options = (options::jsonb || %(options)s::jsonb)::json WHERE id = %(id)s"
_KNOWN = "SELECT 1 FROM events WHERE run_id = %s AND event_id = %s"
_FIND = """
    SELECT * FROM runs
    WHERE (%(repo)s::text IS NULL OR repo = %(repo)s) AND (%(number)s::bigint IS NULL OR issue = %(number)s)
      AND (%(jobs)s::text[] IS NULL OR job = ANY(%(jobs)s))
    ORDER BY id DESC LIMIT %(limit)s"""
# One statement decides who owns a run, by the database's clock alone; an expired lease that nobody released is a takeover.
_ACQUIRE = """
    UPDATE runs SET epoch = epoch + 1, owner = %(owner)s, takeovers = takeovers + (lease_until IS NOT NULL)::int,
        lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
    WHERE id = %(id)s AND (lease_until IS NULL OR lease_until < clock_timestamp() OR starts_with(owner, %(dead)s))
    RETURNING epoch"""
_RENEW = """
    UPDATE runs SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
    WHERE id = %(id)s AND epoch = %(epoch)s AND lease_until IS NOT NULL"""
_RELEASE = "UPDATE runs SET owner = NULL, lease_until = NULL WHERE id = %s AND epoch = %s"
# NULL leaves a field as it is; what belongs to a job (due_at, error) goes with it.
_MOVE = telling(
    f"""
    UPDATE runs SET
        job = coalesce(%(job)s::text, job),
        stage = coalesce(%(new_stage)s::text, stage),
        step = coalesce(%(new_step)s::text, step),
        wait = CASE WHEN %(clear_wait)s THEN %(wait)s::jsonb ELSE coalesce(%(wait)s::jsonb, wait) END,
        outcome = coalesce(%(outcome)s::text, outcome),
        due_at = CASE WHEN %(job)s::text IS NULL THEN coalesce(%(due_at)s::timestamptz, due_at) ELSE %(due_at)s END,
        error = coalesce(%(error)s::text, CASE WHEN %(job)s::text IS NULL THEN error ELSE '' END),
        started_at = CASE WHEN coalesce(%(job)s::text, job) = 'running'
            THEN coalesce(started_at, clock_timestamp()) ELSE started_at END,
        stage_started_at = CASE WHEN coalesce(%(new_stage)s::text, stage) IS DISTINCT FROM stage
            THEN clock_timestamp() ELSE stage_started_at END,
        completed_at = CASE WHEN coalesce(%(job)s::text, job) = ANY(%(terminal)s)
            THEN coalesce(completed_at, clock_timestamp()) END,
        last_seq = last_seq + 1
    WHERE {OWNED} AND {UNKNOWN} AND (%(job)s::text IS NULL OR job = ANY(%(before)s))
    RETURNING *""",  # noqa: S608 - two constants
    stage="stage",
    step="step",
)


class LiveRunExists(UsageError):
    """The issue has a run that has not ended; `run` is it."""

    def __init__(self, run: Run) -> None:
        super().__init__(f"{run.ref.issue} has the live run #{run.ref.number} ({run.job}): go on with it or cancel it")
        self.run = run


@dataclass(frozen=True, slots=True)
class Change:
    """What a transition changes; None leaves a field as it is. `due_at` and `error` belong to the job they came with:
    a change of `job` without them clears them."""

    job: JobState | None = None
    stage: Stage | None = None
    step: str | None = None
    wait: Wait | None = None
    clear_wait: bool = False
    outcome: Outcome | None = None
    due_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class WholeRun:
    """A run with what it waits for and what it was started with."""

    run: Run
    wait: Wait | None
    options: dict[str, Any]


class RunStore:
    """All runs. `transition` is the only code that writes job, stage or outcome (I1)."""

    def __init__(self, db: Database, observe: Observer = unseen) -> None:
        self._db = db
        self._observe = observe

    async def create(self, issue: IssueRef, *, target: str, profile: str, options: JsonObject, after: int = 0) -> Run:
        """A new run of `issue`, queued, with its first event; its number is the next, and greater than `after`.

        Raises: LiveRunExists when the issue has one that has not ended, however many processes ask at once (I2).
        """
        values = {
            "repo": as_text(issue.repo),
            "issue": issue.number,
            "target": as_text(target),
            "profile": as_text(profile),
            "options": as_json(options),
            "after": after,
        }
        for _ in range(CREATE_TRIES):
            async with self._db.transaction() as conn:
                row = await (await conn.execute(_CREATE, values)).fetchone()
                if row is not None:
                    queued = NewEvent(EventKind.RUN_QUEUED, "queued", {"number": row["number"], "profile": profile})
                    await conn.execute(TELL, queued.values(row["id"]))
                    return _run(row)
            live = await self.live(issue)
            if live is not None:
                raise LiveRunExists(live)
        raise OutsideError(f"runs of {issue} begin and end too fast to add one: try again", kind=FailureKind.CONFLICT)

    async def get(self, run_id: int) -> Run:
        """The run as it is now. Raises UsageError where there is none."""
        return _run(await self._row(run_id))

    async def latest(self, issue: IssueRef) -> Run | None:
        """The newest run of `issue`."""
        found = await self.find(repo=issue.repo, number=issue.number, limit=1)
        return found[0] if found else None

    async def live(self, issue: IssueRef) -> Run | None:
        """The run of `issue` that has not ended; there is at most one."""
        found = await self.find(repo=issue.repo, number=issue.number, jobs=LIVE, limit=1)
        return found[0] if found else None

    async def of_issue(self, issue: IssueRef) -> tuple[WholeRun, ...]:
        """All runs of `issue`, newest first, with what they wait for and were started with."""
        values = {"repo": issue.repo, "number": issue.number, "jobs": None, "limit": 1000}
        rows = await self._db.rows(_FIND, values)
        return tuple(WholeRun(_run(row), _wait(row), row["options"]) for row in rows)

    async def find(
        self,
        *,
        repo: str | None = None,
        jobs: Iterable[JobState] | None = None,
        number: int | None = None,
        limit: int = 50,
    ) -> tuple[Run, ...]:
        """Runs, newest first; `number` is the issue's."""
        names = None if jobs is None else [str(job) for job in jobs]
        values = {"repo": repo, "number": number, "jobs": names, "limit": limit}
        return tuple(_run(row) for row in await self._db.rows(_FIND, values))

    async def whole(self, run_id: int) -> WholeRun:
        """The run, what it waits for and what it was started with, as they are at one moment."""
        row = await self._row(run_id)
        return WholeRun(_run(row), _wait(row), row["options"])

    async def options(self, run_id: int) -> dict[str, Any]:
        """What the run was started with."""
        options: dict[str, Any] = (await self._row(run_id))["options"]
        return options

    async def add_options(self, run_id: int, options: JsonObject) -> None:
        """Effect: from its next start on the run is also driven with `options`; those win over earlier ones."""
        await self._db.count(_ADD_OPTIONS, {"id": run_id, "options": as_jsonb(options)})

    async def wait(self, run_id: int) -> Wait | None:
        """What the run waits for."""
        return _wait(await self._row(run_id))

    async def acquire(self, run_id: int, *, owner: str, lease_s: float, dead: str | None = None) -> Fence | None:
        """The right to write for the run for `lease_s` from now, or None while somebody else has it.

        `dead`: owners whose name starts so are known to have died (see `presence`); their lease need not expire.
        """
        values = {"id": run_id, "owner": as_text(owner), "lease_s": lease_s, "dead": dead or None}
        row = await self._db.row(_ACQUIRE, values)
        if row is None:
            await self._row(run_id)
            return None
        return Fence(run_id, row["epoch"])

    async def renew(self, fence: Fence, lease_s: float) -> bool:
        """Whether `fence` still holds; if so, for `lease_s` from now. Late is no harm while nobody took over."""
        values = {"id": fence.run_id, "epoch": fence.epoch, "lease_s": lease_s}
        return await self._db.count(_RENEW, values) == 1

    async def release(self, fence: Fence) -> None:
        """Effect: `fence` is worth nothing any more and the run is free. Repeating, or being late, is harmless."""
        await self._db.count(_RELEASE, (fence.run_id, fence.epoch))

    async def transition(
        self, fence: Fence, change: Change, *, event: EventKind, data: JsonObject, event_id: str
    ) -> Run:
        """The run after `change`. Effect: the row and its event, both or neither; none at all where the run has an event
        with that `event_id`.

        Raises: FenceLost; BugError for a job state that may not follow the present one.
        """
        async with self._db.connection() as conn:
            row = await tell(conn, fence, NewEvent(event, event_id, data), _MOVE, _values(change))
        if row is None:
            return await self._unmoved(fence.run_id, change, event_id)
        self._observe(as_event(row))
        return _run(row)

    async def _unmoved(self, run_id: int, change: Change, event_id: str) -> Run:
        """The run, which has that event already. Raises BugError where it has not."""
        row = await self._row(run_id)
        if await self._db.row(_KNOWN, (run_id, event_id)) is None:
            raise BugError(f"run {run_id} is {row['job']}, after which {change.job} may not come")
        return _run(row)

    async def _row(self, run_id: int) -> DictRow:
        row = await self._db.row(_GET, (run_id,))
        if row is None:
            raise UsageError(f"there is no run with the id {run_id}")
        return row


def _wait(row: DictRow) -> Wait | None:
    return None if row["wait"] is None else _WAIT.validate_python(row["wait"])


def _values(change: Change) -> dict[str, Any]:
    return {
        "job": change.job,
        "before": [job for job, after in ALLOWED.items() if change.job in after],
        "terminal": [*TERMINAL],
        "new_stage": change.stage,
        "new_step": None if change.step is None else as_text(change.step),
        "wait": None if change.wait is None else as_jsonb(redacted_data(_WAIT.dump_python(change.wait, mode="json"))),
        "clear_wait": change.clear_wait,
        "outcome": change.outcome,
        "due_at": change.due_at,
        "error": None if change.error is None else as_text(redacted(change.error)),
    }


def _run(row: DictRow) -> Run:
    def as_word(kind: Any, word: str | None) -> Any:
        return None if word is None else kind(word)

    created_at = as_time(row["created_at"])
    assert created_at is not None
    return Run(
        ref=RunRef(row["id"], IssueRef(row["repo"], row["issue"]), row["number"]),
        target=row["target"],
        profile=row["profile"],
        job=JobState(row["job"]),
        stage=as_word(Stage, row["stage"]),
        step=row["step"],
        wait_kind=as_word(WaitKind, row["wait_kind"]),
        outcome=as_word(Outcome, row["outcome"]),
        epoch=row["epoch"],
        owner=row["owner"],
        lease_until=as_time(row["lease_until"]),
        due_at=as_time(row["due_at"]),
        error=row["error"],
        created_at=created_at,
        started_at=as_time(row["started_at"]),
        stage_started_at=as_time(row["stage_started_at"]),
        completed_at=as_time(row["completed_at"]),
        takeovers=row["takeovers"],
    )
