"""Keeps one PostgreSQL server running while anybody uses it, and stops it afterwards.

Runs as a small process of its own, outlives whoever started it, and is the server's parent: so it never has to guess a
process id. Standard library only, because it is started as a bare script; its own imports decide how fast a start is.
"""

import fcntl
import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
LONGEST_FOLDER_BYTES = 85
"""Socket paths end at 103 bytes on macOS (107 on Linux); the socket's own name needs 14 and a slash."""
LOG_LIMIT_BYTES = 1_000_000
GLANCE_S = 0.2
SHORTEST_LIFE_S = 5.0
SHORT_LIVES = 2
"""How often in a row a server that came up may end sooner than that before it is not started again."""
STOPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
"""How to stop the server, and how long to wait for each: fast, immediate (it recovers at the next start), and the axe."""


class Plan(NamedTuple):
    """What the guardian is told, as JSON in its only argument; paths are absolute."""

    command: list[str]
    """The server and its settings, without the socket folder: that may move while the guardian lives."""
    data: str
    users_lock: str
    server_lock_fd: int
    """Already locked, and handed on to the server: nobody can take the lock while one process of it lives."""
    log: str
    socket_link: str
    socket_parents: list[str]
    socket_name: str
    uid: int
    gid: int


def is_private(folder: Path, uid: int) -> bool:
    """Whether `folder` is a real folder of `uid` that nobody else can look into."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and stat.S_IMODE(found.st_mode) == 0o700


def socket_folder(plan: Plan) -> Path:
    """A private folder with a short path, in the first of the plan's parents where one can be had."""
    for parent in plan.socket_parents:
        folder = Path(parent, plan.socket_name)
        if len(os.fsencode(folder)) > LONGEST_FOLDER_BYTES:
            continue
        try:
            folder.mkdir(0o700, exist_ok=True)
            if os.geteuid() == 0 and plan.uid != 0 and is_private(folder, 0):
                os.chown(folder, plan.uid, plan.gid, follow_symlinks=False)
        except OSError as refusal:
            complain(f"no socket folder at {folder}: {refusal}")
            continue
        if is_private(folder, plan.uid):
            return folder
        complain(f"{folder} is not private to user {plan.uid}, so it is not used")
    raise SystemExit(f"no private folder for the socket under {' or '.join(plan.socket_parents)}")


def complain(sentence: str) -> None:
    """Put `sentence` into the log, which is this process's error output."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


class Log:
    """What the server says, in one file and one older one, never more than twice LOG_LIMIT_BYTES."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)

    def pump(self, pipe_fd: int, wait_s: float) -> bool:
        """Write down what comes within `wait_s`; False once no process holds the other end."""
        if not select.select([pipe_fd], [], [], wait_s)[0]:
            return True
        text = os.read(pipe_fd, 65536)
        if self._file.tell() + len(text) > LOG_LIMIT_BYTES:
            self._file.close()
            self._path.replace(f"{self._path}.1")
            self._file = self._path.open("ab", buffering=0)
        self._file.write(text)
        return bool(text)

    def close(self) -> None:
        self._file.close()


def publish(link: Path, folder: Path) -> None:
    """Let users find the socket folder, whatever their own environment says about temporary folders."""
    fresh = link.with_name(link.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder)
    fresh.replace(link)


def start(plan: Plan, folder: Path, log_fd: int) -> "subprocess.Popen[bytes]":
    """The running server: child of this process, heir of the server lock, writing to `log_fd`."""
    # We hold the server lock, so no process of an earlier server lives. What it left names process ids that may be
    # anybody's by now, and PostgreSQL would refuse to start because of them.
    for stale in (Path(plan.data, "postmaster.pid"), folder / SOCKET, folder / f"{SOCKET}.lock"):
        stale.unlink(missing_ok=True)
    drop = os.geteuid() == 0
    return subprocess.Popen(
        [*plan.command, "-c", f'unix_socket_directories="{folder}"'],
        cwd=plan.data,
        stdin=subprocess.DEVNULL,
        stdout=log_fd,
        stderr=log_fd,
        pass_fds=(plan.server_lock_fd,),
        preexec_fn=die_with(os.getpid()),
        user=plan.uid if drop else None,
        group=plan.gid if drop else None,
        extra_groups=[] if drop else None,
    )


def die_with(guardian_pid: int) -> Callable[[], None] | None:
    """What the server does before it becomes the server: ask the kernel to be stopped when the guardian dies."""
    if sys.platform != "linux":
        return None
    import ctypes  # 10 ms that other platforms need not pay

    libc = ctypes.CDLL(None)

    def arm() -> None:
        pr_set_pdeathsig = 1
        libc.prctl(pr_set_pdeathsig, int(signal.SIGINT), 0, 0, 0)
        if os.getppid() != guardian_pid:
            os._exit(1)

    return arm


def stop(server: "subprocess.Popen[bytes]", log: Log, pipe_fd: int) -> None:
    for how, patience_s in STOPS:
        server.send_signal(how)
        until = time.monotonic() + patience_s
        while server.poll() is None and time.monotonic() < until:
            if not log.pump(pipe_fd, 0.01):  # its last words must be read, else it would wait for room in the pipe
                time.sleep(0.001)
        if server.poll() is not None:
            return


def unused(users_fd: int) -> bool:
    """Whether no process uses the database; from then on none can begin to, until this process ends."""
    try:
        fcntl.flock(users_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def serve(plan: Plan, users_fd: int, log: Log) -> tuple[bool, bool]:
    """Run one server to its end: whether that came because nobody uses it any more, and whether it had a socket."""
    folder = socket_folder(plan)
    pipe_fd, log_fd = os.pipe()
    server = start(plan, folder, log_fd)
    os.close(log_fd)
    publish(Path(plan.socket_link), folder)
    seen = finished = answered = False
    try:
        while server.poll() is None and not finished:
            log.pump(pipe_fd, GLANCE_S)
            there = (folder / SOCKET).exists()
            answered = answered or there
            finished = unused(users_fd)
            if finished or (seen and not there):  # not there: somebody cleaned the folder, only a restart mends it
                stop(server, log, pipe_fd)
            seen = there
        until = time.monotonic() + SHORTEST_LIFE_S
        while time.monotonic() < until and log.pump(pipe_fd, GLANCE_S):
            pass  # children of a server that was killed end a moment later
    finally:
        os.close(pipe_fd)
    if finished and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()  # no debris in the temporary folder; the next guardian makes it again
    return finished, answered


def ignore(_signal: int, _frame: FrameType | None) -> None:
    """Nothing: the server ends with its last user; whoever wants it gone sooner stops the users."""


def main() -> int:
    plan = Plan(**json.loads(sys.argv[1]))
    if os.fork():
        return 0  # the one who started us need not bury us
    for word in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(word, ignore)
    users_fd = os.open(plan.users_lock, os.O_RDWR | os.O_CLOEXEC)
    log = Log(Path(plan.log))
    short_lives = 0
    while True:
        began_s = time.monotonic()
        finished, answered = serve(plan, users_fd, log)
        if finished:
            return 0
        short_lives = short_lives + 1 if time.monotonic() - began_s < SHORTEST_LIFE_S else 0
        # One that had come up was ended by somebody, and its users wait for the next; again and again, it is the server.
        if short_lives and (not answered or short_lives > SHORT_LIVES):
            return 1  # the log says why; the next user tries again


if __name__ == "__main__":
    sys.exit(main())
