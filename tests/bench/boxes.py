"""What a box costs: the same command as a plain process and in every sandbox of this machine, in turn."""

import asyncio
import subprocess
import tempfile
import time
from pathlib import Path

from agentos.adapters.registry import BACKENDS, backend
from agentos.adapters.sandbox.choosing import missing
from agentos.ports.sandbox import Command

LINE = "true"
PLAIN = "plain process"
REST_S = 0.1
"""Commands of an agent come one by one, with a model's thought in between; the next worker is made meanwhile."""


def started(tries: int) -> dict[str, list[float]]:
    """Milliseconds from asking for `true` to knowing that it ended and nothing of it is left, by what it ran in."""
    return asyncio.run(_started(tries))


async def _started(tries: int) -> dict[str, list[float]]:
    kinds = [kind for kind in BACKENDS["sandbox"] if kind != "external" and not missing(kind)[1]]
    boxes = {kind: backend("sandbox", kind)() for kind in kinds}
    taken: dict[str, list[float]] = {name: [] for name in (PLAIN, *boxes)}
    with tempfile.TemporaryDirectory(prefix="agentos-box-") as name:
        tree = Path(name)
        for number in range(tries + 1):
            for kind in (PLAIN, *boxes):
                for _ in range(2):  # the first one brings the worker to the right place
                    await asyncio.sleep(REST_S)
                    began = time.perf_counter()
                    if kind == PLAIN:
                        subprocess.run(["/bin/sh", "-c", LINE], check=True)
                    else:
                        await boxes[kind].run(Command(LINE, tree, (tree,), 60))
                    took = time.perf_counter() - began
                if number:
                    taken[kind].append(1000 * took)
    return taken
