"""Where the embedded database lives, and as whom its server runs."""

import fcntl
import hashlib
import io
import os
import pwd
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind

LONGEST_DATA_BYTES = 900
"""PostgreSQL holds paths in 1,024 bytes and appends to them."""
UNPRIVILEGED = ("postgres", "nobody")
ELSE_SERVER = "or set AGENTOS_DATABASE_URL to a PostgreSQL server"


@dataclass(frozen=True)
class Account:
    """The user the server runs as; `drop` says that this differs from the user who asks."""

    uid: int
    gid: int
    drop: bool = False

    @property
    def popen(self) -> dict[str, object]:
        """What a process needs to be started as this user."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drop else {}


@dataclass(frozen=True)
class Layout:
    """The paths of one embedded database; nothing here exists before `prepare`."""

    root: Path
    account: Account
    socket_parents: tuple[Path, ...]

    @property
    def data(self) -> Path:
        return self.root / "postgres"

    @property
    def users_lock(self) -> Path:
        """Shared by every process that uses the database; exclusive for the guardian that stops the server."""
        return self.root / "postgres.users.lock"

    @property
    def server_lock(self) -> Path:
        """Held by one starter, then by its initdb, then by the guardian and every process of the server: each inherits
        it from the one before, so free means that none of them lives, however they died."""
        return self.root / "postgres.server.lock"

    @property
    def log(self) -> Path:
        return self.root / "postgres.log"

    @property
    def socket_link(self) -> Path:
        """Points to the socket folder of the server that was started last."""
        return self.root / "postgres.socket"

    @property
    def socket_name(self) -> str:
        return "socket" if self.account.drop else f"agentos-{self.account.uid}-{_digest(self.data)}"

    def prepare(self) -> None:
        """Make the folder where there is none; what exists keeps its mode."""
        if len(os.fsencode(self.data)) > LONGEST_DATA_BYTES:
            raise UsageError(
                f"{self.data} is too long a path for a database: set AGENTOS_HOME to a shorter one, {ELSE_SERVER}"
            )
        try:
            # As root the server's user must get through here to its own folders; the locks are root's alone.
            self.root.mkdir(mode=0o755 if self.account.drop else 0o700, parents=True, exist_ok=True)
        except OSError as refusal:
            raise _unusable(self.root, refusal) from refusal


def layout_of(home: Path) -> Layout:
    """The paths for `home`: inside it, or for root in the system's state folder, where other users get through."""
    if os.geteuid() != 0:
        parents = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108  # verified private
        known = tuple(dict.fromkeys(Path(parent) for parent in parents if parent))
        return Layout(home.absolute(), Account(os.geteuid(), os.getegid()), known)
    root = _system_state() / f"agentos-{_digest(home)}"
    return Layout(root, _unprivileged(), (root,))


def _system_state() -> Path:
    usual = Path("/var/lib")
    return usual if usual.is_dir() else Path("/var/db")


def _unprivileged() -> Account:
    for name in UNPRIVILEGED:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid, drop=True)
    raise UsageError(
        f"PostgreSQL does not run as root, and this system has no user {' or '.join(UNPRIVILEGED)}: "
        f"run AgentOS as an ordinary user, {ELSE_SERVER}"
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def _unusable(path: Path, refusal: OSError) -> UsageError:
    return UsageError(
        f"cannot keep the database at {path} ({refusal.strerror}): "
        f"set AGENTOS_HOME to a folder you may write to, {ELSE_SERVER}"
    )


class Deadline:
    """A time to give up, shared by every wait of one start."""

    def __init__(self, timeout_s: float) -> None:
        self._end_s = time.monotonic() + timeout_s
        self._timeout_s = timeout_s

    @property
    def left_s(self) -> float:
        return max(0.01, self._end_s - time.monotonic())

    def pause(self, waiting_for: str) -> None:
        """Wait a moment more, or raise OutsideError (TRANSIENT) that says what did not come."""
        if time.monotonic() >= self._end_s:
            raise OutsideError(
                f"waited {self._timeout_s:g} s in vain for {waiting_for}; try again, {ELSE_SERVER}",
                kind=FailureKind.TRANSIENT,
            )
        time.sleep(0.01)


def open_lock(path: Path) -> io.FileIO:
    """The lock file, made where there is none; a lock taken on it ends when the file is closed or the process dies."""
    try:
        # Opened close-on-exec, as all of Python's files are: no child inherits a lock unless it is handed on.
        return io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+")
    except OSError as refusal:
        raise _unusable(path, refusal) from refusal


def take(lock: io.FileIO, how: int) -> bool:
    """Whether the lock is ours now; `how` is `fcntl.LOCK_SH` or `LOCK_EX`."""
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_and_take(lock: io.FileIO, how: int, deadline: Deadline, holder: str) -> None:
    while not take(lock, how):
        deadline.pause(f"{holder} to let go of {lock.name}")


def is_held(path: Path) -> bool:
    """Whether some process holds the lock exclusively; changes nothing and creates nothing."""
    try:
        lock = path.open("rb", buffering=0)
    except FileNotFoundError:
        return False
    with lock:
        return not take(lock, fcntl.LOCK_SH)
