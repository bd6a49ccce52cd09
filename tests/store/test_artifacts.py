import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agentos.domain.artifact import ArtifactKind
from agentos.domain.error import BugError, OutsideError
from agentos.domain.issue import IssueRef
from agentos.store import Store
from agentos.store.artifacts import INDEX
from agentos.store.fence import Fence

ISSUE = IssueRef("example.org/a/b", 7)
PUT = """
import asyncio, sys
from pathlib import Path
from agentos.domain.artifact import ArtifactKind
from agentos.domain.issue import IssueRef
from agentos.store import Store
from agentos.store.database import open_database
from agentos.store.fence import Fence

async def main():
    home = Path(sys.argv[2])
    async with open_database(home, sys.argv[1]) as db:
        issue = IssueRef("example.org/a/b", 7)
        await Store.on(db, home).artifacts.put(Fence(1, 1), issue, 1, ArtifactKind.LLD, b"new" * 10**6, suffix=".md")

asyncio.run(main())
"""


@pytest.fixture
async def fence(store: Store) -> Fence:
    return await owner(store)


async def owner(store: Store) -> Fence:
    run = await store.runs.create(ISSUE, target="t", profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="me", lease_s=60)
    assert fence is not None
    return fence


async def test_a_document_is_in_the_database_and_in_a_file_people_find(
    store: Store, fence: Fence, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 1000
    ref = await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.BUNDLE, content, suffix=".bundle", name="work")
    assert ref.path.startswith("runs/example.org_a_b-")
    assert ref.path.endswith("/7/1/work.bundle")
    assert (tmp_path / "home" / ref.path).read_bytes() == content
    assert await store.artifacts.get(ref.sha256) == content
    assert ref.size_bytes == len(content)
    assert await store.artifacts.of_run(fence.run_id) == (ref,)


async def test_putting_again_changes_nothing_and_mends_a_lost_file(store: Store, fence: Fence, tmp_path: Path) -> None:
    ref = await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LLD, b"x", suffix=".md")
    (tmp_path / "home" / ref.path).unlink()
    assert await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LLD, b"x", suffix=".md") == ref
    assert await store.artifacts.of_run(fence.run_id) == (ref,)
    assert (tmp_path / "home" / ref.path).read_bytes() == b"x"


async def test_a_text_that_returns_is_the_newest_again(store: Store, fence: Fence, tmp_path: Path) -> None:
    a = await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LLD, b"a", suffix=".md")
    b = await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LLD, b"b", suffix=".md")
    assert await store.artifacts.of_run(fence.run_id) == (a, b)
    await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LLD, b"a", suffix=".md")
    assert await store.artifacts.of_run(fence.run_id) == (b, a)
    assert await store.artifacts.latest(ISSUE, ArtifactKind.LLD) == a
    assert await store.artifacts.get(b.sha256) == b"b"
    assert (tmp_path / "home" / a.path).read_bytes() == b"a"


async def test_the_newest_document_is_found_over_all_runs_of_the_issue(store: Store, fence: Fence) -> None:
    await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LLD, b"first", suffix=".md")
    await store.db.count("UPDATE runs SET job = 'failed'")
    second = await owner(store)
    newest = await store.artifacts.put(second, ISSUE, 2, ArtifactKind.LLD, b"second", suffix=".md")
    assert await store.artifacts.latest(ISSUE, ArtifactKind.LLD) == newest
    assert await store.artifacts.latest(ISSUE, ArtifactKind.SPEC) is None
    assert await store.artifacts.latest(IssueRef(ISSUE.repo, 8), ArtifactKind.LLD) is None


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "a/b", "a\x00b", "x" * 300, "ü\n"])
async def test_no_name_leaves_the_runs_folder(store: Store, fence: Fence, tmp_path: Path, name: str) -> None:
    if "\x00" in name:
        with pytest.raises(BugError, match="NUL"):
            await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LOG, b"x", suffix=".txt", name=name)
        return
    ref = await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LOG, b"x", suffix=".txt", name=name)
    folder = tmp_path / "home" / "runs"
    (file,) = [path for path in folder.rglob("*") if path.is_file() and path.name != INDEX]
    assert file == (tmp_path / "home" / ref.path).resolve()
    assert file.parent.parent.parent.parent == folder
    assert file.suffix == ".txt"
    with pytest.raises(BugError, match="no file suffix"):
        await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LOG, b"x", suffix="/../x")


@pytest.mark.parametrize("point", ["artifact:before_rename", "artifact:before_commit"])
async def test_a_kill_leaves_a_whole_file_and_the_next_try_completes_it(
    store: Store, fence: Fence, database_url: str, tmp_path: Path, point: str
) -> None:
    home = tmp_path / "home"
    old = await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LLD, b"old", suffix=".md")

    def put(crash_at: str) -> int:
        environment = {**os.environ, "AGENTOS_CRASH_AT": crash_at}
        return subprocess.run([sys.executable, "-c", PUT, database_url, str(home)], env=environment).returncode

    assert put(point) == -signal.SIGKILL
    assert (home / old.path).read_bytes() in (b"old", b"new" * 10**6)
    assert await store.artifacts.of_run(fence.run_id) == (old,)
    assert put("") == 0
    assert (home / old.path).read_bytes() == b"new" * 10**6
    assert len(await store.artifacts.of_run(fence.run_id)) == 2


async def test_a_file_that_cannot_be_written_stores_nothing_and_says_why(
    store: Store, fence: Fence, tmp_path: Path
) -> None:
    (tmp_path / "home" / "runs").write_text("in the way")
    with pytest.raises(OutsideError, match="cannot be written"):
        await store.artifacts.put(fence, ISSUE, 1, ArtifactKind.LLD, b"x", suffix=".md")
    assert await store.artifacts.of_run(fence.run_id) == ()


async def test_a_digest_nobody_put_is_our_bug(store: Store) -> None:
    with pytest.raises(BugError, match="no artifact has the digest abc"):
        await store.artifacts.get("abc")
