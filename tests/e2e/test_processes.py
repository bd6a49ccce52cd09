"""Several processes, signals, and what a rehearsal must not do."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.e2e.conftest import ROOT, Desk, Until
from tests.e2e.held_server import HeldServer

pytestmark = pytest.mark.timeout(400)


def test_of_ten_processes_one_runs_and_nine_are_told_so(desk: Desk, held: HeldServer, until: Until) -> None:
    started = [desk.begin("--issue", "1") for _ in range(10)]
    # The one that works is held at its first model call; the others must give up by themselves.
    until(lambda: sum(each.poll() is not None for each in started) >= 9)
    held.go.set()
    for each in started:
        each.communicate(timeout=100)
    assert sorted(each.returncode for each in started) == [4, *[6] * 9]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_the_step_and_the_next_call_goes_on(
    desk: Desk, held: HeldServer, number: signal.Signals
) -> None:
    process = desk.begin("--issue", "1")
    assert held.asked.wait(100)
    process.send_signal(number)
    assert process.stderr is not None
    while "Stopping after the present step" not in process.stderr.readline():
        assert process.poll() is None
    held.go.set()
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "Go on with: " in out
    again = desk.agentos("--issue", "1", "--json")
    assert again.code == 4, again.err
    assert desk.record()["cost_by_stage"]["triage"]["calls"] == 1, "the step's reply was paid for once"


def test_a_second_signal_leaves_at_once(desk: Desk, held: HeldServer) -> None:
    process = desk.begin("--issue", "1")
    assert held.asked.wait(100)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "Stopping" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    held.go.set()
    assert desk.agentos("--issue", "1").code == 4


def _files(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _rows(url: str) -> list[tuple[str, int]]:
    with psycopg.connect(url, autocommit=True) as conn:
        names = [
            row[0] for row in conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ]
        counts = [conn.execute(f"SELECT count(*) FROM {name}".encode()).fetchone() for name in names]
    return [(name, count[0] if count else -1) for name, count in zip(names, counts, strict=True)]


def test_a_rehearsal_changes_no_file_and_starts_no_server(plain_desk: Desk) -> None:
    before = _files(plain_desk.target)
    done = plain_desk.agentos("--issue", "1", "--dry-run")
    assert done.code == 0, done.err
    assert "triage" in done.out
    assert "before_pr" in done.out
    assert _files(plain_desk.target) == before
    assert not plain_desk.home.exists()
    assert not [process for process in psutil.process_iter(["cmdline"]) if str(plain_desk.home) in str(process.info)]


def test_a_rehearsal_after_a_run_changes_no_row_and_knows_what_it_took(desk: Desk, database_url: str) -> None:
    desk.agentos("--issue", "1")
    rows, files, refs = _rows(database_url), _files(desk.target) | _files(desk.home), desk.git("for-each-ref")
    done = desk.agentos("--issue", "1", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert done.result["past_runs"] == 1
    assert done.result["expected_s"] is not None or done.result["stages"][0]["action"] == "done"
    assert (_rows(database_url), _files(desk.target) | _files(desk.home)) == (rows, files)
    assert desk.git("for-each-ref") == refs


def test_a_rehearsal_migrates_no_database(plain_desk: Desk, empty_database_url: str) -> None:
    plain_desk.environment["AGENTOS_DATABASE_URL"] = empty_database_url
    assert plain_desk.agentos("--issue", "1", "--dry-run").code == 0
    assert _rows(empty_database_url) == []


HEAVY = {"langgraph", "langchain", "langchain_core", "langchain_anthropic", "langchain_openai"}


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["status"], ["show", "1"], ["run", "--issue", "1", "--dry-run"]]
)
def test_looking_imports_no_graph_and_no_provider(desk: Desk, words: list[str]) -> None:
    if words[0] == "show":
        desk.agentos("--issue", "1")
    code = (
        "import sys\nfrom agentos.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=desk.target,
        env={**os.environ, **desk.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not HEAVY & set(done.stderr.splitlines()[-1].split())


def test_status_lists_what_waits_with_the_commands_that_answer(desk: Desk) -> None:
    desk.agentos("--issue", "1")
    done = desk.agentos("status")
    assert done.code == 0
    assert "Waiting for you" in done.out
    assert "approve 1" in done.out


def test_status_tells_a_run_whose_process_was_killed_from_one_at_work(desk: Desk, held: HeldServer) -> None:
    process = desk.begin("--issue", "1")
    assert held.asked.wait(100)
    at_work = desk.agentos("status").out
    told = [desk.agentos("status", "--json").out]
    process.kill()
    process.communicate(timeout=20)
    left = desk.agentos("status").out
    told.append(desk.agentos("status", "--json").out)
    assert [json.loads(each)["runs"][0]["process_gone"] for each in told] == [False, True]
    assert "issue 1" in at_work
    assert "its process is gone" not in at_work
    assert "its process is gone, it goes on where it stood" in left
    assert "orchestrate.py --issue 1" in left
    held.go.set()
    assert desk.agentos("--issue", "1").code == 4


def test_the_same_answer_from_two_terminals_at_once_counts_once(desk: Desk) -> None:
    assert desk.agentos("--issue", "1").code == 4
    both = [desk.begin("approve", "1", "--no-wait") for _ in range(2)]
    errors = [each.communicate(timeout=100)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], errors
    reviewed = desk.agentos("--issue", "1")
    assert reviewed.code == 4, "neither answer is taken for the next question"
    assert "Waiting for your review" in reviewed.out
    assert [each["kind"] for each in desk.record()["decisions"]].count("approve") == 1
