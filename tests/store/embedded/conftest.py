"""Homes, new and old, of ourselves and of an ordinary user."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentos.store.embedded import connect_embedded
from agentos.store.embedded_layout import layout_of
from tests.conftest import no_trace_of
from tests.store.embedded.processes import Ordinary, gone, nothing_left_of, python_for


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home that was never used."""
    layout = layout_of(tmp_path / "home")
    with no_trace_of(tmp_path / "home"), nothing_left_of(layout.data):
        yield tmp_path / "home"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder as the first start leaves it."""
    made = tmp_path_factory.mktemp("made")
    layout = layout_of(made)
    with no_trace_of(made), nothing_left_of(layout.data):
        connect_embedded(made).close()
        gone(layout.data)
        yield layout.data


@pytest.fixture
def old_home(home: Path, cluster: Path) -> Path:
    """A home whose database was made before, where the first start is not the claim."""
    layout = layout_of(home)
    layout.prepare()
    subprocess.run(["cp", "-a", cluster, layout.data], check=True)
    return home


@pytest.fixture
def ordinary() -> Iterator[Ordinary]:
    account = "nobody" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="an ordinary ü ", dir="/tmp"))
    if account:
        shutil.chown(folder, account)
    try:
        with nothing_left_of(folder / "home"):
            yield Ordinary(folder / "home", account, python_for(account))
    finally:
        shutil.rmtree(folder)
