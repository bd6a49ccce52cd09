"""From a plain repository to a first run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Desk

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
