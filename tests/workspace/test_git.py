import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.workspace.git import Git, git_binary
from tests.workspace.scene import Person


async def test_nothing_of_the_callers_git_environment_reaches_git(
    target: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "ran"
    hook = tmp_path / "diff.sh"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    target.write("app.py", "print('other')\n")
    target.commit()
    (tmp_path / "person").mkdir()
    (tmp_path / "person" / ".gitconfig").write_text(f"[diff]\n\texternal = {hook}\n")
    planted = {
        "GIT_EXTERNAL_DIFF": str(hook),
        "GIT_DIR": "/nowhere",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "diff.external",
        "GIT_CONFIG_VALUE_0": str(hook),
        "GIT_CONFIG_PARAMETERS": f"'diff.external={hook}'",
        "HOME": str(tmp_path / "person"),
        "XDG_CONFIG_HOME": str(tmp_path / "person"),
    }
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")

    result = await Git(target.path / ".git").run("diff", "HEAD~1", "HEAD")

    assert b"+print('other')" in result.stdout
    assert not marker.exists()


async def test_a_program_called_git_in_the_current_folder_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.pathsep}{os.environ['PATH']}")

    found = git_binary.__wrapped__()

    assert Path(found).is_absolute()
    assert Path(found).parent != tmp_path


def test_a_machine_without_git_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="install git"):
        git_binary.__wrapped__()


async def _signs_of_life(fifo: Path) -> asyncio.StreamReader:
    """What a process writes to the fifo; the end comes when nobody holds it open any more."""
    os.mkfifo(fifo)
    reader = asyncio.StreamReader()
    pipe = os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


@pytest.mark.slow
async def test_a_hanging_command_is_stopped_with_everything_it_started(target: Person, tmp_path: Path) -> None:
    life = await _signs_of_life(tmp_path / "life")
    # The part in brackets outlives git and the shell git started.
    script = f"!(trap '' TERM; exec 9>{tmp_path}/life; echo up >&9; sleep 600; sleep 600) & sleep 600"

    with pytest.raises(OutsideError, match=r"did not finish within 1 s") as stopped:
        await Git(target.path / ".git", timeout_s=1).run("-c", f"alias.hang={script}", "hang")

    assert stopped.value.kind is FailureKind.TRANSIENT
    assert await asyncio.wait_for(life.read(), 10) == b"up\n"


async def test_a_cancelled_call_leaves_no_process(target: Person, tmp_path: Path) -> None:
    life = await _signs_of_life(tmp_path / "life")
    script = f"!exec 9>{tmp_path}/life; echo up >&9; sleep 600"
    call = asyncio.create_task(Git(target.path / ".git").run("-c", f"alias.hang={script}", "hang"))
    assert await asyncio.wait_for(life.readline(), 10) == b"up\n"

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    assert await asyncio.wait_for(life.read(), 10) == b""


async def test_output_is_cut_where_the_caller_asks_and_the_writer_is_stopped(target: Person) -> None:
    result = await Git(target.path / ".git").run("-c", "alias.endless=!yes", "endless", limit_bytes=1000)
    assert result.truncated
    assert len(result.stdout) == 1000


async def test_endless_complaints_do_not_fill_memory(target: Person) -> None:
    git = Git(target.path / ".git")
    result = await git.run("-c", "alias.loud=!head -c 5000000 /dev/zero >&2; exit 3", "loud", check=False)
    assert result.exit_code == 3
    assert len(result.stderr) == 1 << 16


async def test_a_failure_names_the_command_and_gits_own_reason(target: Person) -> None:
    with pytest.raises(OutsideError, match=r"git cat-file failed \(exit 128\): fatal: Not a valid object name nope"):
        await Git(target.path / ".git").run("cat-file", "-p", "nope")


async def test_input_larger_than_any_pipe_arrives_whole(target: Person) -> None:
    def stream() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 100_000

    git = Git(target.path / ".git")
    sha = (await git.run("hash-object", "-w", "--no-filters", "--stdin", input=stream())).text
    assert (await git.run("cat-file", "-s", sha)).text == "5000000"
