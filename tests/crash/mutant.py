"""The order that doubles effects, kept so that the matrix is seen to catch it."""

from collections.abc import Awaitable, Callable
from typing import Any

from agentos.domain.effect import CrashPoint, EffectKey
from agentos.telemetry.crash import crash_point
from agentos.workflows.kit.step import Found, Step


async def do_then_record(
    self: Step,
    key: str,
    *,
    find: Callable[[], Awaitable[Found | None]],
    act: Callable[[], Awaitable[object]],
    version: str = "",
    consent: bool = True,
) -> Found:
    """`Step.once` without the look before it acts: do, then record."""
    effects, fence, issue, effect = self.ctx.store.effects, self.ctx.fence, self.ctx.issue, EffectKey(key)
    row = await effects.intend(fence, issue, effect, version=version)
    if row.state == "recorded" and row.run_id == self.ctx.run.id and row.result is not None:
        return dict(row.result)
    await act()
    crash_point(f"effect:{key.split('@')[0].split(':')[0]}:{CrashPoint.ANSWER_LOST}")
    found: dict[str, Any] = await find() or {}
    await effects.record(fence, issue, effect, found)
    return found
