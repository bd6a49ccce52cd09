import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.workspace.snapshot import snapshot
from agentos.workspace.worktree import Worktree, open_worktree, prune
from tests.workspace.scene import WHEN, Site


def files(tree: Worktree) -> dict[str, bytes]:
    return {
        str(path.relative_to(tree.path)): path.read_bytes()
        for path in tree.path.rglob("*")
        if path.is_file() and path.name != ".git"
    }


async def reopened(site: Site) -> Worktree:
    return await open_worktree(site.repo, site.home, "7", "agentos/7-a-thing", site.base)


async def committed(site: Site, text: str, *, parent: str | None = None) -> str:
    (site.tree.path / "app.py").write_text(text)
    start = parent or site.base
    return await site.tree.commit(await snapshot(site.repo, site.tree.path, start), "change", parent=start, when=WHEN)


def in_sandbox(tree: Worktree, *args: str) -> str:
    """What an agent's own git would see in the tree."""
    return subprocess.run(["git", *args], cwd=tree.path, capture_output=True, check=True, text=True).stdout


async def test_a_new_worktree_holds_the_base_on_its_own_branch(site: Site) -> None:
    assert files(site.tree) == {"app.py": b"print('hello')\n", "docs/guide.md": b"guide\n"}
    assert site.tree.path.is_relative_to(site.home / "worktrees")
    assert await site.tree.head() == site.base
    assert in_sandbox(site.tree, "symbolic-ref", "HEAD").strip() == "refs/heads/agentos/7-a-thing"
    assert in_sandbox(site.tree, "status", "--porcelain") == ""


async def test_opening_again_finds_the_same_tree_with_unfinished_work(site: Site) -> None:
    (site.tree.path / "app.py").write_text("half done\n")
    assert await reopened(site) == site.tree
    assert files(site.tree)["app.py"] == b"half done\n"


async def test_two_issues_have_two_trees(site: Site) -> None:
    other = await open_worktree(site.repo, site.home, "8", "agentos/8-b", site.base)
    (other.path / "app.py").write_text("eight\n")
    assert files(site.tree)["app.py"] == b"print('hello')\n"
    await other.remove()
    assert await reopened(site) == site.tree


async def test_a_commit_moves_the_branch_and_the_agent_sees_a_clean_tree(site: Site) -> None:
    sha = await committed(site, "new\n")
    assert await site.tree.head() == sha
    assert await site.repo.read_file(sha, "app.py") == b"new\n"
    assert in_sandbox(site.tree, "status", "--porcelain") == ""


async def test_committing_the_same_again_gives_the_same_commit(site: Site) -> None:
    first = await committed(site, "new\n")
    assert await committed(site, "new\n") == first
    assert (await site.repo.git.run("rev-list", "--count", f"{site.base}..{site.tree.ref}")).text == "1"


async def test_committing_nothing_makes_no_commit(site: Site) -> None:
    shot = await snapshot(site.repo, site.tree.path, site.base)
    assert await site.tree.commit(shot, "nothing", parent=site.base, when=WHEN) == site.base


async def test_a_commit_on_a_branch_that_somebody_else_moved_is_refused(site: Site) -> None:
    await committed(site, "first\n")
    (site.tree.path / "app.py").write_text("second\n")
    shot = await snapshot(site.repo, site.tree.path, site.base)
    with pytest.raises(OutsideError) as refused:
        await site.tree.commit(shot, "second", parent=site.base, when=WHEN + timedelta(seconds=1))
    assert refused.value.kind is FailureKind.CONFLICT


async def test_restoring_puts_branch_files_and_index_back(site: Site) -> None:
    first = await committed(site, "first\n")
    await committed(site, "second\n", parent=first)
    (site.tree.path / "stray").mkdir()
    (site.tree.path / "docs" / "guide.md").unlink()

    await site.tree.restore(first)

    assert files(site.tree) == {"app.py": b"first\n", "docs/guide.md": b"guide\n"}
    assert await site.tree.head() == first
    assert in_sandbox(site.tree, "status", "--porcelain", "--ignored") == ""


async def test_a_tree_that_lost_its_folder_or_its_record_is_made_again(site: Site) -> None:
    sha = await committed(site, "kept\n")
    shutil.rmtree(site.tree.path)
    assert files(await reopened(site))["app.py"] == b"kept\n"
    shutil.rmtree(site.repo.path / "worktrees")
    assert files(await reopened(site))["app.py"] == b"kept\n"
    assert await site.tree.head() == sha
    assert [path.name for path in (site.repo.path / "worktrees").iterdir()] == ["7"]


async def test_a_tampered_git_file_is_written_anew_and_the_work_stays(site: Site) -> None:
    link = site.tree.path / ".git"
    good = link.read_bytes()
    (site.tree.path / "app.py").write_text("half done\n")

    def to_folder() -> None:
        link.mkdir()
        (link / "config").write_text("[core]\n\tfsmonitor = touch pwned\n")

    for tamper in (to_folder, lambda: link.symlink_to("/etc/passwd"), lambda: os.mkfifo(link), lambda: None):
        link.unlink()
        tamper()
        await reopened(site)
        assert link.read_bytes() == good
        assert not link.is_symlink()
    assert files(site.tree)["app.py"] == b"half done\n"
    assert {path.name for path in site.tree.path.iterdir()} == {".git", "app.py", "docs"}


async def test_another_branch_for_the_same_issue_replaces_the_tree_and_keeps_the_first_branch(site: Site) -> None:
    sha = await committed(site, "first\n")
    again = await open_worktree(site.repo, site.home, "7", "agentos/7-renamed", site.base)
    assert files(again)["app.py"] == b"print('hello')\n"
    assert await site.tree.head() == sha


async def test_removing_leaves_nothing_but_the_branch(site: Site) -> None:
    sha = await committed(site, "first\n")
    await site.tree.remove()
    await site.tree.remove()
    assert list(site.tree.path.parent.iterdir()) == []
    assert list((site.repo.path / "worktrees").glob("*")) == []
    assert await site.tree.head() == sha
    assert files(await reopened(site))["app.py"] == b"first\n"


@pytest.mark.slow
async def test_a_tree_too_deep_for_paths_or_without_rights_can_be_removed(site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("stays")
    (site.tree.path / "link").symlink_to(outside)
    locked = site.tree.path / "locked"
    locked.mkdir()
    (locked / "file").write_text("x")
    locked.chmod(0)
    # Deeper than a path may be long, and than Python may recurse.
    made = "import os\nfor _ in range(3000):\n os.mkdir('deep')\n os.chdir('deep')\nopen('end', 'w').close()"
    subprocess.run([sys.executable, "-c", made], cwd=site.tree.path, check=True)

    shot = await snapshot(site.repo, site.tree.path, site.base)
    await site.tree.remove()

    assert any("deeper than 64" in problem for problem in shot.problems)
    assert list(site.tree.path.parent.iterdir()) == []
    assert (outside / "precious").read_text() == "stays"


async def test_debris_of_killed_processes_is_swept_when_it_is_old_and_not_before(site: Site) -> None:
    trees = site.tree.path.parent
    debris = [trees / ".new-a" / "x", trees / ".trash-b" / "y", site.repo.path / ".new-c", site.repo.path / ".trash-d"]
    for folder in debris:
        folder.mkdir(parents=True)
    gone = await open_worktree(site.repo, site.home, "9", "agentos/9", site.base)
    shutil.rmtree(gone.path)
    before = sorted(trees.iterdir())

    await prune(site.repo, site.home)
    assert sorted(trees.iterdir()) == before

    for place in (*trees.iterdir(), *site.repo.path.glob(".*"), *site.repo.path.glob("worktrees/*/gitdir")):
        os.utime(place, (0, 0))
    await prune(site.repo, site.home)
    assert [path.name for path in trees.iterdir()] == ["7"]
    assert list(site.repo.path.glob(".*")) == []
    assert [path.name for path in (site.repo.path / "worktrees").iterdir()] == ["7"]
    assert await reopened(site) == site.tree


# Runs `restore` in children that SIGKILL themselves at their first, second, … touch of the file system or of a new
# process, and opens and restores again after each. Prints how many places there were.
KILLED_EVERYWHERE = """
import asyncio, os, signal, sys
from pathlib import Path
from agentos.workspace.repository import OwnedRepository
from agentos.workspace.worktree import open_worktree

home, target, base, sha = sys.argv[1:]
TOUCHES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "subprocess.Popen", "tempfile.mkdtemp"}

async def work():
    repo = await OwnedRepository.open(Path(home), Path(target), "host/owner/name")
    tree = await open_worktree(repo, Path(home), "7", "agentos/7-a-thing", base)
    await tree.restore(sha)
    return tree

def child(kill_at):
    seen = 0
    def watch(event, arguments):
        nonlocal seen
        if event in TOUCHES or (event == "open" and arguments[1] in ("w", "x", "a")):
            seen += 1
            if seen == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)
    asyncio.run(work())
    os._exit(0)

def outcome(kill_at):
    pid = os.fork()
    if pid == 0:
        child(kill_at)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

place = 1
while outcome(place) == -signal.SIGKILL:
    pid = os.fork()
    if pid == 0:
        tree = asyncio.run(work())
        found = {path.name: path.read_text() for path in tree.path.iterdir() if path.is_file() and path.name != ".git"}
        os._exit(0 if found == {"app.py": "committed\\n"} else 9)
    assert os.waitpid(pid, 0)[1] == 0, place
    place += 1
print(place - 1)
"""


@pytest.mark.slow
async def test_a_kill_at_any_moment_of_restoring_is_mended_by_opening_again(site: Site) -> None:
    sha = await committed(site, "committed\n")
    (site.tree.path / "stray").mkdir()
    command = [sys.executable, "-c", KILLED_EVERYWHERE, str(site.home), str(site.target.path), site.base, sha]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 15
    assert await site.tree.head() == sha
    assert in_sandbox(site.tree, "status", "--porcelain") == ""
