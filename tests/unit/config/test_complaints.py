"""Whatever is wrong with a configuration is said in a sentence with the key and the place."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentos.config.load import load
from agentos.config.workflow import parse_workflow
from agentos.config.yaml_text import read_mapping
from agentos.domain.error import UsageError
from tests.figures import share
from tests.unit.config.test_precedence import environment

WRONG = [
    ("bugdet: {usd: 3}", "WORKFLOW.md: bugdet is no setting. Did you mean budget?"),
    ("budget: {used: 3}", "WORKFLOW.md: budget.used is no setting. Did you mean budget.usd?"),
    (
        "orchestrator: {stages: {impl: {max_test_retries: 2}}}",
        "WORKFLOW.md: orchestrator.stages.impl is no setting. Did you mean orchestrator.stages.implementation?",
    ),
    ("agent: {xyz: 3}", "WORKFLOW.md: agent.xyz is no setting. Known here: command_s, idle_s, kind, steps, wall_s."),
    ("deploy: {run: x, helth: y}", "WORKFLOW.md: deploy.helth is no setting. Did you mean deploy.health?"),
    ("commands: {test: {rum: x}}", "WORKFLOW.md: commands.test.rum is no setting. Did you mean commands.test.run?"),
    ("agent: {steps: many}", "WORKFLOW.md: agent.steps is 'many', it should be a valid integer"),
    ("agent: {steps: 0}", "WORKFLOW.md: agent.steps is 0, it should be greater than or equal to 1"),
    ("until: never", "WORKFLOW.md: until is 'never', it should be 'triage', 'lld'"),
    ("tracker: {folder: ../else}", "it should be a folder inside the repository"),
    ("tracker: {folder: /etc}", "it should be a folder inside the repository"),
    ("commands: {Test It: x}", "commands.Test It"),
    ("orchestrator: {stages: {lld: {drafter: opus}}}", "should be provider:model, for example"),
    ("deploy: {health: x}", "deploy needs run, the command that deploys"),
    ("scope: {paths: src}", "WORKFLOW.md: scope.paths is 'src', it should be a valid tuple"),
    ("scope: {paths: ['!']}", "it should be a glob as in .gitignore, for example src/**"),
    ("scope: {types: [bugs]}", "scope.types"),
    ("intake: {required: [luck]}", "intake.required"),
    ("agent: 3", "WORKFLOW.md: agent"),
    ("budget: {usd: .nan}", "budget.usd"),
    ("orchestrator: {gates: {before_pr: false, before_merge: false}}", "every gate is off"),
    ("agent:\n  steps: 1\n  steps: 2", 'WORKFLOW.md, line 4: the YAML cannot be read: found duplicate key "steps".'),
    ("agent: {steps: 1", "WORKFLOW.md, line"),
    ("a: &x 1\nb: *x", "WORKFLOW.md, line 3: aliases (*x) are not read; write the value out."),
    ("1: x", "the key 1 should be a word"),
    ("- a\n- b", "WORKFLOW.md should be a list of settings"),
    ("a: !!python/object:os.system x", "WORKFLOW.md"),
]


@pytest.mark.parametrize(("front", "sentence"), WRONG)
def test_a_wrong_setting_is_named_with_its_place(bare_world: Path, front: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(bare_world / "repo", workflow_text=f"---\n{front}\n---\n")
    assert sentence in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_every_problem_is_told_at_once(bare_world: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load(bare_world / "repo", overrides={"agent.steps": "x"}, workflow_text="---\nbugdet: 1\nuntil: x\n---\n")
    assert len(str(caught.value).splitlines()) == 3
    assert "command line: agent.steps" in str(caught.value)


def test_the_user_configuration_is_named_by_its_path(bare_world: Path) -> None:
    config = bare_world / "mine.yaml"
    config.write_text("sandbocks: auto\n", "utf-8")
    with (
        pytest.raises(UsageError, match=r"mine\.yaml: sandbocks is no setting"),
        environment({"AGENTOS_CONFIG": str(config)}),
    ):
        load(bare_world / "repo")


def test_a_user_configuration_that_is_not_there_is_said(bare_world: Path) -> None:
    with pytest.raises(UsageError, match="no such file"), environment({"AGENTOS_CONFIG": str(bare_world / "none")}):
        load(bare_world / "repo")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("AGENTOS_SANDBX", "external", "AGENTOS_SANDBX is no setting. Did you mean AGENTOS_SANDBOX?"),
        ("AGENTOS_AGENT__STEPZ", "3", "environment AGENTOS_AGENT__STEPZ: agent.stepz is no setting"),
        ("AGENTOS_AGENT__STEPS", "x", "environment AGENTOS_AGENT__STEPS: agent.steps is 'x', it should be"),
        ("AGENTOS_TRUST__PEOPLE", "ann", "should be JSON in the environment"),
        ("AGENTOS_AGENT", "{", "should be JSON in the environment"),
    ],
)
def test_a_wrong_variable_is_named(bare_world: Path, name: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught, environment({name: value}):
        load(bare_world / "repo")
    assert sentence in str(caught.value)


def test_somebody_elses_variable_is_left_alone(bare_world: Path) -> None:
    with environment({"AGENTOS_WORLD_OF_FOO": "1"}):
        load(bare_world / "repo")


def test_a_secret_is_in_no_sentence(bare_world: Path) -> None:
    with environment({"AGENTOS_DATABASE_URL": "postgresql://u:hunter2@h/d"}):
        assert "hunter2" not in repr(load(bare_world / "repo"))
    with pytest.raises(UsageError) as caught:
        load(bare_world / "repo", overrides={"database_url": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


_YAMLISH = st.lists(
    st.one_of(
        st.text(max_size=20),
        st.sampled_from(
            ["---\n", "agent", ": ", "\n  ", "{", "[", "]", "}", "&a ", "*a", "!!set ", "budget: {usd: 1}\n"]
        ),
    ),
    max_size=15,
).map("".join)


@pytest.mark.examples("settings as YAML")
@settings(share(3), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=_YAMLISH)
@example(text="---\n" + "[" * 5000)
@example(text="---\n---\n")
@example(text="---\na: \x00\n---\n")
def test_any_workflow_text_is_read_or_refused_with_a_sentence(bare_world: Path, text: str) -> None:
    with suppress(UsageError):
        load(bare_world / "repo", workflow_text=text)


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(UsageError, match="larger than 256 KiB"):
        read_mapping("a: 1\n" + "#" * 300_000, where="x")
    with pytest.raises(UsageError, match="larger than 256 KiB"):
        parse_workflow("#" * 300_000)


def test_an_open_front_matter_is_refused() -> None:
    with pytest.raises(UsageError, match="never closed"):
        parse_workflow("---\nagent: {steps: 1}\n")
