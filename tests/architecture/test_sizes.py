import ast
import warnings

import pytest

from tests.architecture.tree import modules, name, parsed

WALL_LINES, AIM_LINES = 400, 300
FUNCTION_WALL_LINES = 60


def _lines() -> dict[str, int]:
    return {
        name(module): len(module.read_text(encoding="utf-8").splitlines()) for module in modules("agentos", "tools")
    }


def _function_lines() -> dict[str, int]:
    return {
        f"{name(module)}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for module in modules("agentos", "tools")
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_no_module_passes_the_wall() -> None:
    too_long = {each: lines for each, lines in _lines().items() if lines > WALL_LINES}
    assert too_long == {}, "which second concept lives in it?"


def test_no_function_passes_the_wall() -> None:
    assert {each: lines for each, lines in _function_lines().items() if lines > FUNCTION_WALL_LINES} == {}


@pytest.mark.filterwarnings("default")
def test_modules_near_the_wall_are_named_in_a_warning() -> None:
    near = {each: lines for each, lines in _lines().items() if AIM_LINES < lines <= WALL_LINES}
    if near:
        warnings.warn(f"over {AIM_LINES} lines: {near}", stacklevel=1)
