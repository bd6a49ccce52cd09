"""Figures are counted once whoever runs the tests, only what held counts, and a suite that shrinks fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tests.figures import EXAMPLES, FLOORS, Figures, read_floors

SUITE = """
import pytest
from hypothesis import assume, given, strategies as st

@pytest.mark.figure("cells")
@pytest.mark.parametrize("n", range(5))
def test_cell(n):
    assert n != FAILS

def test_attacks(figure):
    figure("attacks", 12)

@pytest.mark.examples("numbers")
@given(st.integers(0, 10**9))
def test_property(n):
    assume(n % 2)
"""


def _run(folder: Path, *, fails: int = -1, floors: str = "", workers: str = "0") -> tuple[int, str]:
    """The exit code and the output of a small suite of its own."""
    (folder / "test_suite.py").write_text(SUITE.replace("FAILS", str(fails)), "utf-8")
    (folder / "floors.toml").write_text(f"[test]\n{floors}", "utf-8")
    words = [
        "--suite",
        "test",
        "--floors",
        "floors.toml",
        "-n",
        workers,
        "-p",
        "tests.figures",
        "-p",
        "no:cacheprovider",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", *words, "test_suite.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_suite_that_keeps_its_floors_says_its_figures(tmp_path: Path, workers: str) -> None:
    code, out = _run(tmp_path, floors="cells = 5\nattacks = 12\n'examples: numbers' = 100\n", workers=workers)
    assert "cells: 5 held, 0 failed (floor 5)" in out
    assert "attacks: 12 held, 0 failed (floor 12)" in out
    assert "examples: numbers: 100 held, 0 failed (floor 100)" in out
    assert code == 0


@pytest.mark.slow
def test_a_suite_below_a_floor_fails(tmp_path: Path) -> None:
    code, out = _run(tmp_path, floors="cells = 6\n")
    assert "cells: 5 held, 0 failed (floor 6: TOO FEW)" in out
    assert code == 1
    code, out = _run(tmp_path, floors="probes = 1\n")
    assert "probes: 0 held, 0 failed (floor 1: TOO FEW)" in out
    assert code == 1


@pytest.mark.slow
def test_what_failed_does_not_count(tmp_path: Path) -> None:
    code, out = _run(tmp_path, fails=3)
    assert "cells: 4 held, 1 failed (no floor)" in out
    assert code == 1


def test_a_run_of_one_file_has_no_floors() -> None:
    assert read_floors(FLOORS, "") == {}
    assert Figures().below({}) == []


def test_every_floor_grows_with_the_suite() -> None:
    check, test, full = (read_floors(FLOORS, suite) for suite in EXAMPLES if suite)
    assert check.keys() <= test.keys() <= full.keys()
    assert all(check[name] <= test[name] for name in check)
    assert all(test[name] <= full[name] for name in test)


def test_the_promised_figures_are_floors() -> None:
    test, full = read_floors(FLOORS, "test"), read_floors(FLOORS, "full")
    assert sum(number for name, number in test.items() if name.startswith("crash cells")) >= 120
    assert sum(number for name, number in full.items() if name.startswith("crash cells")) >= 360
    assert {number for name, number in full.items() if name.startswith("examples") if number < 20_000} == set()
