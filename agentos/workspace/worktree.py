"""One worktree and branch per issue: made whole, found again after a crash, put back to a commit, removed.

git writes into a tree only while it is new and nobody else knows its path; it then moves into place by one rename. After
that no git process of ours looks into it again: an agent writes there.
"""

import asyncio
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentos.domain.naming import safe_name
from agentos.workspace.folders import TRASH, discard, empty_trash
from agentos.workspace.git import TIMEOUT_S
from agentos.workspace.repository import OwnedRepository
from agentos.workspace.snapshot import Snapshot, snapshot

_NEW = ".new-"
_DEBRIS_AGE_S = 2 * TIMEOUT_S
"""No git command of ours lives longer than TIMEOUT_S, so nothing this old is still being made."""


@dataclass(frozen=True, slots=True)
class Worktree:
    """An issue's files on its branch. `path/.git` is for reading git commands inside the agent's sandbox, which must
    hold it read-only; `base_sha` is the commit that the branch was started from.
    """

    repository: OwnedRepository
    path: Path
    branch: str
    base_sha: str

    @property
    def ref(self) -> str:
        """The full name of the branch."""
        return f"refs/heads/{self.branch}"

    async def head(self) -> str:
        """The commit the branch is at."""
        return (await self.repository.git.run("rev-parse", "--verify", "--end-of-options", self.ref)).text

    async def commit(self, snapshot: Snapshot, message: str, *, parent: str, when: datetime) -> str:
        """The commit of `snapshot` on `parent`, and the branch is at it; `parent` itself if nothing differs from it.

        The same arguments give the same commit, so repeating is safe. Raises: OutsideError, kind CONFLICT, where the
        branch is neither at `parent` nor at that commit already.
        """
        tree = snapshot.tree_sha
        if tree == await self.repository.tree_of(parent):
            return parent
        sha = await self.repository.commit_tree(tree, [parent], message, when)
        await self.repository.update_ref(self.ref, sha, parent)
        await self._refresh_index(tree)
        return sha

    async def restore(self, sha: str) -> None:
        """Effect: branch and files are exactly at `sha`, whatever was there; ignored and untracked files are gone.

        A kill on the way leaves a state that `open_worktree` mends and that restoring again completes.
        """
        now = await self.repository.resolve(self.ref)
        if now != sha:
            await self.repository.update_ref(self.ref, sha, now)
        await _put_fresh(self.repository, self.path, self.branch)

    async def stands_at(self, sha: str) -> bool:
        """Whether branch and files are at `sha`; a kill while restoring leaves the branch there and the files behind."""
        if not self.path.is_dir() or await self.repository.resolve(self.ref) != sha:
            return False
        shot = await snapshot(self.repository, self.path, sha)
        return not shot.changes and not shot.problems

    async def remove(self) -> None:
        """Effect: the files and git's record of the worktree are gone; the branch stays. Repeating is safe."""
        await asyncio.to_thread(_remove, self.repository.path, self.path)

    async def _refresh_index(self, tree: str) -> None:
        """Effect: `git status` in the tree compares with `tree`. By one rename, so no lock file can be left over."""
        records = await asyncio.to_thread(_records_of, self.repository.path, self.path)
        for record in records:
            with tempfile.TemporaryDirectory(prefix=_NEW, dir=self.repository.path) as folder:
                index = Path(folder, "index")
                await self.repository.git.run("read-tree", tree, env={"GIT_INDEX_FILE": str(index)})
                await asyncio.to_thread(index.replace, record / "index")


def worktree_at(repository: OwnedRepository, home: Path, issue_key: str, branch: str, base_sha: str) -> Worktree:
    """Where the worktree of `issue_key` is or would be; nothing is looked at or made."""
    folder = home.absolute() / "worktrees" / repository.path.stem
    return Worktree(repository, folder / safe_name(issue_key), branch, base_sha)


async def open_worktree(
    repository: OwnedRepository, home: Path, issue_key: str, branch: str, base_sha: str
) -> Worktree:
    """The worktree of `issue_key` below `<home>/worktrees/`, found or made now, with `branch` checked out.

    A found tree keeps its files, edited or not; a `.git` file that was tampered with is written anew. A branch that
    exists keeps its commits; a new one starts at `base_sha`. A tree of another branch is replaced.
    """
    worktree = worktree_at(repository, home, issue_key, branch, base_sha)
    if await repository.resolve(worktree.ref) is None:
        await repository.update_ref(worktree.ref, base_sha, None)
    if not await asyncio.to_thread(_mended, worktree):
        await _put_fresh(repository, worktree.path, branch)
    return worktree


async def prune(repository: OwnedRepository, home: Path) -> None:
    """Effect: what killed processes left behind long ago is gone: half-made trees, trash, records without a tree."""
    await asyncio.to_thread(_prune, repository.path, home.absolute() / "worktrees" / repository.path.stem)


async def _put_fresh(repository: OwnedRepository, path: Path, branch: str) -> None:
    """Effect: `path` is a new worktree of `branch`. A kill leaves the old tree, none, or the new one: never a part."""
    folder = await asyncio.to_thread(_room_beside, path)
    fresh = folder / path.name
    try:
        # --force: records of trees that no longer matter (a killed process, a moved data folder) may name the branch.
        await repository.git.run("worktree", "add", "--quiet", "--force", str(fresh), branch)
        await asyncio.to_thread(_move_in, repository.path, fresh, path)
    finally:
        await asyncio.to_thread(discard, folder)


def _room_beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=_NEW, dir=path.parent))


def _move_in(git_dir: Path, fresh: Path, path: Path) -> None:
    [record] = _records_of(git_dir, fresh)
    _remove(git_dir, path)  # from here to the last line a kill leaves no tree; opening it again makes one
    (record / "gitdir").write_text(f"{path}/.git\n")
    fresh.rename(path)


def _remove(git_dir: Path, path: Path) -> None:
    discard(path)
    for record in _records_of(git_dir, path):
        discard(record, trash_in=git_dir)


def _records_of(git_dir: Path, path: Path) -> list[Path]:
    """git's own records (`worktrees/<id>`) of the tree at `path`: one, or none."""
    return [record for record, tree in _records(git_dir) if tree == path]


def _records(git_dir: Path) -> Iterator[tuple[Path, Path]]:
    for file in git_dir.glob("worktrees/*/gitdir"):
        # Another process may have removed its own record just now.
        with suppress(FileNotFoundError):
            yield file.parent, Path(file.read_text().strip()).parent


def _mended(worktree: Worktree) -> bool:
    """Whether a whole tree of the right branch is there; its `.git` file then says what we once wrote."""
    path, records = worktree.path, _records_of(worktree.repository.path, worktree.path)
    if path.is_symlink() or not path.is_dir() or len(records) != 1:
        return False
    if (records[0] / "HEAD").read_text().strip() != f"ref: {worktree.ref}":
        return False
    _mend_link(path / ".git", f"gitdir: {records[0]}\n".encode())
    return True


def _mend_link(link: Path, wanted: bytes) -> None:
    """Effect: the file `link` is `wanted`, and a plain file, whatever an agent made of it."""
    facts = link.lstat() if os.path.lexists(link) else None
    if facts and stat.S_ISREG(facts.st_mode) and facts.st_size == len(wanted) and link.read_bytes() == wanted:
        return
    link.parent.chmod(0o755)
    discard(link, trash_in=link.parent.parent)
    link.write_bytes(wanted)


def _prune(git_dir: Path, trees: Path) -> None:
    before = time.time() - _DEBRIS_AGE_S
    for path in [*trees.glob(".*"), *git_dir.glob(".*")]:
        with suppress(FileNotFoundError):  # its owner may be removing it
            if path.lstat().st_mtime > before:
                continue
            if path.name.startswith(TRASH):
                empty_trash(path)
            elif path.name.startswith(_NEW):
                discard(path)
    for record, tree in _records(git_dir):
        if not tree.exists() and (record / "gitdir").stat().st_mtime < before:
            discard(record, trash_in=git_dir)
