"""From a plain repository to a first run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Desk
from tests.e2e.terminal import Terminal

pytestmark = [pytest.mark.timeout(400), pytest.mark.slow]


@pytest.fixture
def fresh(plain_desk: Desk, tmp_path: Path) -> Desk:
    """A repository that has never heard of AgentOS."""
    folder = tmp_path / "fresh"
    (folder / "tests").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[project]\nname = 'fresh'\n", "utf-8")
    (folder / "tests" / "test_it.py").write_text("def test_it():\n    assert True\n", "utf-8")
    plain_desk.target = folder
    plain_desk.git("init", "-q", "-b", "main")
    plain_desk.git("config", "user.name", "Ann")
    plain_desk.git("config", "user.email", "ann@example.org")
    plain_desk.git("add", "-A")
    plain_desk.git("commit", "-q", "-m", "first")
    return plain_desk


def test_without_a_workflow_one_sentence_says_what_is_missing(fresh: Desk) -> None:
    done = fresh.agentos("--issue", "1")
    assert (done.code, done.out) == (2, "")
    assert "orchestrate.py init` writes one" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_init_and_new_lead_to_a_rehearsal_that_would_start(fresh: Desk) -> None:
    made = fresh.agentos("init")
    assert made.code == 0, made.err
    assert "git add WORKFLOW.md tickets/_template.md" in made.err
    assert "python -m pytest -q --junitxml={junit}" in (fresh.target / "WORKFLOW.md").read_text("utf-8")
    fresh.git("add", "WORKFLOW.md", "tickets/_template.md")
    fresh.git("commit", "-q", "-m", "set up")
    ticket = fresh.agentos("new", "Say hello")
    assert ticket.out.startswith("Issue 1: tickets/001-say-hello.md")
    assert "--issue 1" in ticket.err
    rehearsed = fresh.agentos("--issue", "1", "--dry-run")
    assert rehearsed.code == 0, rehearsed.out + rehearsed.err


def test_init_overwrites_nothing(fresh: Desk) -> None:
    (fresh.target / "WORKFLOW.md").write_text("Mine.\n", "utf-8")
    assert fresh.agentos("init").code == 0
    assert (fresh.target / "WORKFLOW.md").read_text("utf-8") == "Mine.\n"
    before = fresh.code()
    again = fresh.agentos("init")
    assert "nothing was changed" in again.err
    assert fresh.code() == before


def test_a_workflow_that_is_not_committed_is_asked_for_by_name(fresh: Desk) -> None:
    fresh.agentos("init")
    done = fresh.agentos("--issue", "1")
    assert done.code == 2
    assert "git add WORKFLOW.md" in done.err


def _installed(folder: Path) -> Path:
    """The program as a wheel lays it out, far from its checkout."""
    shutil.copytree(ROOT / "agentos", folder / "agentos", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("configs", "prompts"):
        shutil.copytree(ROOT / name, folder / "agentos" / "_data" / name)
    return folder


@pytest.mark.parametrize("installed", [False, pytest.param(True, marks=pytest.mark.full)])
def test_the_demo_ends_with_a_merged_change_and_a_script_used_up(tmp_path: Path, *, installed: bool) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "AGENTOS_CONFIG": str(tmp_path / "none.yaml")}
    (tmp_path / "none.yaml").write_text("{}\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "agentos.cli.demo"],
        cwd=_installed(tmp_path / "site") if installed else ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "merged and verified" in done.stdout
    assert "model replies come from a file; everything else is real" in done.stderr
    assert "--issue 2 --repo" in done.stderr


def test_on_a_terminal_the_demo_asks_the_person_and_does_what_they_say(desk: Desk, tmp_path: Path) -> None:
    desk.environment["TMPDIR"] = str(tmp_path)
    terminal = Terminal(desk, "demo")
    for question, answer in (("[Y/n]", b"\n"), ("Your feedback [", b"Show it, please.\n"), ("[Y/n]", b"yes\n")):
        seen = terminal.shown.count(question)
        terminal.read_until(lambda question=question, seen=seen: terminal.shown.count(question) > seen)  # type: ignore[misc]
        terminal.type(answer)
    assert terminal.read_to_the_end() == 0, terminal.shown[-3000:]
    assert "$ agentos feedback 1 'Show it, please.'" in terminal.shown
    assert "merged and verified" in terminal.shown
    assert "Nobody is at the keyboard" not in terminal.shown


def test_on_a_terminal_no_ends_the_demo_without_a_merge_and_says_what_to_try(desk: Desk, tmp_path: Path) -> None:
    desk.environment["TMPDIR"] = str(tmp_path)
    terminal = Terminal(desk, "demo")
    terminal.read_until(lambda: "[Y/n]" in terminal.shown)
    terminal.type(b"n\n")
    assert terminal.read_to_the_end() == 1, terminal.shown[-3000:]
    assert "cancelled and cleaned up" in terminal.shown
    assert "show 1 --repo" in terminal.shown
    assert "Traceback" not in terminal.shown
