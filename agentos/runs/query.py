"""What people ask about runs: which wait for them, and where one of them stands."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentos.domain.artifact import ArtifactKind
from agentos.domain.budget import Costs
from agentos.domain.decision import Decision, Wait
from agentos.domain.error import UsageError
from agentos.domain.event import Event
from agentos.domain.naming import safe_name
from agentos.domain.run import Run
from agentos.domain.status import LIVE, JobState
from agentos.store import Store

WAITING = (JobState.WAITING, JobState.BLOCKED)
MOST_LISTED = 200


async def find_run(
    store: Store, repo: str | None, number: int, *, jobs: tuple[JobState, ...] | None = None, anywhere: bool = True
) -> Run:
    """The run people mean by an issue number: the newest in the current repository `repo`; outside of one (None, or
    where it has none) the only live run with that number anywhere.

    `jobs` narrows which runs elsewhere are meant; `anywhere` off: only `repo` is. Raises UsageError that lists the
    candidates where there are several, or says that there is none.
    """
    if repo is not None:
        here = await store.runs.find(repo=repo, number=number, limit=1)
        if here:
            return here[0]
    everywhere = await store.runs.find(number=number, jobs=jobs or tuple(LIVE)) if anywhere else ()
    if len(everywhere) == 1:
        return everywhere[0]
    if not everywhere:
        where = f" in {repo}" if repo is not None else ""
        raise UsageError(f"there is no run of issue {number}{where}; `agentos status` lists the runs")
    names = "; ".join(f"{run.ref} in {run.target}" for run in everywhere)
    raise UsageError(f"several runs have the number {number}: {names}; change into one of these folders or use --repo")


@dataclass(frozen=True)
class Listed:
    """A run in a list, with what it waits for, the hold it is under, and the answer it was given but did not take yet."""

    run: Run
    wait: Wait | None
    held: Decision | None = None
    given: Decision | None = None


async def list_runs(store: Store, *, ended: bool = False) -> tuple[Listed, ...]:
    """Every live run of every repository, newest first; with `ended` the others too."""
    found = await store.runs.find(jobs=None if ended else LIVE, limit=MOST_LISTED)
    return tuple([await _listed(store, run) for run in found])


async def _listed(store: Store, run: Run) -> Listed:
    wait = await store.runs.wait(run.ref.id)
    return Listed(run, wait, await _hold(store, run), await given_answer(store, run, wait))


async def given_answer(store: Store, run: Run, wait: Wait | None) -> Decision | None:
    """What was answered to `wait` while nobody took it: the run goes on with it."""
    if wait is None or run.job not in WAITING:
        return None
    answers = (row.decision for row in await store.decisions.pending(run.ref.id))
    return next((said for said in answers if said.wait_id == wait.id), None)


async def _hold(store: Store, run: Run) -> Decision | None:
    row = await store.decisions.hold(run.ref.id) if run.job in LIVE else None
    return None if row is None else row.decision


async def history_of(store: Store, run: Run) -> tuple[Event, ...]:
    """All that happened in `run`, oldest first."""
    return await store.ledger.read(run.ref.id)


async def costs_of(store: Store, *, repo: str | None = None, issue: int | None = None) -> Costs:
    """What models cost so far on all issues, or on those of `repo`, or with the number `issue`."""
    return await store.costs.whole(repo=repo, issue=issue)


def past_records(home: Path, repo: str) -> list[dict[str, Any]]:
    """The run records of `repo` mirrored on this machine, oldest first; needs no server and changes nothing."""
    folder = home / "runs" / safe_name(repo)
    records = [json.loads(path.read_text("utf-8")) for path in folder.glob("*/*/run.json")]
    return sorted(records, key=lambda record: record["timing"]["created_at"])


async def shared_records(store: Store, repo: str) -> list[dict[str, Any]]:
    """The run records of `repo` in the database, oldest first, as `past_records` has them from files."""
    found: list[dict[str, Any]] = []
    for run in reversed(await store.runs.find(repo=repo, limit=MOST_LISTED)):
        refs = [ref for ref in await store.artifacts.of_run(run.ref.id) if ref.kind is ArtifactKind.RUN]
        if refs:
            found.append(json.loads(await store.artifacts.get(refs[-1].sha256)))
    return found
