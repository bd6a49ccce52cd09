"""The bench of the crash tests: one zygote a test process, one fresh world a cell."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.conftest import fresh_database, own_server
from tests.crash.model_server import CountingModelServer
from tests.crash.outside import picture
from tests.crash.parts import Enter, Undisturbed, in_parts
from tests.crash.toy import make_target, replies

ROOT = Path(__file__).parents[2]


@dataclass
class Ended:
    """How one process of a cell ended. `statements`: what it sent to the database; `peak_bytes`: its memory at most."""

    ended: str
    signal: int
    statements: int = 0
    peak_bytes: int = 0

    @property
    def was_killed(self) -> bool:
        return self.signal == signal.SIGKILL


@dataclass(frozen=True)
class Called:
    """How one call of the program ended: its exit code, less than 0 for a signal, what it printed, and its memory at most."""

    code: int
    out: str
    err: str
    peak_bytes: int = 0

    @property
    def result(self) -> dict[str, Any]:
        """The JSON object on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


class Zygote:
    """Forks drivers on demand."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, *words: str, cwd: Path, environment: Mapping[str, str]) -> Called:
        """How `tools/orchestrate.py <words>` ended, called in `cwd` with exactly this environment."""
        with TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            ended = self.drive(target=str(cwd), environment=dict(environment), words=words, out=str(out), err=str(err))
            code = -ended.signal if ended.signal else int(ended.ended or 1)
            said = [file.read_text("utf-8", "replace") for file in (out, err)]
            return Called(code, said[0], said[1], ended.peak_bytes)

    def drive(self, **order: Any) -> Ended:
        """How a driver with this order ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()


@cache
def zygote_of_this_process() -> Zygote:
    """The one zygote of the test process; it ends with it."""
    started = Zygote()
    atexit.register(started.close)
    return started


@pytest.fixture(scope="session")
def zygote() -> Zygote:
    return zygote_of_this_process()


@dataclass
class World:
    """A target, a data folder, a database and a model server of one cell's own."""

    target: Path
    home: Path
    server: CountingModelServer
    environment: dict[str, str]
    zygote: Zygote

    def drive(
        self,
        *,
        crash_at: str = "",
        mutant: bool = False,
        trace: Path | None = None,
        fault: dict[str, dict[str, Any]] | None = None,
        most_waits: int | None = None,
        obedient: bool = False,
    ) -> Ended:
        """How the run of issue 1 ended, driven by a process of its own. `fault`: see `database_faults`; `obedient`: models
        do whatever they read."""
        return self.zygote.drive(
            target=str(self.target),
            environment=self.environment,
            crash_at=crash_at,
            fault=fault,
            mutant=mutant,
            trace=str(trace) if trace else "",
            most_waits=most_waits,
            obedient=obedient,
            started=str(self.started) if obedient else "",
        )

    @property
    def started(self) -> Path:
        """What an obedient drive started other programs with."""
        return self.home.parent / "started"

    def agentos(self, *words: str) -> Called:
        """What `agentos <words>` does, called in the target by a process of its own."""
        return self.zygote.call(*words, cwd=self.target, environment={**os.environ, **self.environment})

    def picture(self) -> dict[str, Any]:
        """What stands outside now."""
        return picture(self.target, self.home)

    @property
    def asked(self) -> Counter[str]:
        """How often each model reply was really asked for."""
        return self.server.asked


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A target to copy: git init costs more than a copy."""
    return make_target(tmp_path_factory.mktemp("template") / "target")


@contextmanager
def _world(folder: Path, template: Path, database_url: str, zygote: Zygote) -> Iterator[World]:
    target, home = folder / "target", folder / "home"
    shutil.copytree(template, target)
    (folder / "config.yaml").write_text("{}\n", "utf-8")
    with CountingModelServer(replies()).serving() as server:
        environment = {
            "AGENTOS_HOME": str(home),
            "AGENTOS_CONFIG": str(folder / "config.yaml"),
            "AGENTOS_DATABASE_URL": database_url,
            "AGENTOS_MODELS__SCRIPT": server.url,
        }
        yield World(target, home, server, environment, zygote)


@dataclass(frozen=True)
class Frail:
    """A server that may be stopped: nothing it has confirmed gets lost by that."""

    url: str
    home: Path


@pytest.fixture(scope="session")
def frail_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frail]:
    home = tmp_path_factory.mktemp("frail")
    with own_server(home, "fsync", "full_page_writes") as url:
        yield Frail(url, home)


@pytest.fixture
def frail_world(template: Path, tmp_path: Path, frail_postgresql: Frail, zygote: Zygote) -> Iterator[World]:
    """A fresh world on that server."""
    with fresh_database(frail_postgresql.url) as url, _world(tmp_path, template, url, zygote) as made:
        yield made


@pytest.fixture
def world(template: Path, tmp_path: Path, database_url: str, zygote: Zygote) -> Iterator[World]:
    """A fresh world."""
    with _world(tmp_path, template, database_url, zygote) as made:
        yield made


@pytest.fixture(scope="session")
def undisturbed(
    template: Path, tmp_path_factory: pytest.TempPathFactory, zygote: Zygote, postgresql: str
) -> Iterator[Undisturbed]:
    """What every cell is compared with, made once a test process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with (
        fresh_database(postgresql) as url,
        _world(folder, template, url, zygote) as world,
        in_parts(world, postgresql) as run,
    ):
        yield run


@pytest.fixture
def enter(undisturbed: Undisturbed) -> Iterator[Enter]:
    """Gives the world as it was when a part of the undisturbed run began, to go on from there."""
    with ExitStack() as open_worlds:
        yield lambda part: open_worlds.enter_context(undisturbed.entered(part))
