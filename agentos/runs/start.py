"""Starting, or going on with, the work on an issue."""

from dataclasses import replace
from typing import TYPE_CHECKING

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import OPT_OUT_LABEL, Issue
from agentos.domain.pipeline import Stage
from agentos.domain.run import Run
from agentos.domain.status import TERMINAL, JobState
from agentos.runs.decide import told
from agentos.runs.desk import ENTRY, GIVEN_BRIEF, Desk, Target
from agentos.runs.relations import runs_around, stands_in_the_way
from agentos.runs.unknown import Former, former_run, require_nothing_lost
from agentos.store.runs import LiveRunExists

if TYPE_CHECKING:
    from langgraph.runtime import RunControl


async def start(desk: Desk, target: Target, number: int, *, control: "RunControl | None" = None) -> Run:
    """The issue's run after it went as far as it can: its live run goes on, or a new one is accepted and begins.

    Idempotent: an issue that is done is not done again. Raises UsageError for an issue that is closed, opted out, or
    not to be started yet for its relations; AlreadyRunning while another process works on it.
    """
    from agentos.runs.advance import advance  # brings LangGraph, which finding the run does not need

    live = await desk.store.runs.live(target.issue(number))
    if live is not None:
        await _require_whole(desk, live)
        await _require_its_brief(desk, live, target)
        await desk.store.runs.add_options(live.ref.id, target.options)
        return await advance(desk, live, control=control)
    last = await desk.store.runs.latest(target.issue(number))
    if last is not None and last.job is JobState.SUCCEEDED:
        return last
    run = await accept(desk, target, number)
    return await advance(desk, run, control=control)


class NotYet(UsageError):
    """The issue may be worked on, but not before something else happened."""


async def accept(desk: Desk, target: Target, number: int) -> Run:
    """A new run of the issue, queued: nothing is begun before its row is there (I3). Where another process was faster, its.

    Raises UsageError for an issue that is closed or opted out, or with a run that this database lost; NotYet for one that
    its relations keep from being started.
    """
    await _require_startable(desk, target, number)
    is_first = await desk.store.runs.latest(target.issue(number)) is None
    former = await _former(desk, target, number) if is_first else None
    require_nothing_lost(former, target.issue(number))
    return await _create(desk, target, number, former)


async def restart(desk: Desk, target: Target, number: int, stage: Stage, *, control: "RunControl | None" = None) -> Run:
    """A new run of the issue that enters at `stage` with the artifacts of the one before (`--resume-from`)."""
    from agentos.runs.advance import advance
    from agentos.runs.former import former_values, supersede
    from agentos.workflows.orchestrator.state import resumed

    await _require_startable(desk, target, number)
    last = await desk.store.runs.latest(target.issue(number))
    if last is not None and last.job not in TERMINAL:
        held = await desk.store.decisions.hold(last.ref.id)
        if held is not None:
            raise UsageError(f"run {last.ref} is on hold ({told(held.decision)}): `agentos resume {number}` first")
    former = await _former(desk, target, number) if last is None else None
    entry: dict[str, object] = {}
    if stage is not Stage.TRIAGE:
        if last is None:
            require_nothing_lost(former, target.issue(number))
            raise UsageError(f"issue {number} has no earlier run, so there is nothing to resume {stage} from")
        entry[ENTRY] = resumed(await former_values(desk, last), stage, started_at=desk.clock.now().isoformat())
    if last is not None:
        await supersede(desk, last)
    run = await _create(desk, replace(target, options={**target.options, **entry}), number, former)
    return await advance(desk, run, control=control)


async def _issue(target: Target, number: int) -> Issue:
    try:
        return await target.tracker.get(number)
    except OutsideError as exc:
        if exc.kind is FailureKind.GONE:  # the person named an issue that is not there
            raise UsageError(str(exc)) from exc
        raise


async def _require_its_brief(desk: Desk, live: Run, target: Target) -> None:
    """Raises UsageError where another brief is given than the one the run began with."""
    given = target.options.get(GIVEN_BRIEF)
    if given is not None and given != (await desk.store.runs.options(live.ref.id)).get(GIVEN_BRIEF):
        again = f"--resume-from {Stage.TRIAGE}"
        raise UsageError(f"run {live.ref} has a brief already; to begin anew with this one, add {again}")


async def _former(desk: Desk, target: Target, number: int) -> Former | None:
    return await former_run(desk.home, target.tracker, target.issue(number))


async def _require_whole(desk: Desk, live: Run) -> None:
    """Raises UsageError for a run that is being found again: what it stands on is not all kept yet."""
    if (await desk.store.runs.options(live.ref.id)).get(ENTRY) == {}:
        raise UsageError(f"run {live.ref} is only half found again; `agentos rebuild {live.ref.issue.number}` goes on")


async def _create(desk: Desk, target: Target, number: int, former: Former | None) -> Run:
    """A new row, with a number that no run had before, also none that this database lost: comments, effects and folders
    carry it."""
    target.require_means()
    try:
        return await desk.store.runs.create(
            target.issue(number),
            target=str(target.folder),
            profile=target.profile,
            options=target.options,
            after=former.number if former is not None else 0,
        )
    except LiveRunExists as exc:
        return exc.run


async def _require_startable(desk: Desk, target: Target, number: int) -> None:
    """Raises UsageError for an issue nobody may work on, or not now."""
    issue = await _issue(target, number)
    require_consent(issue)
    busy, split = await runs_around(desk.store.runs, issue)
    reason = await stands_in_the_way(target.tracker, issue, busy=busy, split=split)
    if reason:
        raise NotYet(reason)


def require_consent(issue: Issue) -> None:
    """Raises UsageError for an issue nobody may work on."""
    if not issue.is_open:
        raise UsageError(f"{issue.ref} is closed ({issue.status or 'done'}); reopen it to work on it")
    if OPT_OUT_LABEL in issue.labels:
        raise UsageError(f"{issue.ref} carries the label {OPT_OUT_LABEL}; remove it to work on it")
