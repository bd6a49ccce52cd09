"""Every decision of a person, whatever door it came in by."""

from dataclasses import replace

from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.effect import EffectKey
from agentos.domain.error import UsageError
from agentos.domain.pipeline import SKIPPED_WHEN_TRIVIAL, Stage
from agentos.domain.run import Run
from agentos.domain.status import TERMINAL, JobState
from agentos.runs.desk import Desk
from agentos.telemetry.redaction import redacted

SHORTEST_SHA = 7
SKIPPABLE: frozenset[Stage] = SKIPPED_WHEN_TRIVIAL
"""Stages a person may pass over: those that only write documents."""


async def decide(desk: Desk, run: Run, decision: Decision) -> Decision:
    """The decision as it was recorded: bound to the wait it answers and, for an approval, to the sha or digest shown.

    Effect: one row, counted once; a process that works on the run hears of it, else the run does not move (see
    `advance`). Raises UsageError where the run does not wait, does not take such a decision, or waits about another
    commit than the one named.
    """
    wait = await desk.store.runs.wait(run.ref.id)
    held = await desk.store.decisions.hold(run.ref.id)
    said = replace(decision, text=redacted(decision.text))
    bound = bind(run, wait, said, held=held.decision if held is not None else None)
    if decision.kind is DecisionKind.CANCEL:
        await _require_unmerged(desk, run)
    if await desk.store.decisions.record(run.ref.id, bound) is None:
        raise UsageError(f"{decision.source} was counted before")
    return bound


def bind(run: Run, wait: Wait | None, decision: Decision, *, held: Decision | None = None) -> Decision:
    """`decision`, bound to what it answers. `held`: the hold the run is under."""
    kind, number = decision.kind, run.ref.issue.number
    if kind is DecisionKind.RETRY and decision.stage is not None:
        return decision  # a new run enters there, whatever became of this one
    if run.job in TERMINAL:
        raise UsageError(f"run {run.ref} has ended ({run.outcome or run.job}); there is nothing to {kind}")
    match kind:
        case DecisionKind.CANCEL:
            return decision
        case DecisionKind.HOLD if held is not None:
            raise UsageError(f"run {run.ref} is on hold already ({told(held)}); `agentos resume {number}` goes on")
        case DecisionKind.RESUME if held is None and run.job is not JobState.PAUSED:
            raise UsageError(f"run {run.ref} is not on hold, it is {run.job}; there is nothing to resume")
        case DecisionKind.HOLD | DecisionKind.RESUME:
            return decision
        case _:
            return _answer(run, wait, decision, held)


def told(hold: Decision) -> str:
    """Who put a run on hold, and why."""
    return f"by {hold.actor}: {hold.text}" if hold.text else f"by {hold.actor}"


def _answer(run: Run, wait: Wait | None, decision: Decision, held: Decision | None) -> Decision:
    kind = decision.kind
    if held is not None:
        raise UsageError(
            f"run {run.ref} is on hold ({told(held)}): `agentos resume {run.ref.issue.number}` first, then {kind}"
        )
    if wait is None:
        raise UsageError(f"run {run.ref} is {run.job} and waits for nobody; there is nothing to {kind}")
    if kind is DecisionKind.SKIP:
        _require_skippable(run, wait, decision)
    elif kind not in wait.accepts:
        words = ", ".join(wait.accepts)
        raise UsageError(f"run {run.ref} waits at “{wait.title}”, which takes {words}, not {kind}")
    if kind in (DecisionKind.FEEDBACK, DecisionKind.ANSWER) and not decision.text.strip():
        raise UsageError(f'{kind} needs a text, for example: `agentos {kind} {run.ref.issue.number} "…"`')
    _require_subject(run, wait, decision.subject)
    return replace(decision, subject=wait.subject, wait_id=wait.id)


def _require_skippable(run: Run, wait: Wait, decision: Decision) -> None:
    names = " and ".join(stage for stage in Stage if stage in SKIPPABLE)
    if decision.stage not in SKIPPABLE:
        raise UsageError(f"only {names} can be skipped, not {decision.stage or 'nothing'}")
    if decision.stage is not wait.stage or not wait.id:
        raise UsageError(
            f"run {run.ref} waits at “{wait.title}” in {wait.stage}, so {decision.stage} cannot be skipped now: "
            "only a stage that asks a person can be"
        )
    if not decision.text.strip():
        raise UsageError(
            f'skip needs a reason, for example: `agentos skip {run.ref.issue.number} {decision.stage} -- "…"`'
        )


def _require_subject(run: Run, wait: Wait, subject: str) -> None:
    if subject and len(subject) < SHORTEST_SHA:
        raise UsageError(f"{subject} is too short to name a commit: give at least {SHORTEST_SHA} characters")
    if subject and not wait.subject.startswith(subject):
        raise UsageError(
            f"{subject} is not what run {run.ref} waits with: that is {wait.subject[:12]}; look again before approving"
        )


async def _require_unmerged(desk: Desk, run: Run) -> None:
    merged = await desk.store.effects.get(run.ref.issue, EffectKey("merge"))
    if merged is not None and merged.run_id == run.ref.id and merged.result is not None:
        raise UsageError(
            f"run {run.ref} is merged already as {str(merged.result.get('sha', ''))[:12]}, so it cannot be cancelled; "
            f"`agentos run --issue {run.ref.issue.number}` finishes it"
        )
