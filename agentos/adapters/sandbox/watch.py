"""What a tree of processes uses, looked at from outside while it runs, held against its bounds.

The kernel bounds one process and one file; the whole of a tree it bounds only in control groups, which an ordinary user
seldom owns. So its root looks, often enough that an overshoot stays small against the bound.
"""

# ruff: noqa: PTH116, PTH123, PTH208
# pathlib would double the start-up of the launcher.
import os
import resource
import stat

from agentos.adapters.sandbox.order import Bounds
from agentos.adapters.sandbox.tree import descendants

TICK_S = 0.05
OWN_PROCESSES = 4
"""Processes of a tree that are ours: the one that starts it, and the first ones of a namespace."""
THREADS_EACH = 8
"""Threads that go with each process allowed; some programs have dozens, most have one."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_WALK_STEP = 16
"""The folders are walked whenever another sixteenth of a bound was written to their disk."""
_SMALL_BYTES = 16 * 1024**2
"""So little written by one command is not worth a walk at its end."""
_PATH_MOST = 3900


class Watch:
    """Looks at everything below this process, and at the folders it may write."""

    def __init__(self, bounds: Bounds, folders: tuple[str, ...]) -> None:
        self._bounds = bounds
        self._folders = folders
        self._at_start = self._written()
        self._walked_at = (0, 0)

    def look(self) -> str:
        """The bound that is exceeded now, as words for people; empty where none is."""
        pids = _below(os.getpid())
        if len(pids) > self._bounds.processes + OWN_PROCESSES:
            return f"more than {self._bounds.processes} processes"
        if _threads(pids) > self._bounds.processes * THREADS_EACH:
            return f"more than {self._bounds.processes * THREADS_EACH} threads"
        if _resident_bytes(pids) > self._bounds.memory_bytes < _proportional_bytes(pids):
            return f"more than {_size(self._bounds.memory_bytes)} of memory"
        if _cpu_s(pids) > self._bounds.cpu_s:
            return f"more than {self._bounds.cpu_s:g} s of processor time"
        return self._folders_now(pids, (self._bounds.disk_bytes // _WALK_STEP, self._bounds.files // _WALK_STEP))

    def last_look(self) -> str:
        """As `look`, for what a command left behind."""
        return self._folders_now([], (_SMALL_BYTES, self._bounds.files // _WALK_STEP))

    def _folders_now(self, pids: list[int], step: tuple[int, int]) -> str:
        grown = self._written()
        size_bytes, files = grown[0] - self._at_start[0], grown[1] - self._at_start[1]
        if size_bytes - self._walked_at[0] < step[0] and files - self._walked_at[1] < step[1]:
            return ""
        self._walked_at = (size_bytes, files)
        held = _Held(self._bounds)
        for folder in self._folders:
            held.walk(folder)
        held.size_bytes += _unnamed_bytes(pids)
        return held.verdict(size_bytes)

    def _written(self) -> tuple[int, int]:
        """Bytes and files in use on the disks of the folders: quick to ask, but others write there too."""
        disks = {}
        for folder in self._folders:
            try:
                disks[os.stat(folder).st_dev] = os.statvfs(folder)
            except OSError:
                continue
        size_bytes = sum((disk.f_blocks - disk.f_bfree) * disk.f_frsize for disk in disks.values())
        return size_bytes, sum(disk.f_files - disk.f_ffree for disk in disks.values())


class _Held:
    """What folders hold, counted no further than it takes to know that it is too much."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.size_bytes = 0
        self._files = 0
        self._hidden = False
        self._too_deep = False

    def walk(self, folder: str) -> None:
        """Effect: everything below `folder` is counted; no link is followed."""
        pending = [folder]
        while pending and not self._is_over():
            at = pending.pop()
            if len(at) > _PATH_MOST:
                self._too_deep = True
                continue
            try:
                with os.scandir(at) as entries:
                    for entry in entries:
                        self._files += 1
                        status = entry.stat(follow_symlinks=False)
                        self.size_bytes += status.st_blocks * 512
                        if stat.S_ISDIR(status.st_mode):
                            pending.append(entry.path)
            except FileNotFoundError:
                continue  # it went while we looked
            except OSError:
                self._hidden = True

    def verdict(self, written_bytes: int) -> str:
        """The bound that is exceeded. What the disk got and the folders do not show counts, if they hide something."""
        if self._too_deep:
            return "folders nested deeper than a path may be long"
        if self._files > self._bounds.files:
            return f"more than {self._bounds.files} files"
        if self.size_bytes > self._bounds.disk_bytes or (self._hidden and written_bytes > self._bounds.disk_bytes):
            return f"more than {_size(self._bounds.disk_bytes)} of disk"
        return ""

    def _is_over(self) -> bool:
        return self._too_deep or self._files > self._bounds.files or self.size_bytes > self._bounds.disk_bytes


def _below(root: int) -> list[int]:
    """Every process below `root`, by the kernel's own lists where it keeps them: a whole /proc is slow to read."""
    if not os.path.exists(f"/proc/{root}/task/{root}/children"):  # noqa: PTH110
        return descendants(root)
    found, pending = [], [root]
    while pending:
        below = _children(pending.pop())
        found += below
        pending += below
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        return found  # it ended while we looked
    return found


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""  # it ended while we looked


def _resident_bytes(pids: list[int]) -> int:
    """An upper bound of the memory in use: what is shared counts for each that shares it."""
    pages = [_read(f"/proc/{pid}/statm").split()[1:2] for pid in pids]
    return sum(int(each[0]) for each in pages if each) * _PAGE_BYTES


def _proportional_bytes(pids: list[int]) -> int:
    """The memory in use, shared parts split between those that share them; slower to ask."""
    total = 0
    for pid in pids:
        lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
        kilobytes = next((int(line.split()[1]) for line in lines if line.startswith(b"Pss:")), None)
        total += _resident_bytes([pid]) if kilobytes is None else kilobytes * 1024
    return total


def _threads(pids: list[int]) -> int:
    fields = [_read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[17:18] for pid in pids]
    return sum(int(each[0]) for each in fields if each)


def _cpu_s(pids: list[int]) -> float:
    """Processor time of all of them, and of those that ended."""
    ticks = 0
    for pid in pids:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ticks / _TICKS_PER_S + ended.ru_utime + ended.ru_stime


def _unnamed_bytes(pids: list[int]) -> int:
    """What open files without a name hold: no walk finds them."""
    held: dict[tuple[int, int], int] = {}
    for pid in pids:
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                status = os.stat(f"/proc/{pid}/fd/{name}")
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    held[status.st_dev, status.st_ino] = status.st_blocks * 512
        except OSError:
            continue
    return sum(held.values())


def _size(size_bytes: int) -> str:
    for unit, factor in (("GiB", 1024**3), ("MiB", 1024**2)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:g} {unit}"
    return f"{size_bytes} bytes"
