"""A disk that fills up under a run stops it with a sentence, and the same command goes on once there is room."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
PAGES = [4, 12, 24, 36, 48]
"""Sizes of the file system, in pages: each fills up at another write of the same run."""
SAMPLE = frozenset({12, 48})
ROOM = "64m"
ENDS = (1, 3, 5)
"""Failed before anything began, blocked, or parked until there is room."""

Disk = Callable[[Path, str], None]


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Gives a folder a small file system of its own, or that one another size."""
    mounted: list[Path] = []

    def size(folder: Path, room: str) -> None:
        how = ["-o", f"remount,size={room}"] if folder in mounted else ["-t", "tmpfs", "-o", f"size={room}", "tmpfs"]
        if subprocess.run(["mount", *how, str(folder)], capture_output=True, check=False).returncode:
            pytest.skip("mounting is not permitted here")
        mounted[:] = [folder]

    yield size
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def cells() -> list[object]:
    """One cell a size."""
    return [pytest.param(n, id=f"{n}", marks=() if n in SAMPLE else pytest.mark.full) for n in PAGES]


@pytest.mark.parametrize("pages", cells())
def test_a_full_data_folder_stops_a_run_that_goes_on_once_there_is_room(desk: Desk, disk: Disk, pages: int) -> None:
    before, refs = desk.code(), desk.git("for-each-ref")
    desk.home.mkdir(exist_ok=True)
    disk(desk.home, f"{pages * 4}k")

    stopped = desk.agentos("--issue", "1")
    assert stopped.code in ENDS, stopped.err
    told = stopped.out + stopped.err
    assert "No space left on device" in told, told
    assert "Traceback" not in told
    assert desk.code() == before
    assert desk.git("for-each-ref") == refs

    disk(desk.home, ROOM)
    again = desk.agentos(*(("retry", "1") if stopped.code == 3 else ("--issue", "1")), "--json")
    assert again.code == 4, again.out + again.err
    assert again.result["wait"]["gate"] == "before_pr"
