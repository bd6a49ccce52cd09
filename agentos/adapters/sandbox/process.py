"""Commands as plain processes of this machine: bounded in time and output, gone when they should be, not confined."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from agentos.adapters.sandbox.output import HeadTail
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.sandbox import Command, CommandResult

SUPERVISOR = Path(__file__).with_name("supervisor.py")
STOP_S = 10.0
DRAIN_S = 1.0
INHERITED = ("PATH", "TZ")
FIXED = {
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TERM": "dumb",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "GIT_TERMINAL_PROMPT": "0",
    "PIP_PROGRESS_BAR": "off",
    "TQDM_DISABLE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class ProcessSandbox:
    """Runs commands with a small environment of their own. It keeps nobody from writing elsewhere."""

    def __init__(self) -> None:
        self._inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}

    @property
    def name(self) -> str:
        """The backend's name."""
        return "process"

    @property
    def confines(self) -> bool:
        """No: a command may write wherever this user may."""
        return False

    async def run(self, command: Command) -> CommandResult:
        """The result of `command`. When this returns, also by cancelling, every process it started is gone.

        Raises OutsideError, kind INVALID, where the command cannot be started at all.
        """
        scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="agentos-command-")
        try:
            return await self._run_at(command, Path(scratch))
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True))

    async def _run_at(self, command: Command, scratch: Path) -> CommandResult:
        output = HeadTail(command.output_limit_bytes)
        started = time.monotonic()
        box = await _Box.start(command, self._inherited, scratch, output)
        timed_out = False
        try:
            async with asyncio.timeout(command.timeout_s):
                await box.process.wait()
        except TimeoutError:
            timed_out = True
        finally:
            # Somebody who cancels us must still not leave processes behind.
            await asyncio.shield(asyncio.ensure_future(box.end()))
        code = box.process.returncode
        return CommandResult(
            exit_code=None if timed_out or code is None or code < 0 else code,
            output=output.text(),
            duration_s=time.monotonic() - started,
            timed_out=timed_out,
            truncated=output.truncated,
        )


class ExternalSandbox(ProcessSandbox):
    """As `ProcessSandbox`, where the operator has said that this whole machine is the box."""

    @property
    def name(self) -> str:
        """The backend's name."""
        return "external"


class _Box:
    """A started supervisor. Own pipes, because asyncio's are held open by any grandchild that inherited them."""

    def __init__(self, process: asyncio.subprocess.Process, control: int, reading: int, output: HeadTail) -> None:
        self.process = process
        self._control = control
        self._reading = reading
        self._output = output
        self._drained = asyncio.Event()
        asyncio.get_running_loop().add_reader(reading, self._read)

    @classmethod
    async def start(cls, command: Command, inherited: dict[str, str], scratch: Path, output: HeadTail) -> "_Box":
        # Only ever our own folder is given to the supervisor to remove, whatever HOME the command asks for.
        environment = {**inherited, **FIXED, "HOME": str(scratch), "TMPDIR": str(scratch), **command.env}
        control_read, control_write = os.pipe()
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(SUPERVISOR), command.shell, str(scratch)),
                stdin=control_read,
                stdout=writing,
                stderr=writing,
                cwd=command.cwd,
                env=environment,
                start_new_session=True,
            )
        except BaseException as error:
            os.close(control_write)
            os.close(reading)
            if isinstance(error, OSError | ValueError):
                message = f"a command could not be started in {command.cwd.name}: {error}"
                raise OutsideError(message, kind=FailureKind.INVALID) from error
            raise
        finally:
            os.close(control_read)
            os.close(writing)
        return cls(process, control_write, reading, output)

    async def end(self) -> None:
        """Effect: every process is gone, what they wrote is read, the pipes are closed."""
        os.close(self._control)
        try:
            async with asyncio.timeout(STOP_S):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        try:
            # Whoever escaped may hold the pipe for ever; what is in it by now is read at once.
            async with asyncio.timeout(DRAIN_S):
                await self._drained.wait()
        except TimeoutError:
            self._output.note("a process outlived its command and kept its output open")
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)

    def _read(self) -> None:
        try:
            data = os.read(self._reading, 262_144)
        except BlockingIOError:
            return
        if data:
            self._output.add(data)
        else:
            asyncio.get_running_loop().remove_reader(self._reading)
            self._drained.set()
