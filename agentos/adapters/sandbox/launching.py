"""Commands handed to the launcher: started, read, stopped when their time is over, and gone when this returns."""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import agentos
from agentos.adapters.sandbox.order import Answer, Bounds, Order
from agentos.adapters.sandbox.output import HeadTail
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.sandbox import Command, CommandLimits, CommandResult
from agentos.workspace.folders import discard

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
    "GIT_CONFIG_NOSYSTEM": "1",
    "PIP_PROGRESS_BAR": "off",
    "TQDM_DISABLE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_BEGIN = (
    "import sys; sys.path[:0] = sys.argv[1:2]; sys.path += sys.argv[2:3]; "
    "from agentos.adapters.sandbox.launcher import main; main(sys.argv[2])"
)
MakeOrder = Callable[[Command, Path, dict[str, str]], Order]
"""The order for a command, given its scratch folder and its whole environment."""


def bounds_of(limits: CommandLimits) -> Bounds:
    """`limits` as the launcher knows them."""
    return Bounds(**asdict(limits))


async def run(command: Command, make_order: MakeOrder) -> CommandResult:
    """The result of `command`, confined as the order says. When this returns, also by cancelling, every process it
    started is gone, and its scratch folder.

    Raises OutsideError, kind INVALID, where it cannot be started at all.
    """
    scratch = tempfile.mkdtemp(prefix="agentos-command-")
    try:
        # Only ever our own folder is removed, whatever HOME the command asks for.
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment = {**inherited, **FIXED, "HOME": scratch, "TMPDIR": scratch, **command.env}
        return await _run(command, make_order(command, Path(scratch), environment))
    finally:
        with suppress(OSError):  # what cannot be removed lies in the system's temporary folder
            await asyncio.shield(asyncio.to_thread(discard, Path(scratch)))


async def _run(command: Command, order: Order) -> CommandResult:
    output = HeadTail(command.output_limit_bytes)
    started, timed_out = time.monotonic(), False
    running = _Running.start(order, output)
    try:
        async with asyncio.timeout(command.timeout_s):
            await running.ended.wait()
    except TimeoutError:
        timed_out = True
    finally:
        # Somebody who cancels us must still not leave processes behind.
        await asyncio.shield(asyncio.ensure_future(running.end()))
    answer = running.answer()
    if answer.refusal:
        message = f"a command could not be started in {command.cwd.name}: {answer.refusal}"
        raise OutsideError(message, kind=FailureKind.INVALID)
    if answer.exceeded:
        output.note(f"stopped: the command used {answer.exceeded}")
    return CommandResult(
        exit_code=None if timed_out else answer.exit_code,
        output=output.text(),
        duration_s=time.monotonic() - started,
        timed_out=timed_out,
        truncated=output.truncated,
        exceeded=answer.exceeded,
    )


class _Running:
    """A command on its way. Own pipes, because asyncio's are held open by any grandchild that inherited them."""

    def __init__(self, control: socket.socket, reading: int, output: HeadTail) -> None:
        self.ended = asyncio.Event()
        self._control = control
        self._reading = reading
        self._output = output
        self._said = b""
        self._drained = asyncio.Event()
        loop = asyncio.get_running_loop()
        for descriptor, reader in ((reading, self._read), (control.fileno(), self._listen)):
            os.set_blocking(descriptor, False)
            loop.add_reader(descriptor, reader)

    @classmethod
    def start(cls, order: Order, output: HeadTail) -> "_Running":
        """The command, handed over."""
        control, theirs = socket.socketpair()
        reading, writing = os.pipe()
        try:
            _Launcher.send(order, theirs.fileno(), writing)
        except BaseException:
            control.close()
            os.close(reading)
            raise
        finally:
            theirs.close()
            os.close(writing)
        return cls(control, reading, output)

    async def end(self) -> None:
        """Effect: every process is gone, what they wrote is read, the pipes are closed."""
        try:
            if not self.ended.is_set():
                self._control.shutdown(socket.SHUT_WR)
            await _within(STOP_S, self.ended)
            # Whoever escaped may hold the pipe for ever; what is in it by now is read at once.
            if not await _within(DRAIN_S, self._drained):
                self._output.note("a process outlived its command and kept its output open")
        finally:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._reading)
            loop.remove_reader(self._control.fileno())
            os.close(self._reading)
            self._control.close()

    def answer(self) -> Answer:
        """What the supervisor said, once it is gone."""
        if not self._said:
            return Answer(refusal="" if not self.ended.is_set() else "its supervisor ended without a word")
        return Answer(**json.loads(self._said))

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

    def _listen(self) -> None:
        try:
            data = self._control.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._said += data
        if not data or data.endswith(b"\n"):
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self.ended.set()


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


class _Launcher:
    """The launcher of this process: started when first needed, and anew where it is gone."""

    _orders = -1
    _owner = 0
    _pid = 0

    @classmethod
    def send(cls, order: Order, control: int, output: int) -> None:
        """Effect: the launcher has `order`, with both descriptors."""
        raw = json.dumps(order._asdict() | {"bounds": order.bounds._asdict()}).encode()
        for is_last in (False, True):
            orders = socket.socket(fileno=cls._started())
            try:
                socket.send_fds(orders, [raw], [control, output])
            except OSError as error:
                os.close(cls._orders)
                cls._orders = -1
                if is_last or not isinstance(error, ConnectionError):
                    message = f"a command could not be handed to its launcher: {error.strerror}"
                    raise OutsideError(message, kind=FailureKind.INVALID) from error
            else:
                return
            finally:
                orders.detach()

    @classmethod
    def _started(cls) -> int:
        """The descriptor to send orders to, open for as long as this process lives."""
        if cls._orders >= 0 and cls._owner == os.getpid():
            return cls._orders
        if cls._pid and cls._owner == os.getpid():
            os.waitpid(cls._pid, 0)
        orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package, found = str(Path(agentos.__file__).parents[1]), find_spec("sandlock")
        site = str(Path(found.origin).parents[1]) if found is not None and found.origin else ""
        with theirs:
            cls._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _BEGIN, package, site],
                {},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsigdef=[signal.SIGPIPE],
                setsigmask=(),
            )
        cls._orders, cls._owner = orders.detach(), os.getpid()
        return cls._orders
