"""Processes that use an embedded database, and what can be seen of its server from outside."""

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil
import psycopg
import pytest

import agentos
from agentos.store import guardian

CHECKOUT = Path(agentos.__file__).parents[1]
PACKAGES = Path(psycopg.__file__).parents[1]
USE_UNTIL_TOLD = """
import json, sys
from pathlib import Path
from agentos.store.embedded import connect_embedded
server = connect_embedded(Path(json.loads(sys.argv[1])))
print(server.url, flush=True)
sys.stdin.read()
server.close()
"""


def until(condition: Callable[[], object], what: str, within_s: float = 15.0) -> None:
    end_s = time.monotonic() + within_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end_s, f"not within {within_s} s: {what}"
        pause.wait(0.005)


def processes_of(data: Path) -> list[psutil.Process]:
    """Everything that was started for this data folder and still runs: the guardian, the server, a half-done initdb."""
    found = []
    for process in psutil.process_iter():
        told = cmdline_of(process)
        spelled = str(data.parent), json.dumps(str(data.parent))[1:-1]
        if told and any(name in part for part in told for name in spelled) and USE_UNTIL_TOLD not in told:
            found.append(process)
    return found


def cmdline_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def guardian_of(data: Path) -> psutil.Process:
    return next(process for process in processes_of(data) if guardian.__file__ in cmdline_of(process))


def postmaster_of(data: Path) -> psutil.Process:
    return next(process for process in processes_of(data) if "-D" in cmdline_of(process))


def ask(url: str, question: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(question.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def write(url: str, words: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (words text)")
        connection.execute("INSERT INTO kept VALUES (%s)", [words])


class User:
    """A process that uses the database until it is told to leave, or killed."""

    running: ClassVar[list["User"]] = []

    def __init__(self, home: Path, *, account: str | None = None, python: str = sys.executable, **env: str) -> None:
        who = {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []} if account else {}
        self.process = subprocess.Popen(  # type: ignore[call-overload]
            [python, "-c", USE_UNTIL_TOLD, json.dumps(str(home))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{CHECKOUT}:{PACKAGES}"} | env,
            **who,
        )
        self.running.append(self)

    @property
    def url(self) -> str:
        """The URL, once the database is ready; wait for it only once."""
        line = str(self.process.stdout.readline()).strip()
        assert line, self.process.stderr.read()
        return line

    def leave(self) -> str:
        """What it said; it was told to leave, if it did not end by itself."""
        _, words = self.process.communicate(timeout=60)
        self.running.remove(self)
        return str(words)

    def kill(self) -> None:
        self.process.kill()
        self.leave()
        assert self.process.returncode == -signal.SIGKILL


def gone(data: Path) -> None:
    until(lambda: not processes_of(data), f"{data} has no process any more")


@contextmanager
def nothing_left_of(data: Path) -> Iterator[None]:
    """The proof that no process stays behind, once its users have gone."""
    try:
        yield
        for user in list(User.running):
            user.leave()
        gone(data)
    finally:
        for user in list(User.running):
            user.kill()
        for process in processes_of(data):
            process.kill()


@dataclass
class Ordinary:
    """An ordinary user: ourselves, or `nobody` where the tests run as root."""

    home: Path
    account: str | None
    python: str

    @property
    def data(self) -> Path:
        return self.home / "postgres"

    def uses(self, **env: str) -> User:
        return User(self.home, account=self.account, python=self.python, **env)

    def owns(self, folder: Path, mode: int) -> Path:
        folder.mkdir(mode)
        if self.account:
            shutil.chown(folder, self.account)
        folder.chmod(mode)
        return folder


def python_for(account: str | None) -> str:
    """A Python that this user can run with our packages, or a skip that says why there is none."""
    words = ""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        try:
            trial = subprocess.run(
                [python, "-c", "import agentos.store.embedded, psycopg; psycopg.pq.version()"],
                user=account,
                capture_output=True,
                text=True,
                cwd="/",
                env={"PYTHONPATH": f"{CHECKOUT}:{PACKAGES}", "PATH": os.environ["PATH"]},
            )
        except OSError as refusal:
            words += f" {refusal};"
            continue
        if trial.returncode == 0:
            return python
        words += trial.stderr[-300:]
    pytest.skip(f"{account} cannot run a Python with our packages:{words}")
