"""What people and programs see of a run: board and status comment at the tracker, and its record."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from agentos.domain.error import Crowded, OutsideError
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage
from agentos.runs.report import keep_report
from agentos.runs.requests import tell_requests
from agentos.workflows.kit.board import show_board, show_timeline
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.step import Step


async def show(ctx: RunContext) -> None:
    """Effect: board, status comment and report say what the store says; of a run on its way, board and comment only where
    there is room for pictures. Raises: OutsideError, OSError."""
    with suppress(Crowded):
        await _show_at_tracker(ctx)
    await keep_report(ctx)


async def show_at_last(ctx: RunContext) -> None:
    """Effect: as `show`, each part tried twice: nobody comes again after an ended run; and what was asked of GitHub is told.
    A refusal changes nothing of what the run came to: the ledger notes it."""
    await _twice(ctx, "board and status comment", _show_at_tracker)
    await _twice(ctx, "report", _report)


async def _twice(ctx: RunContext, what: str, act: Callable[[RunContext], Awaitable[None]]) -> None:
    try:
        try:
            await act(ctx)
        except OutsideError:
            await act(ctx)
    except (OutsideError, OSError) as exc:
        why = f"{what} could not be brought up to date: {exc}"
        event_id = f"advance:{ctx.fence.epoch}:unshown:{what}"
        await ctx.store.ledger.append(
            ctx.fence, EventKind.NOTE, stage=None, step=None, data={"text": why}, event_id=event_id
        )


async def _report(ctx: RunContext) -> None:
    await tell_requests(ctx)
    await keep_report(ctx)


async def _show_at_tracker(ctx: RunContext) -> None:
    run = await ctx.store.runs.get(ctx.run.id)
    step = Step(ctx, run.stage or Stage.TRIAGE, run.step or "", f"show:{ctx.fence.epoch}:{run.job}:{run.stage}")
    await show_board(step, run)
    await show_timeline(step)
