"""A PostgreSQL server of our own, for whoever has none: started by the first process that needs it, stopped after the last.

Kernel locks say who lives, never a file with a process id (docs/decisions/0002-embedded-postgresql.md).
"""

import fcntl
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from agentos.domain.error import OutsideError
from agentos.store import guardian
from agentos.store.embedded_cluster import (
    DATABASE,
    ROLE,
    Programs,
    choose_programs,
    create_cluster,
    data_major,
    program_folders,
    remove_unfinished,
    server_environment,
)
from agentos.store.embedded_layout import (
    Deadline,
    Layout,
    is_held,
    layout_of,
    open_lock,
    take,
    wait_and_take,
)


@dataclass(frozen=True)
class EmbeddedServer:
    """The right to use the database; keep it as long as you do, the server may stop when it is closed or collected."""

    url: str
    _users_lock: io.FileIO

    def close(self) -> None:
        """Stop using the database; when nobody else does, the server stops by itself. Repeating it is safe."""
        self._users_lock.close()


def connect_embedded(home: Path, *, timeout_s: float = 30.0) -> EmbeddedServer:
    """The server of `home`, running and answering; created and started where it is not.

    Blocks, up to `timeout_s`: about a second the first time, 0.2 s when it has to start, almost nothing when it runs.
    Effect: a server process, and files in `home` (for root: in the system's state folder). Repeating it is safe, and
    so is calling it from any number of processes at once.
    Raises: UsageError when the machine or `home` does not allow it; OutsideError when PostgreSQL does not come up.
    """
    layout = layout_of(home)
    layout.prepare()
    deadline = Deadline(timeout_s)
    users = open_lock(layout.users_lock)
    try:
        wait_and_take(users, fcntl.LOCK_SH, deadline, "the database that is just being stopped")
        url = _running(layout) or _started(layout, deadline)
    except BaseException:
        users.close()
        raise
    return EmbeddedServer(url, users)


def is_initialised(home: Path) -> bool:
    """Whether `home` has a database; starts and changes nothing."""
    return data_major(layout_of(home)) is not None


def is_running(home: Path) -> bool:
    """Whether the server of `home` runs, or is being started or stopped; starts and changes nothing."""
    return is_held(layout_of(home).server_lock)


def _running(layout: Layout) -> str | None:
    """The URL of a server that answers now."""
    if not is_held(layout.server_lock):
        return None
    url = _url(layout)
    return url if url and _refusal(url) is None else None


def _started(layout: Layout, deadline: Deadline) -> str:
    """The URL of the server, started by us unless somebody else was faster."""
    launched = False
    while True:
        # Opened anew each time: what we took and handed on would look free to the descriptor it was taken with.
        with open_lock(layout.server_lock) as server_lock:
            if take(server_lock, fcntl.LOCK_EX):
                if launched:
                    raise OutsideError(f"PostgreSQL did not start: {_last_words(layout)}; see {layout.log}")
                _launch(_ready_cluster(layout, server_lock, deadline), layout, server_lock)
                launched = True
        url = _url(layout)
        refusal = _refusal(url) if url else "it has no socket yet"
        if url and refusal is None:
            return url
        deadline.pause(f"the database at {layout.data} ({refusal}; see {layout.log})")


def _ready_cluster(layout: Layout, server_lock: io.FileIO, deadline: Deadline) -> Programs:
    remove_unfinished(layout)
    programs = choose_programs(program_folders(), layout)
    if data_major(layout) is None:
        create_cluster(programs, layout, server_lock, deadline)
    return programs


def _launch(programs: Programs, layout: Layout, server_lock: io.FileIO) -> None:
    """Start the guardian, which starts the server, and hand it the server lock."""
    plan = guardian.Plan(
        command=[_spelled(part) for part in programs.command(layout.data)],
        data=_spelled(layout.data),
        users_lock=_spelled(layout.users_lock),
        server_lock_fd=server_lock.fileno(),
        log=_spelled(layout.log),
        socket_link=_spelled(layout.socket_link),
        socket_parents=[_spelled(parent) for parent in layout.socket_parents],
        socket_name=layout.socket_name,
        uid=layout.account.uid,
        gid=layout.account.gid,
    )
    python = [sys.executable, "-I", "-S", "-X", "utf8=1"]
    with layout.log.open("ab") as log:
        code = subprocess.run(
            [*python, guardian.__file__, json.dumps(plan._asdict())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=layout.root,
            env=server_environment(),
            pass_fds=(server_lock.fileno(),),
            start_new_session=True,
            check=False,
        ).returncode
    if code:
        raise OutsideError(f"the guardian of the database did not start: {_last_words(layout)}; see {layout.log}")


def _spelled(path: Path | str) -> str:
    """`path` so that a process in UTF-8 mode reads back the same bytes, whatever our own locale is."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def _url(layout: Layout) -> str | None:
    """The URL of the socket that the guardian published, if its folder can be trusted; the temporary folder is anybody's."""
    try:
        folder = layout.socket_link.readlink()
    except FileNotFoundError:
        return None
    if not guardian.is_private(folder, layout.account.uid):
        return None
    return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(folder), safe='')}&port={guardian.PORT}"


def _refusal(url: str) -> str | None:
    """Why the server does not let us in; None when it does."""
    import psycopg  # 0.1 s or more: here it loads while the server starts

    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError as refusal:
        return " ".join(str(refusal).split())
    return None


def _last_words(layout: Layout) -> str:
    """The line of the log that most likely says why."""
    with layout.log.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4096))
        lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    # What it told those who knocked too early is no reason.
    causes = [line for line in lines if re.search("FATAL|PANIC|no private folder", line) and "system is" not in line]
    return (causes or lines or ["it said nothing"])[-1]
