"""What a finished run left behind, seen from outside, with everything that may differ between two runs made equal."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

_MASKS = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{40}\b"), "SHA"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "WAIT"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "SHORT"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DAY"),
    (re.compile(r"\b\d+\.\d+ ?s\b"), "SECONDS"),
    (re.compile(r'"(size_bytes|run_id|duration_s)": [\d.]+'), r'"\1": 0'),
)


def masked(text: str, *places: Path) -> str:
    """`text` without times, shas, durations and the folders of this cell."""
    for number, place in enumerate(places):
        text = text.replace(str(place), f"PLACE{number}")
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return text


def picture(target: Path, home: Path) -> dict[str, Any]:
    """Refs with their trees, tickets, pull requests, notices, worktrees, deployments and run records."""
    trees = {ref: _git(target, "rev-parse", f"{ref}^{{tree}}") for ref in _refs(target)}
    files: dict[str, Any] = {
        "refs": trees,
        "log": _git(target, "log", "--topo-order", "--format=%s", "main").splitlines(),
    }
    files["status"] = [line[3:] for line in _git(target, "status", "--porcelain", "-uall").splitlines()]
    for folder in (target / "tickets", home / "forge", home / "deployments", home / "runs"):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix in (".md", ".json") and not path.name.startswith("agent-"):
                files[masked(str(path.relative_to(folder.parent)), home, target)] = _content(path, target, home)
    notices = home / "notices.jsonl"
    files["notices"] = masked(notices.read_text("utf-8"), target, home).splitlines() if notices.exists() else []
    files["left"] = sorted(path.name for path in (home / "scratch").glob("*")) if (home / "scratch").exists() else []
    files["trees"] = [path.name for path in (home / "worktrees").glob("*/*") if not path.name.startswith(".")]
    return files


_COSTS = re.compile(r'\d+ model calls?, \d+ tokens|"cost": \{[^}]*\}')


def without_costs(told: Any) -> Any:
    """What was told, without how many calls and tokens it took."""
    if isinstance(told, dict):
        counts = ("calls", "input_tokens", "output_tokens")
        return {name: without_costs(value) for name, value in told.items() if name not in counts}
    if isinstance(told, list):
        return [without_costs(each) for each in told]
    return _COSTS.sub("COSTS", told) if isinstance(told, str) else told


def calls_paid(picture: dict[str, Any]) -> int:
    """How many model calls the run record of `picture` says were charged."""
    (record,) = (value for name, value in picture.items() if name.endswith("/run.json"))
    return int(record["cost"]["calls"])


def _content(path: Path, target: Path, home: Path) -> Any:
    text = masked(path.read_text("utf-8"), target, home)
    return json.loads(text) if path.suffix == ".json" else text.splitlines()


def _refs(target: Path) -> list[str]:
    return _git(target, "for-each-ref", "--format=%(refname)").splitlines()


def _git(target: Path, *args: str) -> str:
    return subprocess.run(["git", "-C", str(target), *args], capture_output=True, text=True, check=True).stdout.strip()
