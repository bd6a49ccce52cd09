"""A demo run watched from inside, and its foreign processes run again without AgentOS around them.

`python -m tests.bench.bare WORLD SNAPSHOTS` runs the demo in WORLD, a folder that holds everything it makes, and keeps
there, for each git command and each check, the process and a copy of WORLD as it was right before.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

KINDS = ("git", "check")


@dataclass(frozen=True)
class Call:
    """One foreign process. `snapshot` names the copy of the world it saw."""

    kind: str
    argv: list[str]
    cwd: str
    env: dict[str, str]
    exit_code: int | None
    snapshot: str


@dataclass(frozen=True)
class Recorded:
    """What one run did."""

    calls: tuple[Call, ...]
    counted: dict[str, int]

    @classmethod
    def read(cls, snapshots: Path) -> "Recorded":
        """As it was kept there."""
        kept = json.loads((snapshots / "recorded.json").read_text("utf-8"))
        return cls(tuple(Call(**each) for each in kept["calls"]), kept["counted"])


class Recorder:
    """Watches this process."""

    def __init__(self, world: Path, snapshots: Path) -> None:
        self.world, self.snapshots = world, snapshots
        self.calls: list[Call] = []
        self.counted: Counter[str] = Counter()
        self._numbers = count()

    def watch(self) -> None:
        """Effect: from now on everything is recorded."""
        import psycopg

        from agentos.adapters.registry import BACKENDS, backend
        from agentos.workspace.git import Git

        Git.run = self._git(Git.run)  # type: ignore[method-assign]
        for box in {
            each for kind in BACKENDS["sandbox"] for each in (backend("sandbox", kind),) if "run" in vars(each)
        }:
            box.run = self._check(box.run)
        for owner, name, what in (
            (psycopg.AsyncCursor, "execute", "statements"),
            (psycopg.AsyncCursor, "executemany", "statements"),
            (psycopg.AsyncConnection, "transaction", "transactions"),
        ):
            setattr(owner, name, self._counting(getattr(owner, name), what))

    def keep(self) -> None:
        """Effect: what was recorded is in `snapshots`."""
        kept = {"calls": [asdict(call) for call in self.calls], "counted": self.counted}
        (self.snapshots / "recorded.json").write_text(json.dumps(kept), encoding="utf-8")

    def _git(self, real: Callable[..., Any]) -> Callable[..., Any]:
        async def run(git: Any, *args: str, input: Any = None, **more: Any) -> Any:
            fed = input if isinstance(input, bytes | None) else b"".join(input)
            name, started = self._snapshot(fed), list[tuple[Any, ...]]()
            _started.set(started)
            done = await real(git, *args, input=fed, **more)
            _, argv, cwd, env = started[0]
            self.calls.append(Call("git", list(argv), str(cwd), dict(env), done.exit_code, name))
            return done

        return run

    def _check(self, real: Callable[..., Any]) -> Callable[..., Any]:
        from agentos.adapters.sandbox.launching import FIXED

        async def run(sandbox: Any, command: Any) -> Any:
            name = self._snapshot(None)
            done = await real(sandbox, command)
            own = {"PATH": os.environ["PATH"], "HOME": str(self.world), "TMPDIR": str(self.world)}
            env = {**FIXED, **own, **command.env}
            self.calls.append(
                Call("check", ["/bin/sh", "-c", command.shell], str(command.cwd), env, done.exit_code, name)
            )
            return done

        return run

    def _counting(self, real: Callable[..., Any], what: str) -> Callable[..., Any]:
        def counting(*args: Any, **more: Any) -> Any:
            self.counted[what] += 1
            return real(*args, **more)

        return counting

    def _snapshot(self, fed: bytes | None) -> str:
        place = self.snapshots / str(next(self._numbers))
        shutil.copytree(self.world, place, symlinks=True, ignore=shutil.ignore_patterns("postgres*"))
        place.with_suffix(".input").write_bytes(fed or b"")
        return place.name


_started: ContextVar[list[tuple[Any, ...]] | None] = ContextVar("started", default=None)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        started = _started.get()
        if started is not None:
            started.append(arguments)


@dataclass
class Bare:
    """All calls of one kind, run bare; `differing` ended with another exit code than in the run."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    calls: int = 0
    differing: int = 0


def replay(world: Path, snapshots: Path, calls: Sequence[Call]) -> dict[str, Bare]:
    """The calls run bare one after the other, each on the files it saw, by kind. Effect: `world` and the snapshots are
    used up."""
    taken = {kind: Bare() for kind in KINDS}
    for call in calls:
        shutil.rmtree(world)
        (snapshots / call.snapshot).rename(world)
        fed = (snapshots / f"{call.snapshot}.input").read_bytes()
        before, began = _children_cpu_s(), time.perf_counter()
        done = subprocess.run(call.argv, cwd=call.cwd, env=call.env, input=fed, capture_output=True, check=False)
        bare = taken[call.kind]
        bare.wall_s += time.perf_counter() - began
        bare.cpu_s += _children_cpu_s() - before
        bare.calls += 1
        bare.differing += done.returncode != call.exit_code
    return taken


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(world: str, snapshots: str) -> int:
    """The exit code of the demo."""
    from agentos.cli.main import main as agentos

    sys.addaudithook(_hear)
    recorder = Recorder(Path(world), Path(snapshots))
    recorder.watch()
    code = agentos(["demo"])
    recorder.keep()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
