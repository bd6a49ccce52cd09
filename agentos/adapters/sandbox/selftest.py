"""Whether a backend keeps commands in on this machine, tried out rather than believed."""

import asyncio
import json
import secrets
import shlex
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from agentos.adapters.sandbox import probes
from agentos.domain.error import OutsideError
from agentos.ports.sandbox import Command, CommandLimits, CommandResult, Sandbox

TRY_S = 30.0
LIMITS = CommandLimits(memory_bytes=200 * 1024**2, processes=20, disk_bytes=50 * 1024**2)
MakeSandbox = Callable[[CommandLimits], Sandbox]

# Each waits to be stopped, however late a busy machine comes to look.
_TOO_MUCH_MEMORY = """
import time
held = bytearray(300 * 1024**2)
held[::4096] = b'x' * len(held[::4096])
time.sleep(20)
print('free')
"""
_TOO_MANY_PROCESSES = """
import os, time
for _ in range(60):
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
time.sleep(20)
print('free')
"""


async def find_leak(make: MakeSandbox) -> str:
    """What a command under this backend can do that it must not, as words for people; empty where it is tight.

    Effect: a few commands, in folders of their own that are gone afterwards. Some 0.3 s.
    """
    sandbox = make(LIMITS)
    with tempfile.TemporaryDirectory(prefix="agentos-try-") as name:
        inside = Path(name, "inside")
        inside.mkdir()
        async with _targets(Path(name)) as targets:
            try:
                tried = await _attempts(sandbox, inside, targets)
                return tried or await _limits(sandbox, inside)
            except OutsideError as error:
                return str(error)


async def _attempts(sandbox: Sandbox, inside: Path, targets: dict[str, Any]) -> str:
    script = Path(probes.__file__).read_text("utf-8")
    done = await _run(sandbox, inside, '"$SCRIPT"', {"SCRIPT": script, "TARGETS": json.dumps(targets)})
    try:
        worked = json.loads(done.output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return f"no command works in it: {done.output.strip()[-300:] or f'exit code {done.exit_code}'}"
    names = [attempt.__name__ for attempt in probes.ATTEMPTS]
    leaks = [name.replace("_", " ") for name in names if worked.get(name) is not False]
    return f"a command in it can {', '.join(leaks)}" if leaks else ""


async def _limits(sandbox: Sandbox, inside: Path) -> str:
    memory, processes = await asyncio.gather(
        _run(sandbox, inside, shlex.quote(_TOO_MUCH_MEMORY), {}),
        _run(sandbox, inside, shlex.quote(_TOO_MANY_PROCESSES), {}),
    )
    unbounded = [
        name
        for name, done in (("memory", memory), ("processes", processes))
        if done.exit_code == 0 or done.timed_out or "free" in done.output
    ]
    return f"a command in it has no bound on {' and '.join(unbounded)}" if unbounded else ""


async def _run(sandbox: Sandbox, inside: Path, code: str, env: dict[str, str]) -> CommandResult:
    line = f"exec {shlex.quote(sys.executable)} -I -S -c {code}"
    return await sandbox.run(Command(line, inside, (inside,), TRY_S, env))


@asynccontextmanager
async def _targets(folder: Path) -> AsyncIterator[dict[str, Any]]:
    """Things outside of the box that a command must not reach, for as long as it tries."""
    outside, canary = folder / "outside", secrets.token_hex(16)
    outside.mkdir()
    (outside / "secret").write_text(canary, encoding="utf-8")
    victim = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", "read line"),
        stdin=asyncio.subprocess.PIPE,
        env={"CANARY": canary},
    )
    abstract = f"agentos-{canary}"
    try:
        with ExitStack() as stack:
            port = _listening(stack, socket.AF_INET, ("127.0.0.1", 0))
            _listening(stack, socket.AF_UNIX, str(outside / "socket"))
            _listening(stack, socket.AF_UNIX, f"\0{abstract}")
            yield {
                "outside": str(outside),
                "secret": str(outside / "secret"),
                "socket": str(outside / "socket"),
                "home": str(Path.home()),
                # What leads to the box's own folder is there inside, too, and shows nothing.
                "in_home": [each.name for each in Path.home().iterdir() if not folder.is_relative_to(each)],
                "victim": victim.pid,
                "port": port[1],
                "abstract": abstract,
                "canary": canary,
            }
    finally:
        victim.kill()
        await victim.communicate()


def _listening(stack: ExitStack, family: int, address: Any) -> Any:
    server = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
    server.bind(address)
    server.listen(8)
    return server.getsockname()
