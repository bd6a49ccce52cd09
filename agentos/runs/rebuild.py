"""Finding a run again whose database is lost: what there is of it, and a new run that goes on with that."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentos.domain.decision import Decision
from agentos.domain.error import UsageError
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage, Verdict
from agentos.domain.run import Run
from agentos.ports.forge import Forge
from agentos.runs.desk import ENTRY, Desk, Target
from agentos.runs.entering import Entry, entry_of
from agentos.runs.found import Found, find
from agentos.runs.ownership import own
from agentos.runs.start import require_consent
from agentos.runs.traces import FOUND_AGAIN, File, Traces, gather
from agentos.store.fence import Fence
from agentos.workspace.repository import OwnedRepository

if TYPE_CHECKING:
    from langgraph.runtime import RunControl


@dataclass(frozen=True, slots=True)
class Lost:
    """A run that the database does not know, as far as it was found again. `entry` is None where it has ended."""

    traces: Traces
    found: Found
    entry: Entry | None

    def missing(self) -> tuple[str, ...]:
        """What was there and is not, or is not what was put there; a sentence each."""
        newest, (_, _, stage) = self.traces.newest, self.traces.standing
        told = [
            f"{name} is not what run #{self.traces.number} put there" for name in (newest.damaged if newest else ())
        ]
        if newest is None:
            told.append(f"the documents of run #{self.traces.number} are not on this machine")
        stages = list(Stage)
        if self.entry is not None and stage and stages.index(Stage(stage)) > stages.index(self.entry.stage):
            told.append(f"it stood at {stage}; from {self.entry.stage} on it is done again")
        return tuple(told)


async def look(desk: Desk, target: Target, number: int, outside: tuple[OwnedRepository, Forge]) -> Lost:
    """What there is of the issue's newest run. Makes no run. Raises UsageError where the database knows one."""
    known = await desk.store.runs.latest(target.issue(number))
    if known is not None and not await _is_unfinished(desk, known):
        raise UsageError(
            f"run {known.ref} is in the database ({known.job}), so nothing has to be found; "
            f"`agentos run --issue {number}` goes on with it"
        )
    traces = await gather(desk, target, await target.tracker.get(number), outside)
    found = find(traces)
    entry = None if found.ended else entry_of(traces, found, started_at=desk.clock.now().isoformat())
    return Lost(traces, found, entry)


async def rebuild(desk: Desk, target: Target, lost: Lost, *, control: "RunControl | None" = None) -> Run:
    """The new run, after it went as far as it can from where the lost one is proved to have been.

    Effect: everything a run does. A crash on the way is mended by calling again: until all that was found is kept, no
    other command goes on with the run. Raises UsageError where the lost run has ended or nobody may work on its issue.
    """
    from agentos.runs.advance import advance  # brings LangGraph, which looking does not need

    if lost.entry is None:
        raise UsageError(lost.found.ended)
    if lost.found.behind is not Stage.REVIEW:  # what is merged is wound up, whoever closed its issue meanwhile
        require_consent(lost.traces.issue)
    run = await _run(desk, target, lost)
    async with own(desk, run) as fence:
        paths = [await _keep(desk, run, fence, file) for file in lost.entry.files]
        await _tell(desk, lost, fence)
        if lost.entry.held is not None:
            await desk.store.decisions.record(run.ref.id, _again(lost.entry.held, lost.found.former))
        state = lost.entry.at({path.rpartition("/")[2]: path for path in paths})
        await desk.store.runs.add_options(run.ref.id, {ENTRY: state})
    return await advance(desk, run, control=control)


async def _is_unfinished(desk: Desk, run: Run) -> bool:
    """Whether the run is one that a `rebuild` began to make and did not come to start."""
    return (await desk.store.runs.options(run.ref.id)).get(ENTRY) == {}


async def _run(desk: Desk, target: Target, lost: Lost) -> Run:
    """The row of the new run, which cannot start yet."""
    assert lost.entry is not None
    begun = await desk.store.runs.live(lost.traces.issue.ref)
    if begun is not None:
        return begun
    options = {**lost.entry.options, **target.options, ENTRY: {}}
    where = {"target": str(target.folder), "profile": target.profile}
    return await desk.store.runs.create(lost.traces.issue.ref, **where, options=options, after=lost.found.former)


async def _keep(desk: Desk, run: Run, fence: Fence, file: File) -> str:
    """Where the file is now: it is one of the new run's."""
    stem, dot, suffix = file.name.partition(".")
    name = "" if stem == file.kind else stem
    ref = await desk.store.artifacts.put(
        fence, run.ref.issue, run.ref.number, file.kind, file.content, suffix=dot + suffix, name=name
    )
    return ref.path


async def _tell(desk: Desk, lost: Lost, fence: Fence) -> None:
    """Effect: the ledger has, once, what was found as stages that need not be done, and what was not found."""
    for proof in lost.found.proofs:
        told: tuple[tuple[EventKind, dict[str, object]], ...] = (
            (EventKind.STAGE_STARTED, {"tries": 1}),
            (EventKind.STAGE_SKIPPED, {"reason": f"{FOUND_AGAIN}{proof.what}"}),
            (EventKind.STAGE_ENDED, {"verdict": Verdict.PASS, "why": "", "outcome": ""}),
        )
        for kind, data in told:
            event_id = f"rebuild:{proof.stage}:{kind}"
            await desk.store.ledger.append(fence, kind, stage=proof.stage, step=None, data=data, event_id=event_id)
    former = f"run #{lost.found.former} was found again and goes on as this one"
    for n, text in enumerate((former, *lost.missing())):
        note, event_id = {"text": text}, f"rebuild:note:{n}"
        await desk.store.ledger.append(fence, EventKind.NOTE, stage=None, step=None, data=note, event_id=event_id)


def _again(hold: Decision, former: int) -> Decision:
    """The hold of the lost run, which holds for this one; recording it twice counts once."""
    return Decision(hold.kind, hold.actor, f"rebuild:#{former}", hold.text)
