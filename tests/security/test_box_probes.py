"""What a command cannot do from inside of a box, attempt by attempt, on every backend this machine has."""

import asyncio
import json
import os
import shlex
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentos.adapters.sandbox.surroundings import Surroundings
from agentos.ports.sandbox import CommandResult, Sandbox
from agentos.store import Store
from agentos.store.database import open_database
from tests.boxes import backends, lacks, left_of, sandbox_of
from tests.conftest import fresh_database
from tests.figures import Excuse, Figure
from tests.security import attempts
from tests.security.obeying import obeyed
from tests.security.scene import machine, manifest

pytestmark = pytest.mark.slow
CONFINING = ("sandlock", "bubblewrap")
SCRIPT = Path(attempts.__file__)
NAMES = sorted(attempts.ATTEMPTS)


@dataclass(frozen=True)
class Probed:
    """What came of all attempts in one box."""

    kind: str
    said: dict[str, str]
    before: dict[str, str]
    after: dict[str, str]
    left: list[int]
    done: CommandResult


def outside_of(folder: Path, targets: dict[str, Any]) -> dict[str, str]:
    """Everything around the box that must stay as it is."""
    found = {path: line for name in ("outside", "sibling", "data") for path, line in manifest(folder / name).items()}
    written = Path(targets["shared_tmp"], targets["shared_name"])
    return found | {str(written): str(written.exists())}


async def typed(sandbox: Sandbox, tree: Path, line: str, mark: str, server: str) -> CommandResult:
    """What came of the line, typed by an agent that was told to."""
    home = tree.parent / "agentos"
    home.mkdir()
    with fresh_database(server) as url:
        async with open_database(home, url) as db:
            marked = partial(replace, env={"MARK": mark})
            return (await obeyed(Store.on(db, home), sandbox, tree, [line], most_s=110, changed=marked))[line]


def probed(kind: str, folder: Path, server: str) -> Probed:
    with machine(folder) as targets:
        tree = Path(targets["tree"])
        (tree / "attempts.py").write_bytes(SCRIPT.read_bytes())
        (tree / "targets.json").write_text(json.dumps(targets))
        line = f"exec {shlex.quote(sys.executable)} attempts.py targets.json"
        mark = f"probes-{targets['abstract']}"
        os.environ["AGENTOS_TEST_API_KEY"] = targets["canary"]  # what a person's shell holds
        before = outside_of(folder, targets)
        try:
            sandbox = sandbox_of(kind, surroundings=Surroundings(protected=(folder / "data",)))
            done = asyncio.run(typed(sandbox, tree, line, mark, server))
        finally:
            del os.environ["AGENTOS_TEST_API_KEY"]
        after = outside_of(folder, targets)
        try:
            said = json.loads(done.output.strip().splitlines()[-1])
        except (ValueError, IndexError):
            pytest.fail(f"the attempts did not end: {done}")
        return Probed(kind, said, before, after, left_of(mark), done)


@pytest.fixture(scope="module", params=backends(*CONFINING))
def box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgresql: str) -> Probed:
    return probed(request.param, tmp_path_factory.mktemp("probes"), postgresql)


def test_no_attempt_gets_through(box: Probed, figure: Figure) -> None:
    through = {name: said for name in NAMES if not (said := box.said.get(name, "no word")).startswith("refused")}
    assert through == {}
    figure(f"box probes: {box.kind}", len(NAMES))


def test_nothing_outside_is_changed(box: Probed) -> None:
    assert box.after == box.before


def test_no_process_is_left(box: Probed) -> None:
    assert box.left == []


def test_ordinary_work_is_possible(box: Probed) -> None:
    assert {name: box.said.get(name) for name in attempts.WORK} == dict.fromkeys(attempts.WORK, "got through")


@pytest.mark.parametrize("kind", CONFINING)
def test_a_backend_that_is_missing_here_is_named(kind: str, excuse: Excuse) -> None:
    reason = lacks(kind)
    for figure_of in ("box probes", "limit attacks"):
        if reason:
            excuse(f"{figure_of}: {kind}", reason)


def test_an_attempt_that_is_not_held_back_gets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts that fail everywhere would prove nothing."""
    harmless = (
        "read_a_secret",
        "make_a_file_outside",
        "change_a_mode_outside",
        "connect_to_the_machine",
        "signal_another",
    )
    with machine(tmp_path) as targets:
        monkeypatch.chdir(targets["tree"])
        said: dict[str, Any] = {name: attempts.tried(attempts.ATTEMPTS[name], targets) for name in harmless}
    assert said == dict.fromkeys(harmless, "got through")
