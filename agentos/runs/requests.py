"""How much was asked of GitHub for a run."""

from dataclasses import asdict

from agentos.domain.event import EventKind
from agentos.workflows.kit.context import RunContext


async def tell_requests(ctx: RunContext) -> None:
    """Effect: what this process asked for the run since it took it on is in the ledger, once; nothing where it asked nothing.

    What a process asked that was killed is lost.
    """
    requests = ctx.ports.requests
    if requests.made:
        event_id = f"advance:{ctx.fence.epoch}:{EventKind.REQUESTS_COUNTED}"
        await ctx.store.ledger.append(
            ctx.fence, EventKind.REQUESTS_COUNTED, stage=None, step=None, data=asdict(requests), event_id=event_id
        )
