import ast
import re
from pathlib import Path
from typing import TypeGuard

from tests.architecture.tree import ROOT, modules, name, parsed, tracked

# Put together here so that this file does not find itself.
MACHINE_PATH = re.compile("/(?:" + "|".join(["root", "farm", "work", r"home/[a-z]+", r"Users/[A-Za-z]+"]) + ")/")
LATER = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error"]) + r")\b")
DATA = (".lock", ".png", ".gif", ".svg", ".cast")


def _imported(module: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _is_call_of(node: ast.AST, function: str) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == function


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type
    return caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))


def _forgets(handler: ast.ExceptHandler) -> bool:
    """Whether the handler does nothing but go on: `pass`, `...`, `continue`, `return`, `return None`."""
    for statement in handler.body:
        quiet_return = isinstance(statement, ast.Return) and (
            statement.value is None or (isinstance(statement.value, ast.Constant) and statement.value.value is None)
        )
        ellipsis = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not (isinstance(statement, ast.Pass | ast.Continue) or quiet_return or ellipsis):
            return False
    return True


def test_tests_use_fakes_that_passed_the_contract_and_no_mocks() -> None:
    mocking = {name(module): _imported(module) & {"mock", "unittest.mock"} for module in modules("tests")}
    assert {each: found for each, found in mocking.items() if found} == {}


def test_tests_do_not_sleep() -> None:
    calls = [(name(module), node) for module in modules("tests") for node in ast.walk(parsed(module))]
    sleeps = [f"{each}:{node.lineno}" for each, node in calls if _is_call_of(node, "time.sleep")]
    assert sleeps == []


def test_no_broad_except_forgets_what_happened() -> None:
    forgetful = [
        f"{name(module)}:{node.lineno}"
        for module in modules("agentos", "tools", "tests")
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and _forgets(node)
    ]
    assert forgetful == []


def test_nothing_is_left_for_later() -> None:
    texts = {name(module): module.read_text(encoding="utf-8") for module in modules("agentos", "tools")}
    assert {each: found for each, text in texts.items() if (found := LATER.findall(text))} == {}


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    texts = {
        path: (ROOT / path).read_text(encoding="utf-8", errors="ignore")
        for path in tracked()
        if not path.endswith(DATA)
    }
    assert {path: found for path, text in texts.items() if (found := MACHINE_PATH.findall(text))} == {}
