"""Taking a run on: from where its checkpoint stands to its end, or to the next wait for a person."""

import contextlib
import traceback
from dataclasses import replace
from datetime import timedelta
from typing import Any

from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import Command, Interrupt, StateSnapshot

from agentos.domain.budget import BudgetSpent
from agentos.domain.decision import DecisionKind, Wait
from agentos.domain.error import FenceLost, NotYet, OutsideError, UsageError, refusal_of_machine
from agentos.domain.event import EventKind
from agentos.domain.failure import RETRY, WORKER_DEATHS, FailureKind, backoff_s
from agentos.domain.pipeline import Outcome, Stage
from agentos.domain.run import Run
from agentos.domain.status import TERMINAL, JobState, WaitKind
from agentos.runs.decide import told
from agentos.runs.desk import ENTRY, Desk
from agentos.runs.heeding import heeding, is_told, last_word
from agentos.runs.listening import listen
from agentos.runs.ownership import own
from agentos.runs.reconcile import ends, heed_issue, noticed
from agentos.runs.showing import show, show_at_last
from agentos.runs.signals import answer_to
from agentos.store.decisions import DecisionRow
from agentos.store.fence import Fence
from agentos.store.runs import Change
from agentos.store.saver import open_saver
from agentos.workflows.kit.commits import bring_commits
from agentos.workflows.kit.context import RunContext
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.state import RunState
from agentos.workflows.orchestrator.config import require_known_version, thread_config
from agentos.workflows.orchestrator.graph import Outer, build
from agentos.workflows.orchestrator.state import OrchestrationState, cancelled, initial

PARKED = frozenset({FailureKind.TRANSIENT, FailureKind.CAPACITY, FailureKind.CRASH})


async def advance(desk: Desk, run: Run, *, control: RunControl | None = None) -> Run:
    """The run after it went as far as it can without a person.

    Safe to call again after any crash: the lease keeps every other process out, the fence keeps a stale one from
    writing, and the graph goes on from its last checkpoint. Raises AlreadyRunning while another process holds it.
    """
    control = control or RunControl()
    while run.job not in TERMINAL:
        async with own(desk, run) as fence:
            last = await last_word(desk, run)
            await _Drive(desk, fence, run, control).go()
        run = await desk.store.runs.get(run.ref.id)
        # Whoever decided after our last look, but before we let go, could not take the run: so we look once more.
        if not await is_told(desk, run, after=last):
            break
    return run


def innermost(snapshot: StateSnapshot) -> RunState:
    """The state as the stage that runs inside the outer graph has it."""
    values: Any = dict(snapshot.values)
    inner = [task.state for task in snapshot.tasks]
    while inner:
        below = inner.pop()
        if isinstance(below, StateSnapshot):
            values.update(below.values)
            inner += [task.state for task in below.tasks]
    state: RunState = values
    return state


class _Drive:
    """One invocation of a run's graph, and what its end means for the run's row."""

    def __init__(self, desk: Desk, fence: Fence, run: Run, control: RunControl) -> None:
        self.desk = desk
        self.fence = fence
        self.run = run
        self.control = control
        self.config = thread_config(run.ref)
        self.turns = 0

    async def go(self) -> None:
        """Effect: the run went on until it ended, waits, is parked, paused or blocked; its row and report say so."""
        is_held = await self._pause_if_held()
        try:
            await self._require_few_deaths()
            ctx = await self.desk.equip(self.run, self.fence)
        except FenceLost:
            raise
        except Exception as exc:  # noqa: BLE001 - as below
            return None if is_held or await self._rests() else await self._stop(exc)
        try:
            if not is_held or await self._is_let_go(ctx):
                await self._work(ctx, build(open_saver(self.desk.store.db, self.fence)))
        except FenceLost:
            raise
        except Exception as exc:  # noqa: BLE001 - the last door: nothing that stops a run goes by unrecorded
            await self._stop(exc)
        await show_at_last(ctx)
        return None

    async def _is_let_go(self, ctx: RunContext) -> bool:
        """Whether somebody resumed the held run in a comment; it stays on hold where nobody can be heard."""
        with contextlib.suppress(OutsideError):
            await listen(self.desk, ctx)
        return not await self._pause_if_held()

    async def _rests(self) -> bool:
        """Whether the run has nothing to do but to wait for a person, for which it needs no equipment."""
        now = await self.desk.store.runs.whole(self.run.ref.id)
        run, wait = now.run, now.wait
        if run.job not in (JobState.WAITING, JobState.BLOCKED) or wait is None or not wait.id:
            return False
        pending = await self.desk.store.decisions.pending(run.ref.id)
        return not any(row.decision.wait_id in ("", wait.id) for row in pending)

    async def _stop(self, exc: Exception) -> None:
        """Effect: a run the world or the machine stopped is halted; by anything else, it fails with its traceback."""
        if (await self.desk.store.runs.get(self.run.ref.id)).job is not JobState.RUNNING:
            await self._go_on()  # it could not even begin to; what stops it is recorded under the run all the same
        refusal = refusal_of_machine(exc) if isinstance(exc, OSError) else exc
        if isinstance(refusal, OutsideError | UsageError):
            await self._halt(refusal)
            return
        lines = traceback.format_exception(exc)
        change = Change(job=JobState.FAILED, outcome=Outcome.FAILED, error=f"{type(exc).__name__}: {exc}")
        await self._move(change, EventKind.RUN_ENDED, "bug", traceback="".join(lines)[-8000:])

    async def _work(self, ctx: RunContext, graph: Outer) -> None:
        """Effect: as `go`; a drained run is paused, or cleaned up where that is why it was drained."""
        try:
            async with heeding(self.desk, self.run.ref.id, self.control):
                await self._run(ctx, graph)
        except GraphDrained:
            order = await self.desk.store.decisions.order(self.run.ref.id)
            if order is not None and order.decision.kind is DecisionKind.CANCEL:
                await self._run(ctx, graph)
            elif not await self._pause_if_held():
                await self._move(Change(job=JobState.PAUSED), EventKind.RUN_PAUSED, "interrupted")

    async def _pause_if_held(self) -> bool:
        """Whether the run is on hold. Effect: then it is paused, and says by whom and why."""
        order = await self.desk.store.decisions.order(self.run.ref.id)
        if order is None or order.decision.kind is not DecisionKind.HOLD:
            return False
        await self._take(order)
        run = await self.desk.store.runs.get(self.run.ref.id)
        if run.job is not JobState.PAUSED:
            said = order.decision
            change = Change(job=JobState.PAUSED, error=f"on hold {told(said)}")
            await self._move(change, EventKind.RUN_PAUSED, "hold", by=said.actor, why=said.text)
        return True

    async def _require_few_deaths(self) -> None:
        """Raises OutsideError where a run was taken over from a dead worker once too often; a retry allows as many more.

        Something in such a run kills its workers, and it would go on doing so.
        """
        takeovers = (await self.desk.store.runs.get(self.run.ref.id)).takeovers
        if takeovers > self.run.takeovers and takeovers % (WORKER_DEATHS + 1) == 0:
            raise OutsideError(f"{takeovers} workers died at this run; see what they have in common before a retry")

    async def _run(self, ctx: RunContext, graph: Outer) -> None:
        while True:
            given = await self._input(ctx, graph)
            if given is _WAITS:
                return
            await self._go_on(ctx)
            await show(ctx)
            await graph.ainvoke(given, self.config, context=ctx, durability="sync", control=self.control)
            snapshot = await graph.aget_state(self.config)
            if not snapshot.interrupts and not snapshot.next:
                await self._end(snapshot.values)
                return
            await self._wait(ctx, snapshot.interrupts[0])

    async def _go_on(self, ctx: RunContext | None = None) -> None:
        """Effect: the run is at work; the first time is its acceptance."""
        self.turns += 1
        fresh = (await self.desk.store.runs.get(self.run.ref.id)).started_at is None
        on = EventKind.RUN_ACCEPTED if fresh else EventKind.RUN_RESUMED
        change = Change(job=JobState.RUNNING, clear_wait=True)
        boxed = {} if ctx is None else {"sandbox": ctx.ports.sandbox.name}
        await self._move(change, on, f"on:{self.turns}", **boxed)

    async def _input(self, ctx: RunContext, graph: Outer) -> Any:
        """What the graph is called with: the first state, None to go on, or the answer to the interrupt it stands at.

        A resume without an interrupt id, or on a thread that does not wait, would open a gate that nobody opened.
        """
        snapshot = await graph.aget_state(self.config, subgraphs=True)
        values = innermost(snapshot)
        asked: Interrupt | None = snapshot.interrupts[0] if snapshot.interrupts else None
        await self._hear(ctx, values, asked)
        if await self._pause_if_held():
            return _WAITS
        pending = await self.desk.store.decisions.pending(self.run.ref.id)
        leaving = next((row for row in pending if ends(row.decision)), None)
        if not snapshot.values:
            return await self._begin(ctx, leaving)
        require_known_version(snapshot.values, self.run.ref)
        await bring_commits(ctx, values)
        if leaving is not None and await self._leave(graph, snapshot, leaving):
            return None
        for row in pending:
            if row is not leaving and (asked is None or row.decision.wait_id != asked.id):
                await self._take(row)
        if asked is None:
            return None
        said = answer_to(asked.id, pending) or await noticed(ctx, values, asked)
        if said is not None:
            return Command(resume={asked.id: dump(said)})
        await self._wait(ctx, asked)
        return _WAITS

    async def _hear(self, ctx: RunContext, values: RunState, asked: Interrupt | None) -> None:
        """Effect: what people did to the issue and said since the last time is recorded, as things stand now."""
        if self.run.job is JobState.RETRY_WAIT and asked is not None:
            await self._stand_again(ctx, asked)
        await heed_issue(self.desk, ctx, values)
        await listen(self.desk, ctx, branch=values.get("branch", ""))

    async def _begin(self, ctx: RunContext, leaving: DecisionRow | None) -> Any:
        """The state a run starts with that has no checkpoint yet.

        Effect: one that is told to leave before it began ends; where it was to go on from another run's work, by way of
        the clean-up of that.
        """
        entry: OrchestrationState | None = (await self.desk.store.runs.options(self.run.ref.id)).get(ENTRY)
        if leaving is not None and entry is None:
            await self._end({"outcome": Outcome.CANCELLED})
            await self._take(leaving)
            return _WAITS
        if entry is None:
            return initial(self.run.ref.issue.number, started_at=self.desk.clock.now().isoformat())
        if leaving is not None:
            entry = cancelled(entry, leaving.decision)
            await self.desk.store.runs.add_options(self.run.ref.id, {ENTRY: entry})
            await self._take(leaving)
            self.control = RunControl()
        require_known_version(entry, self.run.ref)
        await bring_commits(ctx, entry)
        return entry

    async def _leave(self, graph: Outer, snapshot: StateSnapshot, row: DecisionRow) -> bool:
        """Whether the run goes on with its clean-up, as it was told; what is merged is not taken back.

        Effect: its position is there, wherever it stood; nothing drains it any more.
        """
        values = innermost(snapshot)
        if values.get("merge_sha"):
            await self._take(row, counts=False)
            return False
        left = {**values, "wait": {}, "decision": dump(row.decision), "outcome": Outcome.CANCELLED}
        await graph.aupdate_state(self.config, left, as_node="settle")
        await self._take(row)
        self.control = RunControl()
        return True

    async def _take(self, row: DecisionRow, **data: Any) -> None:
        """Effect: the decision is pending no more; one that answers no wait is told to the ledger here, the others by
        the step that read them."""
        if not row.decision.wait_id:
            told_as = {**dump(row.decision), **data}
            await self.desk.store.ledger.append(
                self.fence,
                EventKind.DECISION_TAKEN,
                stage=self.run.stage,
                step=self.run.step,
                data=told_as,
                event_id=f"decision:{row.id}",
            )
        await self.desk.store.decisions.consume(self.fence, row.id)

    async def _stand_again(self, ctx: RunContext, asked: Interrupt) -> None:
        """Effect: a run that an outage parked where it waited waits there again, so that what was said meanwhile answers
        it. Where nobody was told of the wait yet, nothing said so far does."""
        events = await self.desk.store.ledger.read(self.run.ref.id)
        told = (event for event in events if event.kind in (EventKind.RUN_WAITING, EventKind.RUN_BLOCKED))
        if any(event.data.get("id") == asked.id for event in told):
            await self._wait(ctx, asked, hears=False)

    async def _wait(self, ctx: RunContext, asked: Interrupt, *, hears: bool = True) -> None:
        wait = replace(load(Wait, asked.value), id=asked.id)
        blocked = wait.kind is WaitKind.BLOCKER
        job, kind = (JobState.BLOCKED, EventKind.RUN_BLOCKED) if blocked else (JobState.WAITING, EventKind.RUN_WAITING)
        now = await self.desk.store.runs.whole(self.run.ref.id)
        run, told_of = now.run, now.wait
        if run.job is job and told_of is not None and told_of.id == wait.id:
            return
        if run.job is not JobState.RUNNING:
            await self._go_on(ctx)  # it was paused or parked where it waits now
        if hears:
            await listen(self.desk, ctx)  # what is said from now on is newer than the wait
        await self._move(Change(job=job, wait=wait), kind, asked.id, **dump(wait))

    async def _end(self, values: dict[str, Any]) -> None:
        outcome = Outcome(values["outcome"])
        job = JobState.CANCELLED if outcome is Outcome.CANCELLED else JobState.SUCCEEDED
        change = Change(job=job, outcome=outcome)
        await self._move(change, EventKind.RUN_ENDED, "end", outcome=outcome)

    async def _halt(self, exc: OutsideError | UsageError) -> None:
        """Effect: a run the world stopped is parked until a time, or blocked with what happened."""
        kind = exc.kind if isinstance(exc, OutsideError) else FailureKind.INVALID
        events = await self.desk.store.ledger.read(self.run.ref.id)
        parks = [event for event in events if event.kind is EventKind.RUN_PARKED]
        failed = sum(not event.data.get("expected") for event in parks)
        expected = isinstance(exc, NotYet)
        if expected or (kind in PARKED and failed < RETRY[FailureKind.CAPACITY].limit):
            rule = RETRY[FailureKind.CAPACITY]
            wait_s = getattr(exc, "retry_after_s", None) or backoff_s(
                failed + 1, first_s=rule.first_s, most_s=rule.most_s
            )
            due = self.desk.clock.now() + timedelta(seconds=wait_s)
            change = Change(job=JobState.RETRY_WAIT, due_at=due, error=str(exc))
            await self._move(
                change,
                EventKind.RUN_PARKED,
                str(len(parks)),
                due_at=due.isoformat(),
                why=str(exc),
                expected=expected,
            )
            return
        stage = (await self.desk.store.runs.get(self.run.ref.id)).stage or Stage.TRIAGE
        wait = halted(exc, kind, stage)
        change = Change(job=JobState.BLOCKED, wait=wait, error=str(exc))
        await self._move(change, EventKind.RUN_BLOCKED, "halt", **dump(wait))

    async def _move(self, change: Change, kind: EventKind, name: str, /, **data: Any) -> None:
        event_id = f"advance:{self.fence.epoch}:{kind}:{name}"
        await self.desk.store.runs.transition(self.fence, change, event=kind, data=data, event_id=event_id)


def halted(exc: OutsideError | UsageError, kind: FailureKind, stage: Stage) -> Wait:
    """What a run waits for that the world, or one of its own ceilings, stopped: it goes on exactly where it stands."""
    accepts = (DecisionKind.RETRY, DecisionKind.REJECT)
    wait = Wait(WaitKind.BLOCKER, stage, str(exc), "", accepts, code=f"outside_{kind}", needs=("retry",))
    if not isinstance(exc, BudgetSpent):
        return wait
    needs = (f"a higher ceiling, with which it goes on where it stands; {exc.ceiling.otherwise}",)
    return replace(wait, code="budget", needs=needs, sets=(exc.ceiling.raised,))


_WAITS = object()
