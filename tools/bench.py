"""`python tools/bench.py` shows what AgentOS costs, each figure beside its target: start-up, a run's overhead, its bytes.

Nothing here passes or fails on time. How to read it: docs/reference/bench.md.
"""

import argparse
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.bench.bare import Recorded, replay  # noqa: E402
from tests.bench.boxes import waited  # noqa: E402

BIN = Path(sys.executable).parent
DEMO = (str(BIN / "agentos"), "demo")
TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


@dataclass(frozen=True)
class Figure:
    """One measured thing. `least` is the best of all tries, `cpu_s` the median of what its processes used."""

    name: str
    median: float
    unit: str = "s"
    least: float | None = None
    cpu_s: float | None = None
    target: float | None = None

    @property
    def ratio(self) -> float | None:
        """How much of the target it is."""
        return None if self.target is None else self.median / self.target


@dataclass(frozen=True)
class Timed:
    """One process, from its start to its end; `cpu_s` counts its own children that it waited for."""

    wall_s: float
    cpu_s: float
    exit_code: int
    output: str


def timed(command: Sequence[str], env: Mapping[str, str], **more: Any) -> Timed:
    """What `command` took."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)
    wall_s, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Timed(wall_s, cpu_s, done.returncode, done.stdout.decode("utf-8", "replace"))


def must_end_well(done: Timed, command: Sequence[str]) -> Timed:
    """`done`, if its exit code was 0: a failed command's time means nothing."""
    if done.exit_code:
        sys.exit(f"{' '.join(command)} ended with {done.exit_code}, so there is nothing to measure:\n{done.output}")
    return done


def figure(name: str, tries: Sequence[Timed], target: float | None = None) -> Figure:
    """The tries in one line."""
    walls = [each.wall_s for each in tries]
    cpu_s = statistics.median(each.cpu_s for each in tries)
    return Figure(name, statistics.median(walls), least=min(walls), cpu_s=cpu_s, target=target)


@dataclass(frozen=True)
class World:
    """A folder in which everything of one demo lies, temporary files included."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> "World":
        """A new, empty one."""
        folder.mkdir(parents=True)
        return cls(folder)

    @property
    def env(self) -> dict[str, str]:
        """A small environment that lets nothing of this machine's own settings in."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        own = {"TMPDIR": str(self.folder), "HOME": str(self.folder), "GIT_CONFIG_GLOBAL": os.devnull}
        # A machine tries its sandbox out once per boot, not once per run.
        own["XDG_CACHE_HOME"] = str(self.folder.parent / "cache")
        return {**kept, **own, "GIT_CONFIG_NOSYSTEM": "1"}

    @property
    def demo(self) -> Path:
        """The folder the demo made for itself."""
        return next(self.folder.glob("agentos-demo-*"))

    def after_demo(self) -> dict[str, str]:
        """The environment of a person who goes on by hand where the demo ended."""
        return {**self.env, "AGENTOS_CONFIG": str(self.demo / "config.yaml")}

    def close(self) -> None:
        """Effect: its database has stopped, and its data is gone where that lies elsewhere (for root)."""
        from agentos.store.embedded import is_running
        from agentos.store.embedded_layout import layout_of

        for home in self.folder.glob("agentos-demo-*/home"):
            layout = layout_of(home)
            for _ in range(500):
                if not is_running(home):
                    break
                time.sleep(0.02)
            if layout.account.drop:
                shutil.rmtree(layout.root, ignore_errors=True)


# --- start-up ---------------------------------------------------------------------------------------------------------


def start_up(world: World, tries: int) -> list[Figure]:
    """What a person waits for before anything is said, on the repository the demo left."""
    repo = ("--repo", str(world.demo / "todo"))
    commands: dict[str, tuple[tuple[str, ...], float | None]] = {
        "python -c pass": ((sys.executable, "-c", "pass"), None),
        "agentos --help": ((DEMO[0], "--help"), 0.3),
        "agentos run --issue 2 --dry-run": ((DEMO[0], "run", "--issue", "2", "--dry-run", *repo), 1.0),
        "agentos status": ((DEMO[0], "status"), 1.0),
    }
    taken: dict[str, list[Timed]] = {name: [] for name in commands}
    for _ in range(tries):
        # In turn, so that a busy moment of the machine falls on all of them.
        for name, (command, _) in commands.items():
            taken[name].append(must_end_well(timed(command, world.after_demo(), cwd=world.folder), command))
    return [figure(name, taken[name], target) for name, (_, target) in commands.items()]


def boxes(tries: int) -> list[Figure]:
    """What a command waits for its sandbox."""
    figures = []
    for name, times in waited(tries).items():
        target = 10.0 if name == "sandlock" else None
        figures.append(Figure(f"{name}: runs", statistics.median(times.runs), "ms", min(times.runs), target=target))
        figures.append(Figure(f"{name}: over", statistics.median(times.over), "ms", min(times.over)))
    return figures


def agents(folder: Path, tries: int) -> list[Figure]:
    """What an agent costs besides its model and its commands: ours beside others, in one warm process."""
    world = World.made(folder / "agents")
    command = (sys.executable, "-m", "tests.bench.agents", str(tries))
    done = must_end_well(timed(command, {**world.env, "PYTHONPATH": str(ROOT)}, cwd=world.folder), command)
    taken = json.loads(done.output.splitlines()[-1])
    rows = [Figure(name, statistics.median(row["seconds"]), least=min(row["seconds"])) for name, row in taken.items()]
    if "mini-swe-agent" not in taken:
        rows.append(Figure("mini-swe-agent: not installed", 0.0))
    alone, plain, native = (taken[name] for name in ("its commands alone", "plain create_agent", "native agent"))
    loops = [whole - boxed for whole, boxed in zip(native["seconds"], native["boxed"], strict=True)]
    floors = [whole - bare for whole, bare in zip(plain["seconds"], alone["seconds"], strict=True)]
    over = [loop - floor for loop, floor in zip(loops, floors, strict=True)]
    per_call = [1000 * each / native["calls"] for each in over]
    return [
        *rows,
        Figure("its commands of it", statistics.median(native["boxed"]), least=min(native["boxed"])),
        Figure("over plain, commands apart", statistics.median(over), least=min(over), target=0.2),
        Figure(
            f"a call, of {native['calls']}",
            statistics.median(per_call),
            "ms",
            min(per_call),
            target=10.0,
        ),
    ]


# --- a whole run ------------------------------------------------------------------------------------------------------


def stored(home: Path) -> list[Figure]:
    """What the run left in PostgreSQL."""
    import psycopg

    from agentos.store.embedded import connect_embedded

    server = connect_embedded(home)
    figures, total = [], 0
    try:
        with psycopg.connect(server.url) as conn:
            for table in TABLES:
                size = f"SELECT count(*), coalesce(sum(pg_column_size(each.*)), 0) FROM {table} AS each"  # noqa: S608
                rows, size_bytes = conn.execute(size.encode()).fetchone() or (0, 0)
                figures.append(Figure(f"{table} ({rows} rows)", size_bytes / 1000, "kB"))
                total += size_bytes
            events = (conn.execute("SELECT count(*) FROM events").fetchone() or (0,))[0]
    finally:
        server.close()
    whole = Figure("checkpoint bytes", total / 1000, "kB", target=300.0)
    return [*figures, whole, Figure("events", events, "rows")]


def whole_run(folder: Path, runs: Sequence[Timed]) -> dict[str, list[Figure]]:
    """The demo once more, watched; then its foreign calls without AgentOS around them."""
    world, snapshots = World.made(folder / "watched"), folder / "snapshots"
    snapshots.mkdir()
    command = (sys.executable, "-m", "tests.bench.bare", str(world.folder), str(snapshots))
    must_end_well(timed(command, {**world.env, "PYTHONPATH": str(ROOT)}, cwd=world.folder), command)
    recorded = Recorded.read(snapshots)
    kept = stored(world.demo / "home")
    world.close()
    bare = replay(world.folder, snapshots, recorded.calls)
    run, bare_s = figure("the demo, start to end", runs), sum(each.wall_s for each in bare.values())
    # Checks run below a launcher of their own that nobody waits for: the demo's processor time is without them.
    bare_cpu_s = bare["git"].cpu_s
    overhead = [
        run,
        *[Figure(f"bare: {each.calls} × {kind}", each.wall_s, cpu_s=each.cpu_s) for kind, each in bare.items()],
        Figure("bare: model calls (from a file)", 0.0),
        Figure(
            "overhead",
            run.median - bare_s,
            least=(run.least or 0.0) - bare_s,
            cpu_s=(run.cpu_s or 0.0) - bare_cpu_s,
            target=3.0,
        ),
        Figure("bare calls that ended otherwise", sum(each.differing for each in bare.values()), ""),
    ]
    counts = [Figure(f"SQL {name}", number, "") for name, number in recorded.counted.items()]
    return {"A whole run": overhead, "What it stores": [*kept, *counts]}


# --- showing ----------------------------------------------------------------------------------------------------------


def show(parts: Mapping[str, Sequence[Figure]]) -> None:
    """Effect: the tables are printed."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, figures in parts.items():
        table = Table("", title=title, title_justify="left", title_style="bold")
        for heading in ("median", "best", "CPU s", "target", "of target"):
            table.add_column(heading, justify="right")
        for each in figures:
            ratio = "" if each.ratio is None else f"{each.ratio:.0%}"
            style = "" if each.ratio is None else "green" if each.ratio <= 1 else "red"
            table.add_row(each.name, *map(_cell, _cells(each)), ratio, style=style)
        console.print(table)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    console.print(f"{os.cpu_count()} CPUs, load {load}, Python {sys.version.split()[0]}")


def _cells(each: Figure) -> list[tuple[float | None, str]]:
    return [(each.median, each.unit), (each.least, each.unit), (each.cpu_s, "s"), (each.target, each.unit)]


def _cell(value: tuple[float | None, str]) -> str:
    number, unit = value
    if number is None:
        return ""
    return f"{number:.2f} {unit}" if unit == "s" else f"{number:.0f} {unit}".strip()


def require_bytecode() -> None:
    """Ends the program where imports would be compiled each time: uv and some containers leave the bytecode out."""
    found = importlib.util.find_spec("langgraph.graph")
    source = found.origin if found is not None else None
    if source is None or not Path(importlib.util.cache_from_source(source)).is_file() or sys.dont_write_bytecode:
        sys.exit(
            "There is no bytecode of LangGraph, or Python was told to write none, so every figure would be of the "
            "compiler: unset PYTHONDONTWRITEBYTECODE and run `make clean setup`."
        )


def measure(folder: Path, tries: int) -> dict[str, list[Figure]]:
    """Every figure, by what it is about; one thing after the other."""
    parts: dict[str, list[Figure]] = {}
    runs: list[Timed] = []
    for number in range(max(1, tries // 2)):
        world = World.made(folder / f"run-{number}")
        runs.append(must_end_well(timed(DEMO, world.env, cwd=world.folder, stdin=subprocess.DEVNULL), DEMO))
        if not number:
            parts["Start-up"] = start_up(world, tries)
        world.close()
    parts["Sandbox"] = boxes(4 * tries)
    parts["Agent"] = agents(folder, 4 * tries)
    return parts | whole_run(folder, runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="figures as JSON, no tables")
    parser.add_argument("--tries", type=int, default=5, help="of each command; the whole run has half as many")
    asked = parser.parse_args()
    require_bytecode()
    with tempfile.TemporaryDirectory(prefix="agentos-bench-") as name:
        parts = measure(Path(name), asked.tries)
    if asked.json:
        shown = {title: [asdict(each) | {"ratio": each.ratio} for each in part] for title, part in parts.items()}
        print(json.dumps(shown, indent=2))
    else:
        show(parts)


if __name__ == "__main__":
    main()
