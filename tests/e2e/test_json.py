"""What commands print for programs: one document each, as published."""

import json
from typing import Any

import jsonschema
import pytest

from agentos.cli.documents import schemas
from tests.e2e.conftest import ROOT, Desk

pytestmark = pytest.mark.timeout(400)
CALLS = [
    ("plan", ["--issue", "1", "--dry-run"]),
    ("doctor", ["doctor"]),
    ("config", ["config"]),
    ("init", ["init"]),
    ("new", ["new", "Whisper"]),
    ("result", ["--issue", "1"]),
    ("show", ["show", "1"]),
    ("diff", ["diff", "1"]),
    ("logs", ["logs", "1"]),
    ("costs", ["costs"]),
    ("result", ["hold", "1", "until Monday"]),
    ("status", ["status"]),
    ("result", ["resume", "1", "--no-wait"]),
    ("result", ["reject", "1", "--no-wait"]),
    ("result", ["--issue", "1"]),
    ("show", ["show", "1"]),
    ("status", ["status", "--all"]),
    ("rebuild", ["rebuild", "2", "--dry-run"]),
]


def test_what_every_command_prints_for_programs_fits_its_published_schema(desk: Desk) -> None:
    told: list[tuple[str, Any]] = []
    for name, words in CALLS:
        done = desk.agentos(*words, "--json")
        assert done.code in ((2,) if name == "rebuild" else (0, 4)), f"{words}: {done.err}"
        documents = done.out.splitlines() if name == "logs" else [done.out]
        told += [(name, json.loads(each)) for each in documents]
    for name, document in told:
        schema = json.loads((ROOT / "docs" / "reference" / "schemas" / f"{name}.schema.json").read_text("utf-8"))
        jsonschema.validate(document, schema)
    assert {name for name, _ in told} == set(schemas())
    held, none_held = [document["runs"] for name, document in told if name == "status"]
    assert (held[0]["held"]["why"], held[0]["job"]) == ("until Monday", "paused")
    assert [run["outcome"] for run in none_held] == ["cancelled"]
    recorded = [document for name, document in told if name == "result"][3]
    assert (recorded["exit_code"], recorded["job"]) == (0, "paused")
