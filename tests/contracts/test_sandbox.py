"""What every sandbox promises, with real processes."""

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from agentos.adapters.registry import BACKENDS, backend
from agentos.domain.error import OutsideError
from agentos.ports.sandbox import Command, CommandResult, Sandbox

Run = Callable[..., Awaitable[CommandResult]]


@pytest.fixture(params=sorted(BACKENDS["sandbox"]))
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    made: Sandbox = backend("sandbox", request.param)()
    return made


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path) -> Run:
    async def run(shell: str, *, timeout_s: float = 30.0, **more: object) -> CommandResult:
        return await sandbox.run(Command(shell, tmp_path, (tmp_path,), timeout_s, **more))  # type: ignore[arg-type]

    return run


def python(code: str) -> str:
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not condition() and time.monotonic() < until:
        await asyncio.sleep(0.01)
    return condition()


DAEMON = """
import os, sys, time, signal
for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(s, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.environ.clear()
        open('daemon.pid', 'w').write(str(os.getpid()))
        while True: time.sleep(1)
    os._exit(0)
os.wait()
while not os.path.exists('daemon.pid'): time.sleep(0.01)
"""


async def test_a_command_tells_its_output_and_its_exit_code(run: Run) -> None:
    done = await run("echo out; echo err >&2; exit 3")
    assert (done.exit_code, done.output, done.timed_out, done.truncated) == (3, "out\nerr\n", False, False)


async def test_a_command_ended_by_a_signal_did_not_pass(run: Run) -> None:
    assert (await run("kill -9 $$")).exit_code == 128 + signal.SIGKILL


async def test_a_command_sees_a_small_environment_and_no_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    done = await run("env", env={"MINE": "1"})
    names = {line.partition("=")[0] for line in done.output.splitlines()}
    assert "secret" not in done.output
    assert {"PATH", "HOME", "TMPDIR", "MINE"} <= names
    assert "PYTEST_ADDOPTS" not in names
    assert str(Path.home()) not in {line.partition("=")[2] for line in done.output.splitlines()}


async def test_a_command_that_asks_is_told_nothing(run: Run) -> None:
    assert (await run("cat; echo end")).output == "end\n"


async def test_its_home_is_gone_afterwards(run: Run) -> None:
    done = await run('touch "$HOME/x" "$TMPDIR/y"; echo "$HOME"')
    assert not Path(done.output.strip()).exists()


async def test_a_timed_out_tree_is_gone_with_its_daemons(run: Run, tmp_path: Path) -> None:
    done = await run(python(DAEMON) + "; trap '' TERM; while :; do sleep 1; done", timeout_s=1.5)
    assert (done.exit_code, done.timed_out) == (None, True)
    assert done.duration_s < 8
    assert not alive(int((tmp_path / "daemon.pid").read_text()))


async def test_a_daemon_does_not_outlive_its_command(run: Run, tmp_path: Path) -> None:
    done = await run(python(DAEMON) + "; echo started")
    assert (done.exit_code, done.output) == (0, "started\n")
    assert not alive(int((tmp_path / "daemon.pid").read_text()))


async def test_a_grandchild_that_keeps_the_output_open_holds_nobody_up(run: Run) -> None:
    done = await run("sleep 600 & echo done")
    assert (done.exit_code, done.output) == (0, "done\n")
    assert done.duration_s < 5


async def test_a_command_that_closes_its_output_is_still_waited_for(run: Run) -> None:
    done = await run("exec >&- 2>&-; sleep 0.2; exit 4")
    assert done.exit_code == 4


async def test_a_command_cancelled_from_outside_leaves_no_process(run: Run, tmp_path: Path) -> None:
    task = asyncio.ensure_future(run("echo $$ > pid; sleep 600"))
    assert await eventually(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text().strip()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await eventually(lambda: not alive(int((tmp_path / "pid").read_text())))


@pytest.mark.slow
async def test_a_flood_without_a_line_end_is_kept_in_bounded_memory(run: Run) -> None:
    before = psutil.Process().memory_info().rss
    done = await run("head -c 200000000 /dev/zero | tr '\\0' x; printf END", output_limit_bytes=10_000)
    assert (done.exit_code, done.truncated) == (0, True)
    assert done.output.endswith("xEND")
    assert len(done.output) < 11_000
    assert psutil.Process().memory_info().rss - before < 50_000_000


async def test_output_that_is_no_text_becomes_storable(run: Run) -> None:
    done = await run("printf '\\377\\000a\\033[31mred'")
    assert done.output == "\ufffdared"


async def test_a_folder_that_is_not_there_is_said_in_a_sentence(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="could not be started in missing"):
        await sandbox.run(Command("true", tmp_path / "missing", (tmp_path,), 5))


async def test_many_commands_at_once_do_not_disturb_each_other(run: Run) -> None:
    results = await asyncio.gather(*(run(f"sleep 600 & sleep 0.{n}; echo {n}") for n in range(6)))
    assert [(done.exit_code, done.output) for done in results] == [(0, f"{n}\n") for n in range(6)]


OWNER = """
import asyncio, sys
from pathlib import Path
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.ports.sandbox import Command
cwd = Path(sys.argv[1])
asyncio.run(ProcessSandbox().run(Command("echo $HOME > home; (setsid sleep 600 & echo $! > pid) ; sleep 600", cwd, (cwd,), 600)))
"""


async def test_commands_die_with_a_killed_orchestrator(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], cwd=Path(__file__).parents[2])
    assert await eventually(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text().strip()))
    os.kill(owner.pid, signal.SIGKILL)
    assert owner.wait() == -signal.SIGKILL
    assert await eventually(lambda: not alive(int((tmp_path / "pid").read_text())))
    assert await eventually(lambda: not Path((tmp_path / "home").read_text().strip()).exists())


async def test_a_home_the_caller_gives_is_the_caller_s(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    await run("touch $HOME/kept; sleep 600", timeout_s=0.5, env={"HOME": str(tmp_path / "mine")})
    assert (tmp_path / "mine" / "kept").exists()
