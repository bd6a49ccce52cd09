"""Runs one shell line and leaves no process of it behind, whoever dies first.

A script of its own, run as `python -I -S supervisor.py LINE FOLDER` with the standard library alone. The end of its standard
input (asked for, or because AgentOS itself was killed) means: kill everything and stop. Orphans of the line, daemons in
sessions of their own included, become children of this process (Linux), so all of them are found.
"""

# ruff: noqa: PTH112, PTH123, PTH208, SIM105
# pathlib and contextlib would double the start-up, which every command pays.
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


def kill_all(shell: int, statuses: dict[int, int]) -> None:
    """Effect: no descendant of this process is left, new ones born meanwhile included."""
    until = time.monotonic() + PATIENCE_S
    while reap(statuses) and time.monotonic() < until:
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if shell not in statuses:
            try:
                os.killpg(shell, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        select.select([], [], [], 0.002)


def main(line: str, scratch: str) -> int:
    """The exit code of `line`, 128 + n where signal n ended it. The folder `scratch` goes with an owner who went."""
    adopt_orphans()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    shell = os.posix_spawn(
        "/bin/sh",
        ["/bin/sh", "-c", line],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
        setsid=True,
        setsigdef=DEFAULT_SIGNALS,
        setsigmask=(),
    )
    statuses: dict[int, int] = {}
    left_alone = False
    while not left_alone and reap(statuses) and shell not in statuses:
        ready, _, _ = select.select([0, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
        left_alone = 0 in ready and not os.read(0, 4096)
    kill_all(shell, statuses)
    if left_alone:
        import shutil  # not before, for the sake of the start-up

        shutil.rmtree(scratch, ignore_errors=True)
    code = statuses.get(shell, -signal.SIGKILL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
