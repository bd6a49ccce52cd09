"""What every sandbox promises, with real processes."""

import asyncio
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from agentos.adapters.sandbox.watch import THREADS_EACH
from agentos.domain.error import OutsideError
from agentos.ports.sandbox import Command, CommandLimits, CommandResult, Sandbox
from tests.boxes import backends, eventually, left_of, python, sandbox_of

Run = Callable[..., Awaitable[CommandResult]]


@pytest.fixture(params=backends())
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox_of(request.param)


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """What every process of the test's commands carries."""
    return f"mark-{tmp_path}"


@pytest.fixture
def run(sandbox: Sandbox, tmp_path: Path, mark: str) -> Run:
    async def run(
        shell: str, *, timeout_s: float = 30.0, env: dict[str, str] | None = None, **more: object
    ) -> CommandResult:
        command = Command(shell, tmp_path, (tmp_path,), timeout_s, {"MARK": mark, **(env or {})}, **more)  # type: ignore[arg-type]
        return await sandbox.run(command)

    return run


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


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="this system has no shared memory folder")
async def test_a_command_works_in_a_folder_that_lies_in_shared_memory(sandbox: Sandbox) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        tree, beside = Path(name, "tree"), Path(name, "beside")
        tree.mkdir()
        beside.write_text("read\n", "utf-8")
        done = await sandbox.run(Command("cat ../beside; echo written >file", tree, (tree,), 30.0, readable=(beside,)))
        assert (done.exit_code, done.output) == (0, "read\n")
        assert (tree / "file").read_text("utf-8") == "written\n"


async def test_a_command_that_asks_is_told_nothing(run: Run) -> None:
    assert (await run("cat; echo end")).output == "end\n"


async def test_in_a_box_the_rest_of_the_machine_is_not_even_there(run: Run, sandbox: Sandbox) -> None:
    if not sandbox.confines:
        pytest.skip("a plain process sees the machine it runs on")
    here = Path(__file__)
    assert (await run(f"stat {here} || test -e {here.parent} || test -e /etc/shadow || test -e /boot")).exit_code == 1


async def test_under_sandlock_the_kernel_counts_the_tasks_of_each_command_for_root_too(
    run: Run, sandbox: Sandbox
) -> None:
    release = tuple(map(int, platform.release().split(".")[:2]))
    if sandbox.name != "sandlock" or release < (6, 14):
        pytest.skip("only sandlock's room has a count of its own, from Linux 6.14 on")
    before = Path("/proc/sys/kernel/pid_max").read_text("ascii")
    done = await run("cat /proc/sys/kernel/pid_max")
    assert int(done.output) == CommandLimits().processes * THREADS_EACH < int(before)
    assert Path("/proc/sys/kernel/pid_max").read_text("ascii") == before, "the machine's stays as it is"


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root may go before others")
async def test_who_watches_a_command_goes_before_it_and_the_command_before_nobody(
    run: Run, mark: str, tmp_path: Path
) -> None:
    asked = asyncio.ensure_future(run(python("import os; print(os.sched_getscheduler(0))") + "; mkfifo go; read _ <go"))
    await eventually((tmp_path / "go").is_fifo)
    ancestors = [parent for pid in left_of(mark) for parent in psutil.Process(pid).parents()]
    assert os.SCHED_RR in {os.sched_getscheduler(each.pid) & ~os.SCHED_RESET_ON_FORK for each in ancestors}
    (tmp_path / "go").write_text("on\n", "utf-8")
    assert (await asked).output == f"{os.SCHED_OTHER}\n"


async def test_its_home_is_gone_afterwards(run: Run) -> None:
    done = await run('touch "$HOME/x" "$TMPDIR/y"; echo "$HOME"')
    assert not Path(done.output.strip()).exists()


async def test_a_timed_out_tree_is_gone_with_its_daemons(run: Run, tmp_path: Path, mark: str) -> None:
    done = await run(python(DAEMON) + "; trap '' TERM; while :; do sleep 1; done", timeout_s=1.5)
    assert (done.exit_code, done.timed_out) == (None, True)
    assert (tmp_path / "daemon.pid").exists()
    assert left_of(mark) == []


async def test_a_daemon_does_not_outlive_its_command(run: Run, mark: str) -> None:
    done = await run(python(DAEMON) + "; echo started")
    assert (done.exit_code, done.output) == (0, "started\n")
    assert left_of(mark) == []


async def test_a_grandchild_that_keeps_the_output_open_holds_nobody_up(run: Run) -> None:
    done = await run("sleep 600 & echo done")
    assert (done.exit_code, done.output) == (0, "done\n")


async def test_a_command_that_closes_its_output_is_still_waited_for(run: Run) -> None:
    done = await run("exec >&- 2>&-; sleep 0.2; exit 4")
    assert done.exit_code == 4


async def test_a_command_cancelled_from_outside_leaves_no_process(run: Run, tmp_path: Path, mark: str) -> None:
    task = asyncio.ensure_future(run("(setsid sleep 600 &); touch begun; sleep 600"))
    assert await eventually((tmp_path / "begun").exists)
    assert left_of(mark)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left_of(mark) == []


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
from agentos.adapters.registry import backend
from agentos.ports.sandbox import Command
cwd = Path(sys.argv[1])
line = "echo $HOME > home; (setsid sleep 600 & touch begun) ; sleep 600"
asyncio.run(backend("sandbox", sys.argv[2])().run(Command(line, cwd, (cwd,), 600, {"MARK": sys.argv[3]})))
"""


async def test_commands_die_with_a_killed_orchestrator(sandbox: Sandbox, tmp_path: Path, mark: str) -> None:
    begin = [sys.executable, "-c", OWNER, str(tmp_path), sandbox.name, mark]
    owner = subprocess.Popen(begin, cwd=Path(__file__).parents[2])
    assert await eventually((tmp_path / "begun").exists)
    os.kill(owner.pid, signal.SIGKILL)
    assert owner.wait() == -signal.SIGKILL
    assert await eventually(lambda: not left_of(mark))
    assert await eventually(lambda: not Path((tmp_path / "home").read_text().strip()).exists())


async def test_a_home_the_caller_gives_is_the_caller_s(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    await run("touch $HOME/kept; sleep 600", timeout_s=0.5, env={"HOME": str(tmp_path / "mine")})
    assert (tmp_path / "mine" / "kept").exists()


@pytest.mark.parametrize("kind", backends("sandlock", "bubblewrap"))
async def test_git_reads_the_repository_of_a_work_tree_and_changes_neither(kind: str, tmp_path: Path) -> None:
    sandbox, bare, tree = sandbox_of(kind), tmp_path / "bare.git", tmp_path / "trees" / "1"
    subprocess.run(["git", "init", "-q", "--bare", bare], check=True)
    made = ["git", "-C", str(bare), "-c", "user.name=a", "-c", "user.email=a@b"]
    empty = subprocess.run([*made, "mktree"], input=b"", capture_output=True, check=True).stdout.strip()
    first = subprocess.run(
        [*made, "commit-tree", empty.decode(), "-m", "first"], capture_output=True, check=True
    ).stdout.strip()
    subprocess.run([*made, "worktree", "add", "-q", "-b", "work", str(tree), first.decode()], check=True)
    link = (tree / ".git").read_bytes()
    line = "git log --format=%s; git status --short; touch new; git add new; rm -f .git; echo x > .git; mv .git y; git config a.b c"
    done = await sandbox.run(Command(line, tree, (tree,), 30, readable=(tree / ".git", bare)))
    assert done.output.startswith("first\n")
    assert (tree / "new").exists()
    assert (tree / ".git").read_bytes() == link
    assert b"[a]" not in (bare / "config").read_bytes()
    assert not list((bare / "objects").glob("e6/9de29*")), "the empty file was not added"


@pytest.mark.parametrize("kind", backends("sandlock", "bubblewrap"))
async def test_a_link_in_place_of_what_is_to_be_read_opens_nothing(kind: str, tmp_path: Path) -> None:
    tree, secret = tmp_path / "tree", tmp_path / "secret"
    tree.mkdir()
    secret.mkdir()
    (secret / "key").write_text("canary")
    (tree / ".git").symlink_to(secret)
    done = await sandbox_of(kind).run(Command("cat .git/key", tree, (tree,), 30, readable=(tree / ".git",)))
    assert done.exit_code != 0
    assert "canary" not in done.output
