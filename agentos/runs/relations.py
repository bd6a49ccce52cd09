"""Reading what stands around an issue before it is started."""

from collections.abc import Mapping

from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import Issue, Relation
from agentos.domain.pipeline import Outcome
from agentos.domain.relation import ORDERING, Surroundings, refusal
from agentos.domain.run import Run
from agentos.domain.status import LIVE
from agentos.ports.tracker import Tracker
from agentos.store.runs import RunStore

MOST_READ = 200
"""Issues that are read along chains of relations; a longer chain is not followed further."""
_FOLLOWED = (Relation.DEPENDS_ON, Relation.DUPLICATE_OF, Relation.SUPERSEDES)


async def stands_in_the_way(
    tracker: Tracker, issue: Issue, *, busy: Mapping[int, str], split: frozenset[int] = frozenset()
) -> str:
    """Why `issue` is not to be started now, in one sentence; empty where nothing is. Reads only.

    `busy`: issues with a live run -> how that stands. `split`: those among its dependencies that ended as parts.
    """
    superseded_by = await tracker.superseded_by(issue.ref.number)
    named = [other for relation in ORDERING for other in issue.relations.of(relation)]
    known = await _read(tracker, [*named, *superseded_by, *busy])
    return refusal(issue, Surroundings(known, superseded_by, busy, split))


async def runs_around(runs: RunStore, issue: Issue) -> tuple[dict[int, str], frozenset[int]]:
    """The other issues with a live run and how that stands, and those among the dependencies that ended as parts."""
    repo, number = issue.ref.repo, issue.ref.number
    live = await runs.find(repo=repo, jobs=LIVE, limit=1000)
    busy = {run.ref.issue.number: _standing(run) for run in live if run.ref.issue.number != number}
    split = set()
    for other in issue.relations.depends_on:
        ended = await runs.find(repo=repo, number=other, limit=1)
        split |= {other for run in ended if run.outcome is Outcome.DECOMPOSED}
    return busy, frozenset(split)


def _standing(run: Run) -> str:
    return f"run #{run.ref.number} is {run.job}"


async def _read(tracker: Tracker, numbers: list[int]) -> dict[int, Issue | None]:
    """The issues with these numbers and those that their relations lead to; None for a number nobody has."""
    known: dict[int, Issue | None] = {}
    while numbers and len(known) < MOST_READ:
        number = numbers.pop(0)
        if number in known:
            continue
        known[number] = found = await _find(tracker, number)
        if found is not None:
            numbers += [other for relation in _FOLLOWED for other in found.relations.of(relation)]
    return known


async def _find(tracker: Tracker, number: int) -> Issue | None:
    try:
        return await tracker.get(number)
    except OutsideError as exc:
        if exc.kind is FailureKind.GONE:
            return None
        raise
