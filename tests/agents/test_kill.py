import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentos.domain.issue import IssueRef
from agentos.store import Store
from agentos.workflows.kit.recorded_model import MOST_OUTPUT_TOKENS
from tests.agents.model_server import SUBMIT, CountingModelServer, calls, implementer, model_server

SESSION = implementer(
    calls(("view", {"path": "a.txt"}), ("bash", {"command": "ls"})),
    calls(("edit", {"path": "a.txt", "old": "one", "new": "one\ntwo"})),
    calls(("bash", {"command": "echo ran >> log.txt"}), ("write", {"path": "b/c.txt", "content": "new\n"})),
    calls(("search", {"pattern": "tw."})),
    SUBMIT,
    SUBMIT,
)
MODEL_POINTS = ("model:before_call", "model:answer_lost", "model:after_store")
TOOL_POINTS = ("tool:before", "tool:answer_lost", "tool:after_store")
# One cell a point always: the third reply, and the shell command that must not run twice. The others take minutes.
ALWAYS = {"model": 3, "tool": 4}
CELLS = [
    pytest.param(f"{point}#{n}", marks=() if n == ALWAYS[point.partition(":")[0]] else pytest.mark.full)
    for points, passes in ((MODEL_POINTS, (1, 3)), (TOOL_POINTS, (3, 4, 5)))
    for point in points
    for n in passes
]
ROOT = Path(__file__).parents[2]


def play(url: str, folder: Path, server: CountingModelServer, run_id: int, crash_at: str = "") -> Any:
    """What the session told; None where it was killed."""
    environment = {**os.environ, "AGENTOS_CRASH_AT": crash_at, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.agents.killed_session", url, str(folder), server.url, str(run_id)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if crash_at:
        assert done.returncode == -signal.SIGKILL, f"{crash_at} was never reached: {done.stderr[-2000:]}"
        return None
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def laid_out(folder: Path) -> Path:
    for name in ("tree", "scratch", "home"):
        (folder / name).mkdir(parents=True)
    (folder / "tree" / "a.txt").write_text("one\nthree\n")
    return folder


def contents(folder: Path) -> dict[str, str]:
    tree = folder / "tree"
    return {str(path.relative_to(tree)): path.read_text() for path in sorted(tree.rglob("*")) if path.is_file()}


FINAL = {"a.txt": "one\ntwo\nthree\n", "b/c.txt": "new\n", "log.txt": "ran\n"}


async def new_run(store: Store) -> int:
    run = await store.runs.create(IssueRef("example.org/a/b", 1), target="t", profile="cli", options={})
    return run.ref.id


@pytest.mark.parametrize("cell", CELLS)
async def test_a_killed_session_goes_on_and_pays_for_no_stored_reply_twice(
    store: Store, database_url: str, tmp_path: Path, cell: str
) -> None:
    run_id, folder = await new_run(store), laid_out(tmp_path / "box")
    with model_server(SESSION) as server:
        play(database_url, folder, server, run_id, crash_at=cell)
        told = play(database_url, folder, server, run_id)
        asked = dict(server.asked)
    # A reply that was lost on the way can only be asked for again; nothing else may be.
    lost = int(cell.partition("#")[2]) - 1 if cell.startswith("model:answer_lost") else None
    assert asked == {key: 2 if key[3] == lost else 1 for key in SESSION}
    assert contents(folder) == FINAL
    assert told["status"] == "submitted"
    assert [tool for tool, _, _ in told["acted"]] == [
        "view",
        "bash",
        "edit",
        "bash",
        "write",
        "search",
        "submit",
        "submit",
    ]
    assert told["calls"] == len(SESSION)
    # Nobody knows of a call that was under way whether it was answered: it stays charged, at its worst.
    under_way = 0 if cell.startswith(("model:after_store", "tool:")) else 1
    spend = await store.costs.spend(run_id)
    assert spend.calls == len(SESSION) + under_way
    assert (spend.output_tokens >= MOST_OUTPUT_TOKENS) is bool(under_way)


async def test_a_session_that_ended_is_told_again_without_asking_or_acting(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    run_id, folder = await new_run(store), laid_out(tmp_path / "box")
    with model_server(SESSION) as server:
        first = play(database_url, folder, server, run_id)
        second = play(database_url, folder, server, run_id)
        assert set(server.asked.values()) == {1}
    assert first == second
    assert contents(folder) == FINAL
