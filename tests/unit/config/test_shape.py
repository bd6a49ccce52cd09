"""The shape people write, the gates that follow, and the files that ship."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agentos.config.data import data_folder
from agentos.config.load import load
from agentos.config.models import price_table
from agentos.config.settings import MergeAuthority, Settings
from agentos.config.workflow import parse_workflow, render_template
from agentos.config.yaml_text import read_mapping
from agentos.domain.pipeline import ROWS, Gate, Stage
from agentos.ports.agent import AgentLimits
from tests.unit.config.test_precedence import environment

AS_WRITTEN = """
orchestrator:
  skip_existing_lld: true
  skip_existing_spec: true
  stages:
    lld:
      drafter: claude:opus-4.5
      reviewer: gemini:3-pro-preview
      max_revisions: 5
    spec:
      drafter: claude:opus-4.5
      reviewer: gemini:3-pro-preview
      max_revisions: 3
    implementation:
      implementer: claude:sonnet-4.5
      max_test_retries: 3
  gates:
    after_triage: false
    after_lld: true
    after_spec: false
    before_pr: true
"""


def test_the_promised_shape_is_accepted_as_written(bare_world: Path) -> None:
    loaded = load(bare_world / "repo", workflow_text=f"---{AS_WRITTEN}---\nBody.\n").settings
    stages = loaded.orchestrator.stages
    assert loaded.orchestrator.skip_existing_lld
    assert (stages.lld.drafter, stages.lld.reviewer) == ("anthropic:opus-4.5", "google_genai:3-pro-preview")
    assert (stages.spec.max_revisions, stages.implementation.max_test_retries) == (3, 3)
    assert stages.implementation.implementer == "anthropic:sonnet-4.5"
    assert loaded.gates_on() == {Gate.AFTER_LLD, Gate.BEFORE_PR}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("claude:x", "anthropic:x"),
        ("gemini:x", "google_genai:x"),
        ("anthropic:x", "anthropic:x"),
        ("openai:x", "openai:x"),
        ("ollama:qwen:7b", "ollama:qwen:7b"),
    ],
)
def test_provider_names_are_made_plain(written: str, meant: str) -> None:
    settings = Settings.model_validate(
        {
            "orchestrator": {"stages": {"triage": {"drafter": written}}},
            "models": {"prices": {written: {"input_usd": 1, "output_usd": 2}}},
        }
    )
    assert settings.orchestrator.stages.triage.drafter == meant
    assert list(settings.models.prices) == [meant]
    assert list(price_table(settings)) == [meant]


def _gates(profile: str, gates: dict[str, bool], authority: str = "dossier") -> frozenset[Gate]:
    return Settings.model_validate(
        {"profile": profile, "merge_authority": authority, "orchestrator": {"gates": gates}}
    ).gates_on()


@pytest.mark.parametrize(
    ("profile", "gates", "on"),
    [
        ("cli", {}, {Gate.BEFORE_PR}),
        ("service", {}, {Gate.BEFORE_MERGE}),
        ("cli", {"after_lld": True}, {Gate.AFTER_LLD, Gate.BEFORE_PR}),
        ("cli", {"before_pr": False}, {Gate.BEFORE_MERGE}),
        ("service", {"before_merge": False}, {Gate.BEFORE_PR}),
        ("cli", {"before_pr": False, "after_spec": True}, {Gate.AFTER_SPEC}),
        ("service", {"before_pr": True}, {Gate.BEFORE_PR, Gate.BEFORE_MERGE}),
    ],
)
def test_gates_follow_the_profile(profile: str, gates: dict[str, bool], on: set[Gate]) -> None:
    assert _gates(profile, gates) == on


def test_only_auto_merging_does_without_a_gate() -> None:
    assert _gates("cli", {"before_pr": False}, "auto") == frozenset()
    with pytest.raises(ValidationError, match="every gate is off"):
        _gates("cli", {"before_pr": False, "before_merge": False})


@pytest.mark.examples("config merge")
@given(
    st.sampled_from(["cli", "service"]),
    st.sampled_from(["none", "dossier", "on_approval"]),
    st.dictionaries(st.sampled_from([gate.value for gate in Gate]), st.booleans()),
)
def test_somebody_is_always_asked_and_no_explicit_word_is_overruled(
    profile: str, authority: str, gates: dict[str, bool]
) -> None:
    try:
        on = _gates(profile, gates, authority)
    except ValidationError:
        assert gates.get("before_pr") is False
        assert gates.get("before_merge") is False
        return
    assert on
    for name, wanted in gates.items():
        assert (Gate(name) in on) is wanted


def test_bounds_default_to_the_table_of_the_pipeline() -> None:
    settings = Settings()
    for stage, row in ROWS.items():
        for name, limit in row.limits:
            assert settings.limit(stage, name) == limit
    assert settings.limit(Stage.IMPL, "max_test_retries") == 3
    assert settings.agent.limits() == AgentLimits()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().sandbox = "external"  # type: ignore[misc]


def _written(path: str) -> dict[str, Any]:
    file = data_folder("configs") / path
    return read_mapping(file.read_text("utf-8"), where=path)


@pytest.mark.parametrize("path", ["default.yaml", "examples/two-providers.yaml", "examples/own-server.yaml"])
def test_the_files_that_ship_are_valid(bare_world: Path, path: str) -> None:
    with environment({"AGENTOS_CONFIG": str(data_folder("configs") / path)}):
        loaded = load(bare_world / "repo")
    assert any(origin.startswith("user config") for origin in loaded.origins.values())


def test_the_default_file_says_what_the_defaults_are(bare_world: Path) -> None:
    with environment({"AGENTOS_CONFIG": str(data_folder("configs") / "default.yaml")}):
        stated = load(bare_world / "repo").settings
    assert stated == load(bare_world / "repo").settings
    unsaid = {"database_url", "github_token", "github_private_key", "home", "until"}
    assert set(_written("default.yaml")) == set(Settings.model_fields) - unsaid


def test_the_workflow_template_is_valid_and_takes_commands(bare_world: Path) -> None:
    loaded = load(bare_world / "repo", workflow_text=render_template())
    assert loaded.settings.command_matrix() == ()
    assert "Intent" in loaded.workflow.body
    text = render_template(test="pytest -q --junitxml={junit}", setup="echo 'it''s: #1' \\1", folder="issues")
    settings = load(bare_world / "repo", workflow_text=text).settings
    assert {command.name: command.run for command in settings.command_matrix()} == {
        "setup": "echo 'it''s: #1' \\1",
        "test": "pytest -q --junitxml={junit}",
    }
    assert settings.tracker.folder == "issues"


@pytest.mark.parametrize(
    ("text", "front", "body"),
    [
        (None, {}, ""),
        ("", {}, ""),
        ("Just words.\n---\nmore", {}, "Just words.\n---\nmore"),
        ("---\nuntil: pr\n---\n\nBody\n---\nmore\n", {"until": "pr"}, "Body\n---\nmore"),
        ("\ufeff---\r\nuntil: pr\r\n---\r\nBody\r\n", {"until": "pr"}, "Body"),
        ("---\n---\nBody", {}, "Body"),
    ],
)
def test_a_workflow_is_front_matter_and_body(text: str | None, front: dict[str, Any], body: str) -> None:
    workflow = parse_workflow(text)
    assert (workflow.front, workflow.body) == (front, body)
    assert bool(workflow.digest) == (text is not None)


@pytest.mark.examples("front matter")
@given(st.text())
def test_a_text_without_front_matter_is_all_body(text: str) -> None:
    workflow = parse_workflow(f"x{text}")
    assert workflow.front == {}
    assert workflow.body.startswith("x")


@pytest.mark.parametrize(
    ("authority", "priority", "expected"),
    [
        ("auto", "", ("auto", 90)),
        ("auto", "normal", ("auto", 90)),
        ("auto", " High ", ("none", 100)),
        ("auto", "medium", ("on_approval", 100)),
        ("auto", "low", ("auto", 70)),
        ("on_approval", "low", ("on_approval", 70)),
        ("dossier", "medium", ("dossier", 100)),
        ("dossier", "high", ("none", 100)),
        ("none", "low", ("none", 70)),
    ],
)
def test_what_holds_for_a_priority_never_lets_more_happen_than_the_authority(
    authority: MergeAuthority, priority: str, expected: tuple[str, int]
) -> None:
    merge = {"by_priority": {"HIGH": "never", "medium": "ask", "low": 70}}
    rule = Settings.model_validate({"merge_authority": authority, "merge": merge}).merging(priority)
    assert (rule.authority, rule.confidence) == expected


def test_finalize_goes_back_as_often_as_the_base_may_move() -> None:
    settings = Settings.model_validate({"orchestrator": {"stages": {"finalize": {"max_merge_syncs": 5}}}})
    assert (settings.visits(Stage.FINALIZE), settings.visits(Stage.PR), settings.visits(Stage.LLD)) == (6, 3, 1)
