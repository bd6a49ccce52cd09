"""Hearing what people wrote on the issue and its pull request: each signal is judged, recorded and answered once."""

from collections.abc import Collection
from dataclasses import replace

from agentos.domain.decision import Decision
from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import PASSING, FailureKind
from agentos.domain.issue import OPT_OUT_LABEL, Comment
from agentos.domain.naming import text_digest
from agentos.domain.pipeline import Stage
from agentos.ports.forge import Forge, ReviewNote
from agentos.ports.tracker import Tracker
from agentos.runs.decide import decide
from agentos.runs.desk import QUEUED_BY, Desk
from agentos.runs.signals import Answer, Refused, Scene, Signal, acknowledgement, judged, signals_in
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.board import say
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.step import Found, Step

ACK = "ack"


async def listen(desk: Desk, ctx: RunContext, *, branch: str = "") -> None:
    """Effect: everything said since the last time is judged as things stand now, recorded as a decision where it counts,
    and acknowledged with one comment. Repeating is harmless, after a crash anywhere too.

    Called before a run begins to wait, so that what is left unanswered afterwards is newer than the wait, whatever any
    clock says; and whenever it is looked at again. Nothing is heard on an issue without consent. `branch`: where the
    change lies, once there is one.
    """
    if not await _consents(ctx):
        return
    answered = {row.key for row in await ctx.store.effects.of_issue(ctx.issue) if row.state == "recorded"}
    for signal in await _said(ctx):
        if ack_key(signal) not in answered:
            await _Hearing(desk, ctx, branch).hear(signal)


async def _consents(ctx: RunContext) -> bool:
    """Whether the issue is there, open, and not to be left alone."""
    try:
        issue = await ctx.ports.tracker.get(ctx.issue.number)
    except OutsideError as exc:
        if exc.kind is FailureKind.GONE:
            return False
        raise
    return issue.is_open and OPT_OUT_LABEL not in issue.labels


def ack_key(signal: Signal) -> EffectKey:
    """The effect that acknowledges `signal`."""
    return EffectKey(f"{ACK}:{signal.source}")


async def may_decide(tracker: Tracker, trusted: Collection[str], signal: Signal) -> bool:
    """Whether the author of `signal` is `trusted` by the operator, or may write; what cannot be found out is a no."""
    if signal.person in trusted:
        return True
    try:
        return await tracker.may_write(signal.author, signal.author_id)
    except OutsideError as exc:
        if exc.kind in PASSING:
            raise  # asked again at the next look
        return False


def stranger_key(signal: Signal) -> EffectKey:
    """The effect that tells the author of `signal`, once, that they have no say."""
    return EffectKey(f"{ACK}:stranger:{text_digest(signal.person)[:16]}")


async def _said(ctx: RunContext) -> tuple[Signal, ...]:
    comments = await ctx.ports.tracker.comments(ctx.issue)
    more, reviews = await _of_pull_request(ctx)
    return signals_in(comments, reviews, more)


async def _of_pull_request(ctx: RunContext) -> tuple[tuple[Comment, ...], tuple[ReviewNote, ...]]:
    forge, number = ctx.ports.forge, await _pull_request(ctx)
    if number is None:
        return (), ()
    try:
        return await forge.comments(number), await forge.reviews(number)
    except OutsideError as exc:
        if exc.kind is FailureKind.GONE:  # the step that needs it says so
            return (), ()
        raise


async def _pull_request(ctx: RunContext) -> int | None:
    row = await ctx.store.effects.get(ctx.issue, EffectKey("pr"))
    number = (row.result or {}).get("number") if row is not None else None
    return number if isinstance(number, int) else None


class _Hearing:
    """One look at the run, with which signals are judged one after the other."""

    def __init__(self, desk: Desk, ctx: RunContext, branch: str) -> None:
        self._desk, self._ctx, self._branch = desk, ctx, branch

    async def hear(self, signal: Signal) -> None:
        """Effect: `signal` is recorded where it counts, then acknowledged."""
        scene = await self._scene()
        step = Step(self._ctx, scene.run.stage or Stage.TRIAGE, scene.run.step or "", f"listen:{signal.source}")
        if await self._ctx.ports.tracker.find_comment(self._ctx.issue, ack_key(signal)) is not None:
            await say(
                step, ack_key(signal), ""
            )  # there, but not recorded: by a death, or with a database that was lost
            return
        outcome = await self._earlier(signal) or await self._judge(signal, scene)
        if isinstance(outcome, Refused) and outcome.stranger:
            await self._turn_away(step, signal, outcome)
            return
        await say(step, ack_key(signal), defused(acknowledgement(signal, outcome)))

    async def _judge(self, signal: Signal, scene: Scene) -> Decision | Answer | Refused:
        trusted = self._ctx.settings.trust.people
        outcome = judged(signal, scene, may_decide=await may_decide(self._ctx.ports.tracker, trusted, signal))
        if not isinstance(outcome, Decision):
            return outcome
        try:
            return await decide(self._desk, scene.run, outcome)
        except UsageError as exc:  # what only the store knows, as that the change is merged already
            return Refused(str(exc))

    async def _earlier(self, signal: Signal) -> Decision | None:
        """What was recorded of it by a process that died before it could say so."""
        rows = await self._desk.store.decisions.of_run(self._ctx.run.id)
        return next((row.decision for row in rows if row.decision.source == signal.source), None)

    async def _scene(self) -> Scene:
        store, run_id = self._desk.store, self._ctx.run.id
        now, hold = await store.runs.whole(run_id), await store.decisions.hold(run_id)
        return Scene(
            now.run,
            now.wait,
            hold.decision if hold is not None else None,
            await _head(self._ctx.ports.forge, self._branch),
            str(now.options.get(QUEUED_BY, "")),
        )

    async def _turn_away(self, step: Step, signal: Signal, outcome: Refused) -> None:
        """Effect: a stranger is answered once, whatever they say after it; each word of theirs is used up."""
        key = stranger_key(signal)
        await say(step, key, defused(acknowledgement(signal, outcome)))

        async def find() -> Found | None:
            return {"comment": await self._ctx.ports.tracker.find_comment(self._ctx.issue, key)}

        async def nothing() -> None:
            return None

        await replace(step, task_id=f"{step.task_id}:used").once(ack_key(signal), find=find, act=nothing)


async def _head(forge: Forge, branch: str) -> str:
    return (await forge.branch_head(branch) or "") if branch else ""
