"""Command line before environment before WORKFLOW.md before user configuration before defaults; each value says whence."""

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from agentos.config.load import Loaded, load
from agentos.domain.error import UsageError
from agentos.ports.sandbox import ANYWHERE
from tests.figures import share

KEYS: dict[str, st.SearchStrategy[Any]] = {
    "orchestrator.skip_existing_lld": st.booleans(),
    "orchestrator.stages.lld.drafter": st.sampled_from(["anthropic:a", "openai:b", "ollama:c:7b"]),
    "orchestrator.stages.spec.max_revisions": st.integers(1, 50),
    "orchestrator.stages.implementation.max_test_retries": st.integers(1, 50),
    "orchestrator.gates.after_lld": st.booleans(),
    "orchestrator.gates.before_pr": st.booleans(),
    "tracker.folder": st.sampled_from(["tickets", "docs/issues", "a b"]),
    "forge.kind": st.sampled_from(["local", "github"]),
    "agent.steps": st.integers(1, 1000),
    "agent.idle_s": st.integers(1, 3600).map(float),
    "commands.test.run": st.sampled_from(["pytest -q", "make test", "true"]),
    "commands.test.timeout_s": st.integers(1, 3600).map(float),
    "models.timeout_s": st.integers(1, 3600).map(float),
    "scope.paths": st.lists(st.sampled_from(["src/**", "docs/**"]), max_size=2).map(tuple),
    "until": st.sampled_from(["lld", "pr"]),
}
SOURCES = ("user", "workflow", "environment", "command line")
_GIVEN = st.fixed_dictionaries(
    {}, optional={key: st.dictionaries(st.sampled_from(SOURCES), value) for key, value in KEYS.items()}
)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, last = key.split(".")
        place = built
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = list(value) if isinstance(value, tuple) else value
    return built


def yaml(value: Mapping[str, Any]) -> str:
    out = io.StringIO()
    YAML(typ="safe", pure=True).dump(dict(value), out)
    return out.getvalue()


def variable(key: str) -> str:
    return "AGENTOS_" + key.upper().replace(".", "__")


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]


def at(loaded: Loaded, key: str) -> Any:
    value: Any = loaded.settings.model_dump()
    for part in key.split("."):
        value = value[part]
    return value


@pytest.mark.examples("config merge")
@settings(share(1), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_values=_GIVEN)
def test_the_highest_source_wins_and_is_named(bare_world: Path, given_values: dict[str, dict[str, Any]]) -> None:
    by_source: dict[str, dict[str, Any]] = {
        source: {key: said[source] for key, said in given_values.items() if source in said} for source in SOURCES
    }
    config = bare_world / "user.yaml"
    config.write_text(yaml(nested(by_source["user"])), "utf-8")
    variables = {
        variable(key): json.dumps(value) if isinstance(value, tuple | bool) else str(value)
        for key, value in by_source["environment"].items()
    }
    front = f"---\n{yaml(nested(by_source['workflow']))}---\nThe body.\n"
    with environment(variables | {"AGENTOS_CONFIG": str(config)}):
        loaded = load(bare_world / "repo", overrides=by_source["command line"], workflow_text=front)
    for key, said in given_values.items():
        for source in reversed(SOURCES):
            if source in said:
                assert at(loaded, key) == said[source]
                assert (
                    loaded.origins[key]
                    == {
                        "user": f"user config {config}",
                        "workflow": "WORKFLOW.md",
                        "environment": f"environment {variable(key)}",
                        "command line": "command line",
                    }[source]
                )
                break
        else:
            # A command that nobody names has no other entries either.
            assert loaded.origins.get(key, "default") == "default"


def test_without_any_source_everything_is_a_default(bare_world: Path) -> None:
    loaded = load(bare_world / "repo")
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.settings.home == bare_world / "data" / "agentos"
    assert loaded.workflow.body == ""


def test_the_user_configuration_is_found_in_its_usual_place(bare_world: Path) -> None:
    path = bare_world / "config" / "agentos" / "config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("agent: {steps: 7}\n", "utf-8")
    loaded = load(bare_world / "repo")
    assert loaded.settings.agent.steps == 7
    assert loaded.origins["agent.steps"] == f"user config {path}"


def test_a_command_given_twice_keeps_what_the_higher_one_leaves_open(bare_world: Path) -> None:
    config = bare_world / "user.yaml"
    config.write_text("commands: {setup: {network: true}, lint: {network: true}}\n", "utf-8")
    with environment({"AGENTOS_CONFIG": str(config), "AGENTOS_COMMANDS__TEST": "pytest -x"}):
        loaded = load(bare_world / "repo", workflow_text="---\ncommands: {test: pytest, setup: uv sync}\n---\n")
    named = {command.name: command for command in loaded.settings.command_matrix()}
    assert list(named) == ["setup", "test"], "a command without a line is none, and set-up is first"
    assert named["setup"].network == ANYWHERE
    assert named["test"].run == "pytest -x"
    assert loaded.origins["commands.test.run"] == "environment AGENTOS_COMMANDS__TEST"


def test_a_variable_may_hold_a_whole_group_as_json(bare_world: Path) -> None:
    with environment({"AGENTOS_BUDGET": '{"usd": 3}', "AGENTOS_BUDGET__CALLS": "9", "AGENTOS_SANDBOX": ""}):
        loaded = load(bare_world / "repo")
    assert (loaded.settings.budget.usd, loaded.settings.budget.calls) == (3.0, 9)
    assert loaded.origins["budget.usd"] == "environment AGENTOS_BUDGET"
    assert loaded.origins["budget.calls"] == "environment AGENTOS_BUDGET__CALLS"
    assert loaded.origins["sandbox"] == "default"


@pytest.mark.parametrize("overrides", [{"budget.usd": 3}, {"budget": {"usd": 3}}])
def test_the_command_line_gives_dotted_keys_or_groups(bare_world: Path, overrides: dict[str, Any]) -> None:
    loaded = load(bare_world / "repo", overrides=overrides)
    assert loaded.settings.budget.usd == 3
    assert loaded.origins["budget.usd"] == "command line"


def test_a_relative_path_in_a_file_is_relative_to_that_file(bare_world: Path) -> None:
    config = bare_world / "here" / "user.yaml"
    config.parent.mkdir()
    config.write_text("home: state\nmodels: {script: replies.yaml}\n", "utf-8")
    with environment({"AGENTOS_CONFIG": str(config)}):
        loaded = load(bare_world / "repo")
    assert loaded.settings.home == bare_world / "here" / "state"
    assert loaded.settings.models.script == str(bare_world / "here" / "replies.yaml")


def test_a_user_without_a_home_folder_needs_to_name_one_and_nothing_else(
    bare_world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(UsageError, match="no home folder: let AGENTOS_HOME name"):
        load(None)
    monkeypatch.setenv("AGENTOS_HOME", str(bare_world / "data"))
    assert load(None).settings.home == bare_world / "data"
