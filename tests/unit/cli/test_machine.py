"""`config` as text and JSON, and event lines."""

import json
from pathlib import Path

import jsonschema
import pytest

from agentos.cli.documents import ConfigDocument, schemas, text_of
from agentos.cli.log_lines import LogLines
from agentos.cli.machine_commands import setting_rows
from agentos.config.load import load
from agentos.domain.event import Event, EventKind
from agentos.domain.pipeline import Stage

AT = "2026-11-21T12:00:00+00:00"


def test_each_setting_is_listed_with_its_origin_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = tmp_path / "config.yaml"
    user.write_text("budget:\n  calls: 40\nmodels:\n  prices:\n    a:b-1.5: {input_usd: 1, output_usd: 2}\n", "utf-8")
    monkeypatch.setenv("AGENTOS_CONFIG", str(user))
    monkeypatch.setenv("AGENTOS_DATABASE_URL", "postgresql://ann:hunter2@127.0.0.1/x")
    loaded = load(None, overrides={"budget.usd": 5}, workflow_text="---\ncommands: {test: make test}\n---\n")
    rows = {row.key: row for row in setting_rows(loaded)}
    assert (rows["budget.usd"].value, rows["budget.usd"].origin) == (5.0, "command line")
    assert rows["budget.calls"].origin == f"user config {user}"
    assert rows["commands.test.run"].origin == "WORKFLOW.md"
    assert rows["models.prices.a:b-1.5.input_usd"].value == 1.0
    assert rows["database_url"].origin == "environment AGENTOS_DATABASE_URL"
    assert rows["home"].origin == "default"
    printed = text_of(ConfigDocument(settings=list(rows.values())))
    assert "hunter2" not in printed
    jsonschema.validate(json.loads(printed), schemas()["config"])


@pytest.mark.parametrize("kind", EventKind)
def test_every_event_has_one_harmless_line_and_one_json_object(kind: EventKind) -> None:
    data = {"title": "a\nb\x1b[2J", "verdict": "PASS", "sha": "a" * 40, "name": "test", "passed": True, "key": "pr"}
    event = Event(1, 3, AT, kind, Stage.IMPL, "code", data)
    text = LogLines(as_json=False).line(event)
    assert "impl" in text
    assert not {"\n", "\x1b"} & set(text)
    told = json.loads(LogLines(as_json=True).line(event))
    assert (told["kind"], told["seq"], told["data"]["key"]) == (kind, 3, "pr")
    jsonschema.validate(told, schemas()["logs"])


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_published_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[name])
