"""What tests of sandboxes share: which backends this machine has, and what is left of a command."""

import asyncio
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from agentos.adapters.registry import BACKENDS, backend
from agentos.adapters.sandbox.choosing import missing
from agentos.ports.sandbox import Sandbox

PATIENCE_S = 30.0


def lacks(kind: str) -> str:
    """Why this machine cannot have the backend; empty where it can."""
    return missing(kind)[1] if kind in ("sandlock", "bubblewrap") else ""


def backends(*kinds: str) -> list[Any]:
    """The backends as parameters; one this machine lacks is skipped by name."""
    return [
        pytest.param(kind, marks=[pytest.mark.skipif(bool(lacks(kind)), reason=f"{kind}: {lacks(kind)}")])
        for kind in kinds or sorted(BACKENDS["sandbox"])
    ]


def sandbox_of(kind: str, **more: Any) -> Sandbox:
    """The backend, as it is made for a run."""
    made: Sandbox = backend("sandbox", kind)(**more)
    return made


def python(code: str) -> str:
    """A shell line that runs `code`."""
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


def left_of(mark: str) -> list[int]:
    """Every living process that was started with `mark` in its environment, in whatever namespace it is."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and mark in process.environ().values():
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


async def eventually(condition: Callable[[], bool]) -> bool:
    """Whether `condition` came true in time."""
    until = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < until:
        await asyncio.sleep(0.01)
    return condition()
