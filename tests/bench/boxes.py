"""What a box costs: the same command as a plain process and in every sandbox of this machine, in turn."""

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from agentos.adapters.registry import BACKENDS, backend
from agentos.adapters.sandbox.choosing import missing
from agentos.adapters.sandbox.output import HeadTail
from agentos.ports.sandbox import Command

LINE = "echo"
PLAIN = "plain process"
REST_S = 0.1
"""Commands of an agent come one by one, with a model's thought in between; the next worker is made meanwhile."""


class Waited(NamedTuple):
    """Milliseconds from asking for a command until its first word, and until it is known that nothing of it is left."""

    runs: list[float]
    over: list[float]


def waited(tries: int) -> dict[str, Waited]:
    """How long one waits for a command that says one thing, by what it runs in."""
    return asyncio.run(_waited(tries))


async def _waited(tries: int) -> dict[str, Waited]:
    kinds = [kind for kind in BACKENDS["sandbox"] if kind != "external" and not missing(kind)[1]]
    boxes = {kind: backend("sandbox", kind)() for kind in kinds}
    taken = {name: Waited([], []) for name in (PLAIN, *boxes)}
    heard = _Ear()
    with tempfile.TemporaryDirectory(prefix="agentos-box-") as name, heard:
        tree = Path(name)
        for _ in range(tries):
            for kind, times in taken.items():
                for is_counted in (False, True):  # the first one brings the worker to the right place
                    await asyncio.sleep(REST_S)
                    began = time.perf_counter()
                    if kind == PLAIN:
                        with subprocess.Popen(["/bin/sh", "-c", LINE], stdout=subprocess.PIPE) as process:
                            os.read(process.stdout.fileno() if process.stdout else -1, 1)
                            heard.at = time.perf_counter()
                    else:
                        await boxes[kind].run(Command(LINE, tree, (tree,), 60))
                    if is_counted:
                        times.over.append(1000 * (time.perf_counter() - began))
                        times.runs.append(1000 * (heard.at - began))
    return taken


class _Ear:
    """Notes when this process last got output of a command in a box."""

    at = 0.0

    def __enter__(self) -> None:
        self._real = real = HeadTail.add

        def add(output: HeadTail, data: bytes) -> None:
            self.at = time.perf_counter()
            real(output, data)

        setattr(HeadTail, "add", add)  # noqa: B010 - a method is not to be assigned, and here is

    def __exit__(self, *_: object) -> None:
        setattr(HeadTail, "add", self._real)  # noqa: B010
