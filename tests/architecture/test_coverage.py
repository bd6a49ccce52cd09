"""The words, tables and judgements are covered by their own tests: every line, and every way out of a branch."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.tree import ROOT, modules, name

COVERED = ("agentos/domain/*.py", "agentos/workflows/*/rules.py")
TESTS = (
    "tests/unit/domain",
    "tests/architecture/test_capabilities.py",
    *sorted(map(str, (ROOT / "tests" / "unit" / "workflows").glob("test_*_rules.py"))),
)


def _holes(of: dict[str, Any]) -> list[str]:
    """Lines and branches that no test went through."""
    lines = [f"line {line}" for line in of["missing_lines"]]
    return lines + [f"line {start} never went on to {end}" for start, end in of["missing_branches"]]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_domain_and_rules_are_covered_to_the_last_branch(tmp_path: Path) -> None:
    data = tmp_path / "coverage"
    words = [
        "run",
        "--branch",
        "--source=agentos/domain,agentos/workflows",
        f"--data-file={data}",
        "-m",
        "pytest",
        "-q",
        "-x",
    ]
    alone = ["-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not slow and not full"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ran = subprocess.run(
        [sys.executable, "-m", "coverage", *words, *alone, *TESTS],
        cwd=ROOT,
        env=environment | {"CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    told = ["json", "-q", f"--include={','.join(COVERED)}", "-o", str(tmp_path / "report.json")]
    for step in (["combine", "-q"], told):
        subprocess.run([sys.executable, "-m", "coverage", *step, f"--data-file={data}"], cwd=ROOT, check=True)
    measured = json.loads((tmp_path / "report.json").read_text("utf-8"))["files"]

    expected = {
        name(module) for module in modules("agentos") if any(Path(name(module)).match(each) for each in COVERED)
    }
    assert {path for path, of in measured.items() if of["summary"]["num_statements"]} | _empty(expected) == expected
    assert {path: holes for path, of in sorted(measured.items()) if (holes := _holes(of))} == {}


def _empty(paths: set[str]) -> set[str]:
    """Those that have nothing to run but their docstring."""
    return {path for path in paths if len((ROOT / path).read_text("utf-8").splitlines()) <= 1}


def test_nothing_asks_to_be_left_out_of_the_count() -> None:
    marked = [name(module) for module in modules("agentos") if "pragma: no " + "cover" in module.read_text("utf-8")]
    assert marked == []
