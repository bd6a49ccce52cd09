"""Keeps one deployed command running after everybody who started it is gone, until somebody asks it to stop.

A process of its own, in its own session. It is the parent of all it keeps (on Linux of what daemonises, too), so it
never has to guess a process id. It and everything below it hold the deployment's lock: the lock is free exactly when
nothing of the deployment runs any more.
"""

import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from agentos.adapters.sandbox.tree import DEFAULT_SIGNALS, adopt_orphans, descendants, kill_all, reap

LOG_LIMIT_BYTES = 1_000_000
GRACE_S = 3.0
"""How long what runs may take to end when it is asked to."""
STOP, LOG, ENDED = "stop", "log.txt", "ended.json"


class Plan(NamedTuple):
    """What the keeper is told, as JSON in its only argument; `place` is the deployment's own folder."""

    line: str
    cwd: str
    place: str


class Log:
    """What the deployed command says, in one file and one older one, never more than twice LOG_LIMIT_BYTES."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, text: bytes) -> None:
        """Effect: `text` is in the log; where that is full, the older half of it goes."""
        if self._file.tell() + len(text) > LOG_LIMIT_BYTES:
            self._file.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._file = self._path.open("ab", buffering=0)
        self._file.write(text)


class Keeper:
    """The command of one plan, and everything that came of it."""

    def __init__(self, plan: Plan, stop_fd: int) -> None:
        self._place = Path(plan.place)
        self._stop_fd = stop_fd
        self._log = Log(self._place / LOG)
        self._output_fd, output = os.pipe()
        self._wake_fd, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, _woken)
        signal.signal(signal.SIGTERM, self._stop_asked)
        self._stopping = False
        self._open = {self._output_fd, self._wake_fd, stop_fd}
        self._ends: dict[int, int] = {}
        os.chdir(plan.cwd)
        self._shell = os.posix_spawn(
            "/bin/sh",
            ["/bin/sh", "-c", plan.line],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigdef=(*DEFAULT_SIGNALS, signal.SIGTERM),
            setsigmask=(),
        )
        os.close(output)
        os.chdir("/")

    def keep(self) -> None:
        """Returns once nothing runs any more: it ended by itself, or was asked to."""
        while not self._stopping and reap(self._ends):
            self._note_end()
            self._attend(None)
        if self._stopping:
            self._end_gently()
            kill_all(self._shell, self._ends)
        while self._output_fd in self._open and self._attend(0.0):
            pass  # its last words
        self._note_end()

    def _attend(self, wait_s: float | None) -> bool:
        """Whether anything happened within `wait_s`: output, an end of a child, the word to stop."""
        ready, _, _ = select.select(list(self._open), [], [], wait_s)
        if self._wake_fd in ready:
            os.read(self._wake_fd, 4096)
        if self._output_fd in ready:
            text = os.read(self._output_fd, 65536)
            self._log.write(text)
            if not text:
                self._open.discard(self._output_fd)
        if self._stop_fd in ready:
            self._open.discard(self._stop_fd)
            self._stopping = True
        return bool(ready)

    def _note_end(self) -> None:
        """Effect: how the command itself ended can be read; what it left running goes on."""
        file = self._place / ENDED
        if self._shell in self._ends and not file.exists():
            fresh = file.with_name(f"{ENDED}.new")
            fresh.write_text(json.dumps({"exit_code": self._ends[self._shell]}), encoding="utf-8")
            fresh.replace(file)

    def _end_gently(self) -> None:
        until = time.monotonic() + GRACE_S
        for pid in descendants(os.getpid()) or [self._shell]:
            if pid in self._ends:
                continue
            try:
                os.kill(pid, signal.SIGTERM)
            except (ProcessLookupError, PermissionError):
                continue
        while reap(self._ends) and time.monotonic() < until:
            self._attend(0.05)

    def _stop_asked(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True


def _woken(_signal: int, _frame: FrameType | None) -> None:
    """Nothing: that a child ended is read from the wake-up pipe."""


def main(raw: str) -> int:
    """0 at once, with the keeper on its own from then on."""
    plan = Plan(**json.loads(raw))
    # Our own writing end: without one the pipe would be readable, at its end, from the start.
    stop_fd = os.open(Path(plan.place, STOP), os.O_RDWR | os.O_NONBLOCK)
    if os.fork():
        return 0  # the one who started us need not bury us
    adopt_orphans()
    Keeper(plan, stop_fd).keep()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
