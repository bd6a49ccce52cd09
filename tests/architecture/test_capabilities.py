"""Each role of a model is given what the table of capabilities says, and no way to anything else (I13)."""

import ast
import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import pytest

from agentos.adapters.agent.native.tools import Tools
from agentos.adapters.registry import BACKENDS, backend
from agentos.config import models
from agentos.domain.capability import GRANTS, Port, Role, Tool
from agentos.ports.agent import AgentTask
from agentos.workflows.kit.context import Ports
from tests.architecture.tree import ROOT, modules, parsed

ACTING = {Port.TRACKER, Port.FORGE, Port.DEPLOYER, Port.NOTIFIER}
GIVES_TOOLS = {"bind_tools", "create_agent", "ToolNode", "create_react_agent"}


def _calls(module: Path) -> set[str]:
    return {
        ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)
    }


def _imports(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_every_role_has_a_grant_and_every_port_of_a_run_is_in_the_table() -> None:
    assert set(GRANTS) == set(Role)
    assert {models.DRAFTER, models.REVIEWER, models.IMPLEMENTER} == set(Role)
    assert {field.name for field in fields(Ports)} - {"clock"} == set(Port)


@pytest.mark.parametrize("role", Role)
def test_no_role_holds_a_port_that_acts_on_the_world(role: Role) -> None:
    assert GRANTS[role].ports & ACTING == frozenset()
    assert bool(GRANTS[role].tools) is (Port.SANDBOX in GRANTS[role].ports)


def test_only_the_implementer_has_tools_and_it_has_each_once() -> None:
    assert [role for role in Role if GRANTS[role].tools] == [Role.IMPLEMENTER]
    assert sorted(GRANTS[Role.IMPLEMENTER].tools) == sorted(Tool)


def test_the_implementer_is_given_just_the_tools_of_its_grant(tmp_path: Path) -> None:
    task = cast("Any", type("Session", (), {"task": type("Task", (), {"cwd": tmp_path, "scratch": tmp_path})()})())
    given = [tool.name for tool in Tools(session=task, sandbox=cast("Any", None)).all()]
    assert given == [*GRANTS[Role.IMPLEMENTER].tools]


@pytest.mark.parametrize("kind", sorted(BACKENDS["agent"]))
def test_no_agent_is_made_with_a_port_beyond_its_grant(kind: str) -> None:
    given = set(inspect.signature(backend("agent", kind)).parameters)
    assert given & (set(Port) - GRANTS[Role.IMPLEMENTER].ports) == set()
    assert {field.name for field in fields(AgentTask)} & set(Port) == set()


def test_where_models_act_by_themselves_nothing_that_acts_on_the_world_can_be_imported() -> None:
    forbidden = {f"agentos.ports.{port}" for port in ACTING} | {f"agentos.adapters.{port}" for port in ACTING}
    for module in [*modules("agentos/adapters/agent"), *modules("agentos/adapters/model")]:
        assert {name for name in _imports(module) if any(name.startswith(each) for each in forbidden)} == set(), module


def test_drafters_and_reviewers_are_given_no_tools_at_all() -> None:
    """Every way to give a model tools is used in the agent alone; whoever hands a call on, hands on what it was given."""
    hands_on = {ROOT / "agentos/prompting/passing_model.py"}
    places = {module for module in modules("agentos") if GIVES_TOOLS & _calls(module)} - hands_on
    assert {place.relative_to(ROOT).parts[:3] for place in places} == {("agentos", "adapters", "agent")}
