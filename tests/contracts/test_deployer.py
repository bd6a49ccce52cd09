"""What every deployer promises, and what the one that runs a command promises besides."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from agentos.adapters.deployer.artifact import ArtifactDeployer
from agentos.adapters.deployer.command import CommandDeployer
from agentos.adapters.deployer.github import GitHubDeployer
from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.adapters.deployer.place import Place
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.registry import BACKENDS
from agentos.config.delivery import DeploySettings
from agentos.domain.error import OutsideError
from agentos.ports.deployer import Deployer, DeployRequest
from tests.github.server import serving
from tests.models.clock import NotingClock

ONE, TWO = "1" * 40, "2" * 40
SERVER = f"exec {sys.executable} -m http.server --bind 127.0.0.1 {{port}}"
URL = "http://127.0.0.1:{port}/name.txt"


def command(folder: Path) -> Deployer:
    return CommandDeployer(folder, DeploySettings(run=SERVER, url=URL, timeout_s=20))


def github(folder: Path, stack: ExitStack) -> Deployer:
    settings = DeploySettings(kind="github", run=SERVER, url=URL, timeout_s=20)
    client = GitHubClient(stack.enter_context(serving()).place(), NotingClock())
    return GitHubDeployer(client, settings, CommandDeployer(folder, settings))


DEPLOYERS: dict[str, Callable[[Path, ExitStack], Deployer]] = {
    "command": lambda folder, _: command(folder),
    "artifact": lambda folder, _: ArtifactDeployer(folder),
    "memory": lambda *_: MemoryDeployer(),
    "github": github,
}
slow = pytest.mark.slow


def test_every_registered_deployer_is_held_to_the_contract() -> None:
    assert set(DEPLOYERS) == set(BACKENDS["deployer"])


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Where deployments live; whatever a test left running there is gone afterwards."""
    folder = tmp_path / "home with space" / "deployments"
    yield folder
    sweeper = CommandDeployer(folder, DeploySettings(run="true"))
    for left in folder.glob("*") if folder.is_dir() else ():
        await sweeper.teardown(left.name)


@pytest.fixture(params=[pytest.param(name, marks=slow if name in ("command", "github") else ()) for name in DEPLOYERS])
def deployer(request: pytest.FixtureRequest, folder: Path) -> Iterator[Deployer]:
    with ExitStack() as stack:
        yield DEPLOYERS[request.param](folder, stack)


def wanted(folder: Path, sha: str = ONE, name: str = "demo_1") -> DeployRequest:
    """A request for a commit whose files are there."""
    tree = folder.parent / "trees" / name / sha
    tree.mkdir(parents=True, exist_ok=True)
    (tree / "name.txt").write_text(sha)
    return DeployRequest(sha, tree, name)


async def test_nothing_is_found_before_it_is_deployed(deployer: Deployer, folder: Path) -> None:
    assert await deployer.find(wanted(folder)) is None


async def test_what_was_deployed_is_found_again_for_its_commit_only(deployer: Deployer, folder: Path) -> None:
    made = await deployer.deploy(wanted(folder))
    found = await deployer.find(wanted(folder))
    assert made.sha == ONE
    assert found is not None
    assert (found.sha, found.url, found.artifact) == (ONE, made.url, made.artifact)
    assert found.url or found.artifact
    assert found.evidence
    assert await deployer.find(wanted(folder, TWO)) is None


async def test_a_newer_commit_replaces_the_older_one(deployer: Deployer, folder: Path) -> None:
    await deployer.deploy(wanted(folder, ONE))
    await deployer.deploy(wanted(folder, TWO))
    assert await deployer.find(wanted(folder, ONE)) is None
    assert await deployer.find(wanted(folder, TWO)) is not None


async def test_names_are_kept_apart(deployer: Deployer, folder: Path) -> None:
    await deployer.deploy(wanted(folder, ONE, "demo_1"))
    await deployer.deploy(wanted(folder, ONE, "demo_2"))
    await deployer.teardown("demo_1")
    assert await deployer.find(wanted(folder, ONE, "demo_1")) is None
    assert await deployer.find(wanted(folder, ONE, "demo_2")) is not None


async def test_taking_down_twice_or_what_was_never_there_is_harmless(deployer: Deployer, folder: Path) -> None:
    await deployer.deploy(wanted(folder))
    await deployer.teardown("demo_1")
    await deployer.teardown("demo_1")
    await deployer.teardown("demo_9")
    assert await deployer.find(wanted(folder)) is None
    assert not folder.exists() or list(folder.iterdir()) == []


async def test_a_commit_without_its_files_cannot_be_deployed(deployer: Deployer, folder: Path) -> None:
    with pytest.raises(OutsideError, match="111111"):
        await deployer.deploy(DeployRequest(ONE, folder.parent / "nowhere", "demo_1"))
    assert await deployer.find(DeployRequest(ONE, folder.parent / "nowhere", "demo_1")) is None


# The command deployer besides


def get(url: str) -> str:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = HTTPConnection(host, timeout=10)
    connection.request("GET", f"/{path}")
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer


def alive(name: str) -> list[int]:
    """Processes that were started for the deployment `name`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AGENTOS_NAME") == name and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


@slow
async def test_it_serves_exactly_the_commit_it_was_given(folder: Path) -> None:
    deployer = command(folder)
    first = await deployer.deploy(wanted(folder, ONE))
    assert get(first.url) == ONE
    second = await deployer.deploy(wanted(folder, TWO))
    assert get(second.url) == TWO


@slow
async def test_it_outlives_whoever_started_it_and_is_found_instead_of_started_again(folder: Path) -> None:
    request = wanted(folder, name="outlives")
    starts = f"echo started >> '{folder.parent}/starts'; {SERVER}"
    settings = DeploySettings(run=starts, url=URL, timeout_s=20)
    script = f"""
import asyncio, os, signal
from pathlib import Path
from agentos.adapters.deployer.command import CommandDeployer
from agentos.config.delivery import DeploySettings
from agentos.ports.deployer import DeployRequest

async def main():
    deployer = CommandDeployer(Path({str(folder)!r}), DeploySettings.model_validate({settings.model_dump()!r}))
    await deployer.deploy(DeployRequest({ONE!r}, Path({str(request.folder)!r}), "outlives"))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    deployer = CommandDeployer(folder, settings)
    found = await deployer.find(request)
    assert found is not None
    assert get(found.url) == ONE
    assert (folder.parent / "starts").read_text() == "started\n"
    await deployer.teardown("outlives")
    assert alive("outlives") == []


@slow
async def test_a_deployment_that_never_gets_healthy_fails_with_its_last_words_and_runs_no_more(folder: Path) -> None:
    settings = DeploySettings(run="echo thinking; exec sleep 600", health="false", timeout_s=1)
    with pytest.raises(OutsideError, match=r"within 1 s; it said: thinking"):
        await CommandDeployer(folder, settings).deploy(wanted(folder, name="never"))
    assert alive("never") == []


@slow
async def test_a_command_that_fails_is_not_waited_for(folder: Path) -> None:
    settings = DeploySettings(run="echo no such module; exit 3", url=URL, timeout_s=600)
    with pytest.raises(OutsideError, match=r"exit code 3; it said: no such module"):
        await CommandDeployer(folder, settings).deploy(wanted(folder))


@slow
async def test_a_command_that_ends_at_once_stands_as_long_as_it_is_healthy(folder: Path) -> None:
    settings = DeploySettings(run="mkdir out && cp name.txt out/", health="test -f out/name.txt", timeout_s=20)
    deployer, request = CommandDeployer(folder, settings), wanted(folder)
    await deployer.deploy(request)
    assert await deployer.find(request) is not None
    (request.folder / "out" / "name.txt").unlink()
    assert await deployer.find(request) is None


@slow
async def test_a_server_that_died_is_not_found(folder: Path) -> None:
    deployer, request = command(folder), wanted(folder, name="died")
    await deployer.deploy(request)
    for pid in alive("died"):
        if "http.server" in " ".join(psutil.Process(pid).cmdline()):
            os.kill(pid, signal.SIGKILL)
    await until(lambda: not Place(folder, "died").is_held())
    assert await deployer.find(request) is None


@slow
async def test_taking_down_ends_daemons_in_sessions_of_their_own(folder: Path) -> None:
    daemon = f"""{sys.executable} -c 'import os
if os.fork(): os._exit(0)
os.setsid()
os.closerange(0, 100)
os.execvp("sleep", ["sleep", "600"])'; exec sleep 600"""
    deployer = CommandDeployer(folder, DeploySettings(run=daemon, timeout_s=20))
    await deployer.deploy(wanted(folder, name="daemon"))
    await until(lambda: len(alive("daemon")) >= 3)  # the keeper, the command, the daemon
    await deployer.teardown("daemon")
    assert alive("daemon") == []


@slow
async def test_what_outlived_its_keeper_is_neither_found_twice_nor_left_running(folder: Path) -> None:
    deployer, request = command(folder), wanted(folder, name="orphan")
    await deployer.deploy(request)
    for pid in alive("orphan"):
        if "keeper" in " ".join(psutil.Process(pid).cmdline()):
            os.kill(pid, signal.SIGKILL)
    await until(lambda: len(alive("orphan")) == 1)
    assert Place(folder, "orphan").is_held()
    second = await deployer.deploy(request)
    assert get(second.url) == ONE
    await deployer.teardown("orphan")
    assert alive("orphan") == []


@slow
async def test_a_used_process_id_in_old_records_harms_nobody(folder: Path) -> None:
    """After a reboot the records are there and nothing runs: they name no process, so nothing is signalled."""
    deployer, request = command(folder), wanted(folder, name="reboot")
    await deployer.deploy(request)
    facts = (folder / "reboot" / "deployment.json").read_text()
    await deployer.teardown("reboot")
    (folder / "reboot").mkdir()
    (folder / "reboot" / "deployment.json").write_text(facts)
    (folder / "reboot" / "lock").touch()
    assert set(json.loads(facts)) == {"sha", "folder", "port"}
    assert await deployer.find(request) is None
    assert (await deployer.deploy(request)).sha == ONE


@slow
async def test_commands_are_told_the_contract_and_see_nothing_else_of_our_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hush")
    run = "env > seen.txt; echo {sha} > sha.txt"
    settings = DeploySettings(run=run, teardown='env > "$AGENTOS_FOLDER/down.txt"', timeout_s=20)
    deployer, request = CommandDeployer(folder, settings), wanted(folder)
    await deployer.deploy(request)
    await deployer.teardown("demo_1")
    for file in ("seen.txt", "down.txt"):
        seen = dict(line.split("=", 1) for line in (request.folder / file).read_text().splitlines())
        assert (seen["AGENTOS_SHA"], seen["AGENTOS_NAME"]) == (ONE, "demo_1")
        assert seen["AGENTOS_FOLDER"] == str(request.folder)
        assert int(seen["AGENTOS_PORT"]) > 1023
        assert "MY_TOKEN" not in seen
    assert (request.folder / "sha.txt").read_text().strip() == ONE


@slow
async def test_a_teardown_command_that_fails_is_told_and_tried_again(folder: Path) -> None:
    settings = DeploySettings(run="exec sleep 600", teardown="test -f allowed", timeout_s=20)
    deployer, request = CommandDeployer(folder, settings), wanted(folder, name="stubborn")
    await deployer.deploy(request)
    with pytest.raises(OutsideError, match="teardown command of stubborn ended with 1"):
        await deployer.teardown("stubborn")
    assert alive("stubborn") == []
    (request.folder / "allowed").touch()
    await deployer.teardown("stubborn")
    assert not (folder / "stubborn").exists()


@slow
async def test_a_talkative_server_does_not_fill_the_disk(folder: Path) -> None:
    run = f"{sys.executable} -c 'print(\"x\" * 4_000_000)'; exec sleep 600"
    deployer = CommandDeployer(folder, DeploySettings(run=run, timeout_s=20))
    await deployer.deploy(wanted(folder, name="talkative"))
    log = folder / "talkative" / "log.txt"
    # The line's end is the last that is written: nothing is put aside any more.
    await until(lambda: log.exists() and log.read_bytes().endswith(b"\n"))
    assert log.stat().st_size + log.with_name("log.txt.1").stat().st_size <= 2_100_000
