"""A disk that fills up under a run stops it with a sentence, and the same command goes on once there is room."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agentos.store.embedded_layout import layout_of
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


def test_a_full_disk_of_the_database_stops_an_answer_that_is_taken_once_there_is_room(
    plain_desk: Desk, disk: Disk
) -> None:
    root = layout_of(plain_desk.home).root
    root.mkdir(parents=True, exist_ok=True)
    disk(root, "512m")
    assert plain_desk.agentos("--issue", "1").code == 4
    full = root / "full"
    with suppress(OSError), full.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))

    stopped = plain_desk.agentos("approve", "1")
    told = stopped.out + stopped.err
    assert stopped.code in (*ENDS, 4), told
    assert "Traceback" not in told
    assert stopped.code == 4 or "No space left on device" in told, told

    full.unlink()
    again = plain_desk.agentos("approve", "1", "--json")
    assert again.code == 4, again.out + again.err
    assert again.result["wait"]["kind"] == "review"


def test_a_full_disk_of_the_checkout_stops_a_run_that_goes_on_once_there_is_room(desk: Desk, disk: Disk) -> None:
    kept = desk.target.with_name("kept")
    desk.target.rename(kept)
    desk.target.mkdir()
    disk(desk.target, ROOM)
    subprocess.run(["cp", "-a", f"{kept}/.", str(desk.target)], check=True)
    assert desk.agentos("--issue", "1").code == 4
    before = desk.code()
    with suppress(OSError), (desk.target / "full").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))

    stopped = desk.agentos("approve", "1")
    told = stopped.out + stopped.err
    assert stopped.code in ENDS, told
    assert "No space left on device" in told, told
    assert "Traceback" not in told
    assert desk.code("full") == before

    (desk.target / "full").unlink()
    again = desk.agentos(*(("retry", "1") if stopped.code == 3 else ("--issue", "1")), "--json")
    assert again.code == 4, again.out + again.err
    assert again.result["wait"]["kind"] == "review"
