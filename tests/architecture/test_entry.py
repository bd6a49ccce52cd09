"""`tools/orchestrate.py` as somebody runs it who has not read anything."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import ROOT


def _run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", "tools/orchestrate.py", *arguments]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def _checkout_with_the_tool_only(folder: Path) -> Path:
    (folder / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "orchestrate.py", folder / "tools")
    return folder


def test_without_set_up_it_names_make_setup_and_ends_with_2(tmp_path: Path) -> None:
    done = _run(_checkout_with_the_tool_only(tmp_path), "--issue", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "make setup" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_any_python_goes_on_under_the_checkouts_own_once(tmp_path: Path) -> None:
    """A stand-in for `.venv/bin/python` writes down how it was started, then runs the tool as that Python would."""
    checkout = _checkout_with_the_tool_only(tmp_path)
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\necho "started: $*"\nexec {sys.executable} -I -S "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    done = _run(checkout, "--issue", "1")
    assert done.stdout.splitlines() == ["started: tools/orchestrate.py --issue 1"]
    assert done.returncode == 2
