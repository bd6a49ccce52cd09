"""A target repository may tighten what belongs to the operator, and never loosen it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentos.config.load import load
from agentos.config.settings import AUTHORITIES, Settings
from agentos.domain.error import UsageError
from tests.figures import share
from tests.unit.config.test_precedence import environment

LOOSENINGS = [
    ("sandbox", "sandbox: external", ""),
    ("sandbox", "sandbox: process", "sandbox: bubblewrap"),
    ("profile", "profile: service", ""),
    ("database_url", "database_url: postgresql://elsewhere/x", ""),
    ("home", "home: /tmp/elsewhere", ""),
    ("models.script", "models: {script: replies.yaml}", ""),
    ("models.base_url", "models: {base_url: {openai: 'http://evil.example'}}", ""),
    ("models.prices", "models: {prices: {'openai:x': {input_usd: 0, output_usd: 0}}}", ""),
    ("models.fallback", "models: {fallback: {'openai:x': 'openai:dear'}}", ""),
    ("github_token", "github_token: ghp_mine", ""),
    ("github.api_url", "github: {api_url: 'https://evil.example/api/v3'}", ""),
    ("commands.setup", "commands: {setup: {run: uv sync, network: true}}", ""),
    ("commands.test", "commands: {test: {run: pytest, network: true}}", "commands: {setup: {network: true}}"),
    ("commands.setup", "commands: {setup: {run: uv sync, network: [pypi.org]}}", ""),
    (
        "evil.example",
        "commands: {setup: {network: [pypi.org, evil.example]}}",
        "commands: {setup: {network: [pypi.org]}}",
    ),
    ("commands.setup", "commands: {setup: {network: true}}", "commands: {setup: {network: [pypi.org]}}"),
    ("sandbox_readable", "sandbox_readable: [/root]", ""),
    ("command_limits", "command_limits: {memory_bytes: 99999999999}", ""),
    ("trust.people", "trust: {people: [mallory]}", ""),
    ("trust.people", "trust: {people: [ann, mallory]}", "trust: {people: [ann, ben]}"),
    ("merge_authority", "merge_authority: auto", ""),
    ("merge_authority", "merge_authority: auto", "merge_authority: on_approval"),
    ("merge_authority", "merge_authority: on_approval", "merge_authority: none"),
    ("merge.confidence", "merge: {confidence: 80}", ""),
    ("merge.confidence", "merge: {confidence: 94}", "merge: {confidence: 95}"),
    ("merge.by_priority.low", "merge: {by_priority: {low: 80}}", ""),
    ("merge.by_priority.high", "merge: {by_priority: {high: 95}}", "merge: {by_priority: {High: ask}}"),
    ("merge.by_priority.high", "merge: {by_priority: {high: ask}}", "merge: {by_priority: {high: never}}"),
    ("merge.by_priority.low", "merge: {by_priority: {low: 84}}", "merge: {by_priority: {low: 85}}"),
    ("scope.types", "scope: {types: [documentation, code]}", ""),
    ("scope.types", "scope: {types: [documentation, workflow]}", "scope: {types: [documentation]}"),
    ("scope.protected", "scope: {protected: [docs/**]}", "scope: {protected: [src/**]}"),
    ("scope.protected", "scope: {protected: []}", "scope: {protected: [src/**]}"),
    ("budget.usd", "budget: {usd: 6}", "budget: {usd: 5}"),
    ("budget.usd", "budget: {usd: null}", "budget: {usd: 5}"),
    ("budget.tokens", "budget: {tokens: 11}", "budget: {tokens: 10}"),
    ("budget.calls", "budget: {calls: 11}", "budget: {calls: 10}"),
    ("budget.wall_s", "budget: {wall_s: 11}", "budget: {wall_s: 10}"),
    ("budget.day.usd", "budget: {day: {usd: 6}}", "budget: {day: {usd: 5}}"),
    ("budget.stage.tokens", "budget: {stage: {tokens: none}}", "budget: {stage: {tokens: 5}}"),
    ("budget.call.usd", "budget: {call: {usd: 6}}", "budget: {call: {usd: 5}}"),
]
TIGHTENINGS: list[tuple[str, str, dict[str, Any]]] = [
    ("budget: {usd: 4}", "budget: {usd: 5}", {}),
    ("budget: {usd: 4, calls: 3}", "", {}),
    ("budget: {usd: 6}", "budget: {usd: 5}", {"budget.usd": 2}),
    ("trust: {people: [ann]}", "trust: {people: [ann, ben]}", {}),
    ("trust: {people: []}", "trust: {people: [ann, ben]}", {}),
    ("merge_authority: none", "merge_authority: auto", {}),
    ("merge_authority: on_approval", "", {}),
    ("merge: {confidence: 95, by_priority: {high: never, low: ask}}", "merge_authority: auto", {}),
    ("merge: {by_priority: {low: 86}}", "merge: {by_priority: {low: 85}}", {}),
    ("merge: {by_priority: {low: 90}}", "merge: {by_priority: {high: 10}}", {}),
    ("commands: {setup: {run: uv sync, network: false}}", "commands: {setup: {network: true}}", {}),
    ("commands: {setup: uv sync}", "commands: {setup: {network: true}}", {}),
    ("commands: {setup: {network: [pypi.org]}}", "commands: {setup: {network: true}}", {}),
    (
        "commands: {setup: {network: [pypi.org]}}",
        "commands: {setup: {network: [pypi.org, files.pythonhosted.org]}}",
        {},
    ),
    ("orchestrator: {gates: {after_lld: true}}", "", {}),
    ("until: pr", "", {}),
    ("scope: {types: [documentation], paths: [docs/**]}", "", {}),
    ("scope: {types: [code]}", "scope: {types: [documentation, code]}", {}),
    ("scope: {types: []}", "scope: {paths: [src/**]}", {}),
    ("scope: {protected: [docs/**]}", "", {}),
    ("scope: {protected: [docs/**, src/**]}", "scope: {protected: [src/**]}", {}),
]


def _load(folder: Path, front: str, user: str, overrides: dict[str, Any] | None = None) -> None:
    config = folder / "user.yaml"
    config.write_text(user, "utf-8")
    with environment({"AGENTOS_CONFIG": str(config)}):
        load(folder / "repo", overrides=overrides or {}, workflow_text=f"---\n{front}\n---\n")


@pytest.mark.parametrize(("key", "front", "user"), LOOSENINGS)
def test_a_repository_loosens_nothing(bare_world: Path, key: str, front: str, user: str) -> None:
    with pytest.raises(
        UsageError, match=r"(?s)WORKFLOW\.md may .*belongs to the operator.*user configuration"
    ) as caught:
        _load(bare_world, front, user)
    assert key in str(caught.value)


@pytest.mark.parametrize(("front", "user", "overrides"), TIGHTENINGS)
def test_a_repository_may_tighten(bare_world: Path, front: str, user: str, overrides: dict[str, Any]) -> None:
    _load(bare_world, front, user, overrides)


@pytest.mark.parametrize(
    ("name", "value", "front"),
    [
        ("AGENTOS_MERGE_AUTHORITY", "auto", "merge_authority: auto"),
        ("AGENTOS_COMMANDS__SETUP__NETWORK", "true", "commands: {setup: {run: x, network: true}}"),
        ("AGENTOS_BUDGET__USD", "9", "budget: {usd: 8}"),
    ],
)
def test_what_the_operator_gave_by_the_environment_may_be_used(
    bare_world: Path, name: str, value: str, front: str
) -> None:
    with environment({name: value}):
        _load(bare_world, front, "")


@pytest.mark.parametrize("place", ["repo", "repo/deeper/state"])
def test_data_is_never_kept_inside_the_target_repository(bare_world: Path, place: str) -> None:
    with pytest.raises(UsageError, match="set AGENTOS_HOME"), environment({"AGENTOS_HOME": str(bare_world / place)}):
        load(bare_world / "repo")


def test_a_link_into_the_target_repository_is_seen_through(bare_world: Path) -> None:
    (bare_world / "link").symlink_to(bare_world / "repo")
    with (
        pytest.raises(UsageError, match="inside the repository"),
        environment({"AGENTOS_HOME": str(bare_world / "link")}),
    ):
        load(bare_world / "repo")


_AMOUNTS = {name: st.none() | st.integers(1, 9) for name in ("usd", "tokens", "calls")}
_CEILINGS = st.fixed_dictionaries({}, optional={**_AMOUNTS, "day": st.fixed_dictionaries({}, optional=_AMOUNTS)})
_PRIORITIES = st.dictionaries(
    st.sampled_from(["high", "High", "low"]), st.sampled_from(["ask", "never"]) | st.integers(80, 95), max_size=2
)
_JUDGED = st.fixed_dictionaries(
    {},
    optional={
        "budget": _CEILINGS,
        "trust": st.fixed_dictionaries({"people": st.lists(st.sampled_from(["ann", "ben", "mallory"]), max_size=3)}),
        "merge_authority": st.sampled_from(AUTHORITIES),
        "merge": st.fixed_dictionaries({}, optional={"confidence": st.integers(80, 95), "by_priority": _PRIORITIES}),
        "commands": st.fixed_dictionaries(
            {}, optional={name: st.fixed_dictionaries({"network": st.booleans()}) for name in ("setup", "test")}
        ),
    },
)


@pytest.mark.examples("config merge")
@settings(share(2), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operator=_JUDGED, repository=_JUDGED)
def test_whatever_both_write_the_operators_bounds_hold_or_it_is_refused(
    bare_world: Path, operator: dict[str, Any], repository: dict[str, Any]
) -> None:
    config = bare_world / "user.yaml"
    config.write_text(json.dumps(operator), "utf-8")
    held = Settings.model_validate(operator)
    with environment({"AGENTOS_CONFIG": str(config)}):
        try:
            together = load(bare_world / "repo", workflow_text=f"---\n{json.dumps(repository)}\n---\n").settings
        except UsageError as exc:
            refused = str(exc)
            assert "WORKFLOW.md may" in refused
            return
    for part, wanted_part in ((held.budget, together.budget), (held.budget.day, together.budget.day)):
        for name in _AMOUNTS:
            ceiling, wanted = getattr(part, name), getattr(wanted_part, name)
            assert ceiling is None or (wanted is not None and wanted <= ceiling)
    assert set(together.trust.people) <= set(held.trust.people)
    if "merge_authority" in held.model_fields_set:
        for priority in ("high", "low", ""):
            assert together.merging(priority).strictness >= held.merging(priority).strictness
    assert {name for name, command in together.commands.items() if command.network} <= {
        name for name, command in held.commands.items() if command.network
    }
    looser = AUTHORITIES.index(together.merge_authority) > AUTHORITIES.index(held.merge_authority)
    assert not looser or ("merge_authority" not in operator and together.merge_authority != "auto")
