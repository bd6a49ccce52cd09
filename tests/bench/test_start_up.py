"""Looking stays quick because nothing heavy is imported for it. No clock is read here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentos.domain.issue import IssueRef
from agentos.store import Store
from tests.crash.toy import make_target

ROOT = Path(__file__).parents[2]
HEAVY = ("langgraph", "langchain", "langchain_core", "langsmith", "openai", "anthropic", "google.genai", "httpx")
CALL = f"""
import json, sys
from agentos.cli.main import main

try:
    code = main(sys.argv[1:])
except SystemExit as left:
    code = left.code
print(json.dumps([code, [name for name in {HEAVY} if name in sys.modules], "psycopg" in sys.modules]), file=sys.stderr)
"""


@pytest.fixture
async def environment(store: Store, database_url: str, tmp_path: Path) -> dict[str, str]:
    """A person's environment, with a repository in `target` and one run of its issue in the database."""
    target = make_target(tmp_path / "target")
    (tmp_path / "config.yaml").write_text("{}\n", "utf-8")
    await store.runs.create(IssueRef("example.org/ann/toy", 1), target=str(target), profile="cli", options={})
    return {
        **os.environ,
        "AGENTOS_HOME": str(tmp_path / "home"),
        "AGENTOS_CONFIG": str(tmp_path / "config.yaml"),
        "AGENTOS_DATABASE_URL": database_url,
        "AGENTOS_MODELS__SCRIPT": "http://127.0.0.1:9/replies",
    }


@pytest.mark.parametrize(
    ("words", "asks_database"),
    [("--help", False), ("run --help", False), ("status", True), ("show 1", True), ("run --issue 1 --dry-run", True)],
)
async def test_looking_imports_no_langgraph_and_no_provider(
    environment: dict[str, str], tmp_path: Path, words: str, asks_database: bool
) -> None:
    place = [] if "--help" in words else ["--repo", str(tmp_path / "target")]
    command = [sys.executable, "-c", CALL, *words.split(), *place]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stderr.splitlines()[-1]) == [0, [], asks_database], done.stdout + done.stderr


def test_the_engine_brings_no_types_of_langsmith_and_who_names_one_gets_it() -> None:
    lines = (
        "import sys",
        "from agentos.runs.engine import load_engine",
        "load_engine()",
        "brought = [name for name in sys.modules if name.startswith('langsmith.types.')]",
        "assert len(brought) <= 1 and 'langsmith.client' in sys.modules, brought",
        "import langsmith.types",
        "from langsmith.types import Dataset",
        "assert langsmith.types.Run.__module__ == 'langsmith.types.run'",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
