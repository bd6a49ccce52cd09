"""A run of which the database knows nothing and other places do: read quickly, before a run of that issue is begun."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agentos.domain.block import StatusBlock
from agentos.domain.error import UsageError
from agentos.domain.issue import Comment, IssueRef
from agentos.domain.naming import safe_name
from agentos.domain.pipeline import Stage
from agentos.domain.status import TERMINAL, JobState
from agentos.ports.tracker import Tracker
from agentos.workflows.kit.blocks import read_block


@dataclass(frozen=True, slots=True)
class Former:
    """The newest run of an issue, and where it stood when that was last written down outside the database."""

    number: int
    job: JobState

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing of it to go on with."""
        return self.job in TERMINAL


def require_nothing_lost(former: Former | None, issue: IssueRef) -> None:
    """Raises UsageError where an earlier run was under way that the database does not know: to begin anew would pay for
    everything twice."""
    if former is not None and not former.has_ended:
        raise UsageError(
            f"run #{former.number} of {issue} was under way, and this database does not know it; "
            f"`agentos rebuild {issue.number}` goes on with what is left of it, "
            f"`agentos run --issue {issue.number} --resume-from {Stage.TRIAGE}` begins anew"
        )


async def former_run(home: Path, tracker: Tracker, issue: IssueRef) -> Former | None:
    """The newest run by the issue's status comment and by what lies on this machine; None where none left a trace."""
    status = told_by(await tracker.comments(issue))
    found = [Former(status.run, status.job)] if status is not None else []
    found += [Former(number, _job(path)) for number, path in mirrors(home, issue)]
    return max(found, key=lambda each: each.number, default=None)


def told_by(comments: Iterable[Comment]) -> StatusBlock | None:
    """What our status comment tells programs; None where there is none that can be read."""
    blocks = [read_block(StatusBlock, each.body) for each in comments if each.is_bot]
    return next((block for block in reversed(blocks) if block is not None), None)


def mirrors(home: Path, issue: IssueRef) -> Iterator[tuple[int, Path]]:
    """Number and folder of every run of `issue` that was worked on here, the newest first."""
    place = home / "runs" / safe_name(issue.repo) / str(issue.number)
    numbers = [int(path.name) for path in place.glob("*") if path.name.isdecimal()]
    yield from ((number, place / str(number)) for number in sorted(numbers, reverse=True))


def _job(folder: Path) -> JobState:
    """Where the run stood by its record; at work, where that cannot be read."""
    try:
        return JobState(json.loads((folder / "run.json").read_text("utf-8"))["standing"]["job"])
    except (OSError, ValueError, KeyError, TypeError):
        return JobState.RUNNING
