from pathlib import Path

import pytest

from tests.workspace.scene import Person, Site, make_site, make_target


@pytest.fixture
def target(tmp_path: Path) -> Person:
    return make_target(tmp_path / "target")


@pytest.fixture
async def site(target: Person, tmp_path: Path) -> Site:
    return await make_site(target, tmp_path / "home")
