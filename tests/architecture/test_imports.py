import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT


def _python(code: str, *, folder: Path = ROOT) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_every_import_contract_is_kept() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = _python("import sys, agentos; print(*{name.split('.')[0] for name in sys.modules})").split()
    assert not set(loaded) & {"langgraph", "langchain", "langchain_core", "pydantic", "psycopg", "rich", "asyncio"}


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import agentos

    with pytest.raises(AttributeError, match="orchestra'"):
        agentos.orchestra  # noqa: B018 - the access is what is tested
