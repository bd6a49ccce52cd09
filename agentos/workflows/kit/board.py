"""The tracker's picture of the run: status, label, attention mark, and one status comment with the timeline."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from agentos.domain.effect import STATUS_COMMENT, EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import OPT_OUT_LABEL
from agentos.domain.naming import text_digest
from agentos.domain.run import Run
from agentos.domain.status import Position, derive_label, derive_status, needs_person
from agentos.ports.tracker import Board
from agentos.workflows.kit.step import Found, Step
from agentos.workflows.kit.timeline import Timeline, timeline_markdown, visits

INTAKE_COMMENT = EffectKey("intake")
"""The one comment that says what an issue lacks; it may stand before anything was accepted (I3)."""


async def show_board(step: Step, run: Run | None = None) -> None:
    """Effect: the board shows what the run's row (`run`, if it was just read) says, derived by the one table. Repeating is
    harmless. Raises: OutsideError; `Crowded` where the work is on its way and a later picture does."""
    ctx = step.ctx
    run = run or await ctx.store.runs.get(ctx.run.id)
    at = Position(run.job, run.stage, run.step, run.wait_kind, run.outcome)
    wanted = Board(derive_status(at), derive_label(at), needs_person(at))

    async def find() -> Found | None:
        shown = await ctx.ports.tracker.board(ctx.issue)
        return asdict(wanted) if shown == wanted else None

    async def act() -> None:
        await ctx.ports.tracker.show(ctx.issue, wanted)

    version = text_digest(str(run.epoch), str(run.stage), *map(str, asdict(wanted).values()))
    await _unless_left_alone(step, EffectKey("board"), find, act, version)


async def say(step: Step, key: str, text: str, *, consent: bool = True) -> None:
    """Effect: one comment on the issue that carries `key`. Repeating finds the first one. `consent` off: a closed issue is
    written to as well, and one that is to be left alone is passed over."""
    tracker, issue = step.ctx.ports.tracker, step.ctx.issue

    async def find() -> Found | None:
        comment = await tracker.find_comment(issue, EffectKey(key))
        return None if comment is None else {"comment": comment}

    async def act() -> None:
        await tracker.write_comment(issue, text, EffectKey(key))

    if consent:
        await step.once(key, find=find, act=act)
    else:
        await _unless_left_alone(step, EffectKey(key), find, act)


async def close_issue(step: Step, text: str, *, version: str) -> None:
    """Effect: the issue is closed with `text`, once for each `version`. One that is to be left alone stays as it is."""
    tracker, issue = step.ctx.ports.tracker, step.ctx.issue

    async def find() -> Found | None:
        return None if (await tracker.get(issue.number)).is_open else {"closed": issue.number}

    async def act() -> None:
        await tracker.close(issue, text)

    await _unless_left_alone(step, EffectKey("close"), find, act, version)


async def show_timeline(step: Step) -> None:
    """Effect: the issue's one status comment tells the run as the store has it now. Repeating is harmless. Raises: as
    `show_board`."""
    await keep_comment(step, STATUS_COMMENT, timeline_markdown(await _timeline(step)))


async def keep_comment(step: Step, key: EffectKey, text: str) -> None:
    """Effect: the issue's one comment that carries `key` says `text`. Repeating is harmless."""
    tracker, issue = step.ctx.ports.tracker, step.ctx.issue

    async def find() -> Found | None:
        comment = await tracker.find_comment(issue, key)
        shown = {each.id: each.body for each in await tracker.comments(issue)} if comment is not None else {}
        return {"comment": comment} if comment is not None and text in shown.get(comment, "") else None

    async def act() -> None:
        comment = await tracker.find_comment(issue, key)
        if comment is None:
            await tracker.write_comment(issue, text, key)
        else:
            await tracker.edit_comment(issue, comment, text)

    await _unless_left_alone(step, key, find, act, text_digest(text))


class _LeftAlone(Exception):
    """The issue carries the label that says so."""


async def _unless_left_alone(
    step: Step,
    key: EffectKey,
    find: Callable[[], Awaitable[Found | None]],
    act: Callable[[], Awaitable[None]],
    version: str = "",
) -> None:
    """Effect: as `Step.once`, whether the issue is open or not; nothing where it opted out (I8) or is not there any more,
    and it stays to be done."""

    async def heeding() -> None:
        if OPT_OUT_LABEL in (await step.ctx.ports.tracker.get(step.ctx.issue.number)).labels:
            raise _LeftAlone
        await act()

    try:
        await step.once(key, find=find, act=heeding, version=version, consent=False)
    except _LeftAlone:
        return
    except OutsideError as exc:
        if exc.kind is not FailureKind.GONE:
            raise


async def _timeline(step: Step) -> Timeline:
    store, run_id = step.ctx.store, step.ctx.run.id
    pr = await store.effects.get(step.ctx.issue, EffectKey("pr"))
    now = await store.runs.whole(run_id)
    return Timeline(
        run=now.run,
        visits=visits(await store.ledger.read(run_id)),
        spend=await store.costs.spend(run_id),
        wait=now.wait,
        pr_url=str((pr.result or {}).get("url", "")) if pr is not None and pr.run_id == run_id else "",
    )
