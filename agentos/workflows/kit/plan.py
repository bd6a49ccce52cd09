"""What a run expects to change, on record for the others; and who else is about to change the same."""

from collections.abc import Iterable

from agentos.domain.event import EventKind
from agentos.workflows.kit.step import Step

MOST_NAMED = 5


async def expect_files(step: Step, paths: Iterable[str]) -> None:
    """Effect: the files the change touches are in the issue's plan; a note names each issue under way that meets them.

    It stops nothing: the later one is brought together at its merge, or people say `conflicts_with`.
    """
    wanted, issue = [path for path in paths if not path.endswith("/")], step.ctx.issue
    await step.ctx.store.plans.expect(step.ctx.fence, issue, wanted)
    for other in await step.ctx.store.plans.meeting(issue, wanted):
        named = ", ".join(other.paths[:MOST_NAMED])
        more = f" and {len(other.paths) - MOST_NAMED} more" if len(other.paths) > MOST_NAMED else ""
        number = other.issue.number
        text = (
            f"issue {number} (run #{other.run_number}, {other.job}) is about to change the same: {named}{more}; to have one "
            f"after the other, say `conflicts_with: [{number}]` in the ticket"
        )
        await step.emit(EventKind.NOTE, text=text)
