"""One command from its start to the end of its last process, whoever dies first. Runs in a process of its own.

The end of `control` (asked for, or because AgentOS itself was killed) means: kill everything and stop.
"""

import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from agentos.adapters.sandbox.order import Answer, Order, Place, read_order
from agentos.adapters.sandbox.tree import adopt_orphans, kill_all, reap
from agentos.adapters.sandbox.watch import TICK_S, Watch
from agentos.adapters.sandbox.worker import Worker, hire, receive


def stand_by(place: Place, door: socket.socket) -> None:
    """Effect: one order that comes through `door`, with its control and its output, is carried out, with a worker that was
    at `place` before."""
    os.setsid()
    adopt_orphans()
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    worker = hire(place)
    raw, descriptors = receive(door)
    if raw:
        control, output = descriptors
        complaints, complaint = os.pipe()
        socket.send_fds(worker.door, [raw], [output, complaint])
        order = read_order(raw)
        watch = Watch(order.bounds, order.writable)
        os.close(complaint)
        os.close(output)
        _supervise(order, worker, (control, wake, complaints), watch)


def _supervise(order: Order, worker: Worker, descriptors: tuple[int, int, int], watch: Watch) -> None:
    """Effect: nothing of the command is left, and `control` got the Answer. The owner gone: nobody is answered, and the
    scratch folder goes too."""
    control, wake, complaints = descriptors
    _go_before_the_watched()
    statuses: dict[int, int] = {}
    exceeded, left_alone = "", False
    look_at = time.monotonic() + TICK_S
    while not exceeded and not left_alone and reap(statuses) and worker.pid not in statuses:
        ready, _, _ = select.select([control, wake], [], [], max(0.0, look_at - time.monotonic()))
        if wake in ready:
            os.read(wake, 4096)
        left_alone = control in ready and not os.read(control, 4096)
        if time.monotonic() >= look_at:
            exceeded = watch.look()
            look_at = time.monotonic() + TICK_S
    kill_all(worker.pid, statuses)
    exceeded = exceeded or watch.last_look()
    code = statuses.get(worker.pid, -signal.SIGKILL)
    refusal = os.read(complaints, 4096).decode("utf-8", "replace")
    stopped = bool(exceeded) or left_alone
    answer = Answer(None if stopped else code if code >= 0 else 128 - code, exceeded, refusal)
    try:
        os.write(control, f"{json.dumps(answer._asdict())}\n".encode())
    except OSError:  # nobody is there any more
        from agentos.workspace.folders import discard  # not before: it is seldom needed

        discard(Path(order.scratch))


def _go_before_the_watched() -> None:
    """Effect: however many processes want the machine, this one is asked first, and none of its children is; where that
    may be. For root the kernel counts no processes, so a bomb of them is stopped by who looks in time."""
    if sys.platform.startswith("linux"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))
