"""The command line as people use it: a process of its own on a toy repository, with a file of replies and a database."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import no_trace_of
from tests.crash.conftest import Called, template, world, zygote, zygote_of_this_process  # noqa: F401 - fixtures
from tests.crash.model_server import Replies
from tests.crash.toy import make_target, replies
from tests.e2e.held_server import HeldServer

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, str(ROOT / "tools" / "orchestrate.py")]
PATIENCE_S = 120


@dataclass
class Desk:
    """A person's machine: a repository, a data folder, and the program."""

    target: Path
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def agentos(self, *words: str, cwd: Path | None = None) -> Called:
        """What `agentos <words>` does, called in the repository or in `cwd` by a process that was spared its imports."""
        environment = {**os.environ, **self.environment}
        return zygote_of_this_process().call(*words, cwd=cwd or self.target, environment=environment)

    def begin(self, *words: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """The program started and left running."""
        return subprocess.Popen(
            [*PROGRAM, *words],
            cwd=cwd or self.target,
            env={**os.environ, "PYTHONFAULTHANDLER": "1", **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def says(self, said: Replies) -> None:
        """Effect: from now on the models say this."""
        path = self.home.parent / "replies.json"
        path.write_text(json.dumps(as_script(said)), "utf-8")
        self.environment["AGENTOS_MODELS__SCRIPT"] = str(path)

    def git(self, *args: str) -> str:
        """What git says in the repository."""
        command = ["git", "-C", str(self.target), *args]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def record(self, run: int = 1) -> dict[str, Any]:
        """The run's `run.json`."""
        (path,) = self.home.glob(f"runs/*/1/{run}/run.json")
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return record

    def code(self, *leave_out: str) -> dict[str, str]:
        """Every file of the checkout by digest, without the tickets, which are the tracker's, and git's own files."""
        skipped = {".git", "tickets", *leave_out}
        files = [path for path in sorted(self.target.rglob("*")) if path.is_file()]
        return {
            str(path.relative_to(self.target)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if not skipped & set(path.relative_to(self.target).parts)
        }

    def worktrees(self) -> list[str]:
        """The worktrees that are left."""
        return [str(path) for path in self.home.glob("worktrees/*/*") if not path.name.startswith(".")]


def as_script(said: Replies) -> dict[str, Any]:
    """Replies keyed by (stage, role, round) in the form of a script file."""
    script: dict[str, Any] = {}
    for (stage, role, round_), turns in said.items():
        script.setdefault(stage, {}).setdefault(role, {})[str(round_)] = turns
    return script


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository to copy."""
    return make_target(tmp_path_factory.mktemp("toy") / "target")


@pytest.fixture
def plain_desk(toy: Path, tmp_path: Path) -> Iterator[Desk]:
    """A person who has no server of their own: AgentOS would start its PostgreSQL."""
    target, home = tmp_path / "target", tmp_path / "home"
    subprocess.run(["cp", "-a", str(toy), str(target)], check=True)
    (tmp_path / "config.yaml").write_text("{}\n", "utf-8")
    made = Desk(target, home, {"AGENTOS_HOME": str(home), "AGENTOS_CONFIG": str(tmp_path / "config.yaml")})
    made.says(replies())
    with no_trace_of(home):
        yield made


@pytest.fixture
def desk(plain_desk: Desk, database_url: str) -> Desk:
    """A person with a PostgreSQL."""
    plain_desk.environment["AGENTOS_DATABASE_URL"] = database_url
    return plain_desk


@pytest.fixture
def held(desk: Desk) -> Iterator[HeldServer]:
    """The models of `desk`, which answer nothing before they may."""
    server = HeldServer()
    desk.environment["AGENTOS_MODELS__SCRIPT"] = server.url
    yield server
    server.close()


Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def until() -> Until:
    """Waits for something that another process does, without sleeping."""
    from threading import Event

    never = Event()

    def wait(happened: Callable[[], bool]) -> None:
        for _ in range(PATIENCE_S * 20):
            if happened():
                return
            never.wait(0.05)
        raise AssertionError("it did not happen in time")

    return wait
