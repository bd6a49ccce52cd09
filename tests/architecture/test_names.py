import tomllib
from pathlib import Path

from tests.architecture.tree import ROOT, modules, name, tracked

NO_CONCEPT = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"}
TOP_FOLDERS = {".ci", "agentos", "configs", "docs", "prompts", "tests", "tools"}
TOOLS = {"orchestrate.py", "check.py", "bench.py"}


def _words(path: str) -> set[str]:
    parts = {part.removesuffix(".py") for part in Path(path).parts}
    return parts | {word for part in parts for word in part.split("_")}


def test_every_module_is_named_for_a_concept() -> None:
    names = [name(module) for module in modules("agentos", "tools", "tests")]
    assert [each for each in names if _words(each) & NO_CONCEPT] == []


def test_the_top_level_folders_are_the_agreed_ones() -> None:
    assert {path.split("/")[0] for path in tracked() if "/" in path} <= TOP_FOLDERS


def test_tools_is_a_closed_list() -> None:
    assert {path.removeprefix("tools/") for path in tracked() if path.startswith("tools/")} <= TOOLS


def test_the_lock_file_knows_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    ours = next(package for package in lock["package"] if package["name"] == project["name"])
    locked = {each["name"] for each in ours["metadata"]["requires-dist"]}
    declared = {each.split(">=")[0].split("[")[0] for each in project["dependencies"]}
    assert declared <= locked, "run `uv lock`"


def test_the_lock_file_names_the_public_package_index_only() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    indexes = {package["source"].get("registry", "https://pypi.org/simple") for package in lock["package"]}
    assert indexes == {"https://pypi.org/simple"}
