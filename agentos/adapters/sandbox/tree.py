"""A tree of processes from its root: who belongs to it, who of it has ended, and the end of all of it.

Orphans of the tree, daemons in sessions of their own included, become children of its root (Linux), so all of them are found.
"""

# ruff: noqa: PTH112, PTH123, PTH208, SIM105
# pathlib and contextlib would double the start-up of whoever imports only this.
import os
import select
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>
PATIENCE_S = 5.0
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGCHLD, signal.SIGINT)


def adopt_orphans() -> None:
    """Effect: descendants whose parent dies become children of this process, where the system can do that."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(statuses: dict[int, int]) -> bool:
    """Whether any child is left; the ends of those that are not go into `statuses`."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        statuses[pid] = os.waitstatus_to_exitcode(status)


def descendants(root: int) -> list[int]:
    """Every process below `root`; empty where the system has no /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue  # it ended while we looked
            children.setdefault(parent, []).append(int(name))
    found, pending = [], [root]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found


def kill_all(first: int, statuses: dict[int, int]) -> None:
    """Effect: no descendant of this process is left, new ones born meanwhile included; `first` leads the first group."""
    until = time.monotonic() + PATIENCE_S
    while reap(statuses) and time.monotonic() < until:
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if first not in statuses:
            try:
                os.killpg(first, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        select.select([], [], [], 0.002)
