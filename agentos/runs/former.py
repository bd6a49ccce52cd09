"""What an earlier run left: its state, and how it makes room for the next one."""

import asyncio
import shutil

from agentos.domain.event import EventKind
from agentos.domain.pipeline import Outcome
from agentos.domain.run import Run
from agentos.domain.status import TERMINAL, JobState
from agentos.runs.advance import innermost
from agentos.runs.desk import ENTRY, Desk
from agentos.runs.ownership import own
from agentos.store.fence import Fence
from agentos.store.runs import Change
from agentos.store.saver import open_saver
from agentos.workflows.kit.state import RunState
from agentos.workflows.orchestrator.config import require_known_version, thread_config
from agentos.workflows.orchestrator.graph import build


async def former_values(desk: Desk, run: Run) -> RunState:
    """The state the run's last checkpoint holds, stages that ran inside it included; of a run that did not come to one,
    the state it was to start with."""
    graph = build(open_saver(desk.store.db, Fence(run.ref.id, run.epoch)))
    snapshot = await graph.aget_state(thread_config(run.ref), subgraphs=True)
    entry: RunState = (await desk.store.runs.options(run.ref.id)).get(ENTRY, {})
    values = innermost(snapshot) if snapshot.values else entry
    require_known_version(values, run.ref)
    return values


async def supersede(desk: Desk, run: Run) -> None:
    """Effect: a live run is cancelled to make room for the next; its artifacts, branch and worktree stay, its scratch
    folder goes.

    Raises AlreadyRunning while another process works on it.
    """
    if run.job in TERMINAL:
        return
    change = Change(job=JobState.CANCELLED, outcome=Outcome.CANCELLED, clear_wait=True)
    data = {"why": "superseded by a new run"}
    async with own(desk, run) as fence:
        await asyncio.to_thread(shutil.rmtree, desk.home / "scratch" / str(run.ref.id), ignore_errors=True)
        event_id = f"superseded:{fence.epoch}"
        await desk.store.runs.transition(fence, change, event=EventKind.RUN_ENDED, data=data, event_id=event_id)
