"""What tests of the service on GitHub stand on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.github.server import Server, serving
from tests.github.service import Yard, make_hub, make_yard


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A GitHub with the toy repository."""
    with serving(make_hub(tmp_path)) as made:
        yield made


@pytest.fixture
def yard(server: Server, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A machine with a clone of it, on which the service is to run."""
    return make_yard(server, tmp_path, database_url, monkeypatch)
