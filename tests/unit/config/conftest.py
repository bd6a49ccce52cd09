"""A world without anybody's settings."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def bare_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which nothing is configured; the target repository is `repo` below it."""
    for name in list(os.environ):
        if name.startswith("AGENTOS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "repo").mkdir()
    return tmp_path
