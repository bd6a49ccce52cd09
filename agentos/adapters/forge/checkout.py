"""Moving a branch that a person has checked out, the way `git merge --ff-only` would: files, index and ref together.

Why not `git merge` itself, and why in this order, is written in docs/decisions/0004-local-merge.md.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import clean_text
from agentos.ports.clock import Clock
from agentos.workspace.contents import RawChange, RepositoryContents
from agentos.workspace.git import Git, GitResult, failure

_LOCK_TRIES = 5
_LOCK_WAIT_S = 1.0
_NAMED = 5
_SUBMODULE = "160000"
_BUSY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply")


@dataclass(frozen=True, slots=True)
class Checkout:
    """One work tree of the target and its git folder (for a linked one: below `.git/worktrees`)."""

    tree: Path
    git_dir: Path


async def checkouts_of(target: Path, branch: str) -> tuple[Checkout, ...]:
    """The work trees of the repository `target` that have `branch` checked out.

    Raises: OutsideError, kind CONFLICT, where git does not say in which folder one of them is.
    """
    git_dir = git_dir_of(target)
    listed = await Git(git_dir).run("worktree", "list", "--porcelain", "-z")
    found = []
    for number, record in enumerate(listed.stdout.decode("utf-8", "surrogateescape").split("\0\0")):
        facts = dict(line.partition(" ")[::2] for line in record.strip("\0").split("\0"))
        tree = Path(facts.get("worktree", ""))
        if number == 0 and not (git_dir / "commondir").exists():
            tree = target  # git guesses the first one from the name of the git folder, which may lie apart
        if facts.get("branch") != f"refs/heads/{branch}" or "bare" in facts or not tree.is_dir():
            continue
        if not (tree / ".git").exists():
            raise OutsideError(
                f"{branch} is checked out somewhere that git does not name, with {tree} as its git folder:"
                " check another branch out there",
                kind=FailureKind.CONFLICT,
            )
        found.append(Checkout(tree, git_dir_of(tree)))
    return tuple(found)


def git_dir_of(tree: Path) -> Path:
    """The git folder of a work tree, or of a bare repository that folder itself."""
    inner = tree / ".git"
    if inner.is_file():
        named = inner.read_text("utf-8", "surrogateescape").removeprefix("gitdir:").strip()
        return (tree / named).resolve()
    return inner if inner.is_dir() else tree


class FastForward:
    """Moves `checkout` from the commit `old` to `new`, which contains it. Both are in the target's repository already.

    Each step may be repeated after a crash in any other; local changes in other files stay as they are.
    """

    def __init__(self, checkout: Checkout, old: str, new: str, clock: Clock) -> None:
        self._checkout, self._old, self._new, self._clock = checkout, old, new, clock
        self._git = Git(checkout.git_dir)
        self._env: dict[str, str] = {}

    async def run(self) -> None:
        """Effect: files and index are those of `new`. The ref is left to the caller.

        Raises: OutsideError CONFLICT, naming the files, where a change of the person's own is in the way.
        """
        self._refuse_unfinished()
        self._env = {"GIT_WORK_TREE": str(self._checkout.tree), **await self._without_filters()}
        await self._unlocked("update-index", "-q", "--refresh", check=False)
        changes = await RepositoryContents(self._git).diff_tree_raw(self._old, self._new)
        await self._adopt_finished_files(changes)
        moved = ("read-tree", "-m", "-u", "--no-recurse-submodules", self._old, self._new)
        result = await self._unlocked(*moved, check=False)
        if result.exit_code != 0:
            raise await self._refusal(result, moved, changes)

    def _refuse_unfinished(self) -> None:
        for name in _BUSY:
            if (self._checkout.git_dir / name).exists():
                raise OutsideError(
                    f"{self._checkout.tree} is in the middle of something ({name}): finish or abort it",
                    kind=FailureKind.CONFLICT,
                )

    async def _without_filters(self) -> dict[str, str]:
        """Settings, by the environment, that switch every filter program of the repository off."""
        found = await self._git.run("config", "--name-only", "-z", "--get-regexp", r"^filter\.", check=False)
        keys = found.stdout.decode("utf-8", "surrogateescape").split("\0")
        names = {key.removeprefix("filter.").rpartition(".")[0] for key in keys}
        off = [
            (f"filter.{name}.{word}", "") for name in sorted(names - {""}) for word in ("clean", "smudge", "process")
        ]
        off += [(f"filter.{name}.required", "false") for name in sorted(names - {""})]
        pairs = {f"GIT_CONFIG_KEY_{at}": key for at, (key, _) in enumerate(off)}
        pairs |= {f"GIT_CONFIG_VALUE_{at}": value for at, (_, value) in enumerate(off)}
        return {"GIT_CONFIG_COUNT": str(len(off)), **pairs}

    async def _adopt_finished_files(self, changes: Sequence[RawChange]) -> None:
        """Effect: a file that already is as `new` has it is so in the index too.

        That is what a crash in the middle leaves; without this, our own half-done work would look like local changes.
        """
        wanted = [change for change in changes if change.kind != "D" and change.new_mode != _SUBMODULE]
        with tempfile.TemporaryDirectory() as folder:
            # An index of only these files, as they are to be: git itself compares them, line ends and modes included.
            env = {**self._env, "GIT_INDEX_FILE": str(Path(folder, "index"))}
            await self._git.run("update-index", "-z", "--index-info", input=_index_info(wanted), env=env)
            await self._git.run("update-index", "-q", "--refresh", env=env, check=False)
            differing = _names(await self._git.run("diff-files", "--name-only", "-z", env=env))
        done = [change for change in wanted if change.path not in differing]
        if done and await self._staged_as_before(done):
            await self._unlocked("update-index", "-z", "--index-info", input=_index_info(done))

    async def _staged_as_before(self, done: Sequence[RawChange]) -> bool:
        """Whether the index has, for each of these files, the entry of `old` or of `new`, so nothing staged is lost."""
        listed = (await self._git.run("ls-files", "-z", "--stage", env=self._env)).stdout
        entries: dict[str, set[str]] = {}
        for line in listed.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            facts, path = line.split("\t", 1)
            entries.setdefault(path, set()).add(" ".join(facts.split()[:2]) if facts.endswith(" 0") else "unmerged")
        for change in done:
            before = {f"{change.old_mode} {change.old_sha}"} if change.kind != "A" else set()
            if entries.get(change.path, set()) not in (before, {f"{change.new_mode} {change.new_sha}"}):
                return False
        return True

    async def _unlocked(self, *args: str, input: bytes | None = None, check: bool = True) -> GitResult:
        """The result of a command that needs the index for itself; somebody else's git gets a moment to finish."""
        for _ in range(_LOCK_TRIES):
            result = await self._git.run(*args, input=input, env=self._env, check=False)
            if result.exit_code == 0 or "index.lock" not in result.stderr:
                break
            await self._clock.sleep(_LOCK_WAIT_S)
        if result.exit_code != 0 and "index.lock" in result.stderr:
            lock = self._checkout.git_dir / "index.lock"
            raise OutsideError(
                f"another git command holds {lock}: let it finish, or delete that file if none runs",
                kind=FailureKind.CONFLICT,
            )
        if check and result.exit_code != 0:
            raise failure(result, args)
        return result

    async def _refusal(self, result: GitResult, args: tuple[str, ...], changes: Sequence[RawChange]) -> OutsideError:
        if not re.search(r"not uptodate|overwritten|unmerged|resolve your|would (lose|be removed)", result.stderr):
            return failure(result, args)
        differing = ("diff-index", "--name-only", "-z", "--no-renames", "--ignore-submodules=all", self._old)
        mine = _names(await self._git.run(*differing, env=self._env))
        untracked = re.findall(r"'([^'\n]+)'", result.stderr)
        names = [clean_text(name) for name in sorted({*untracked, *(mine & {change.path for change in changes})})]
        listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        return OutsideError(
            f"the merge changes files that have changes of your own in {self._checkout.tree}: {listed};"
            " commit, stash or move them away",
            kind=FailureKind.CONFLICT,
        )


def _index_info(changes: Sequence[RawChange]) -> bytes:
    """The entries of the changed files, in the form `git update-index -z --index-info` reads."""
    lines = "".join(f"{change.new_mode} {change.new_sha}\t{change.path}\0" for change in changes)
    return lines.encode("utf-8", "surrogateescape")


def _names(result: GitResult) -> set[str]:
    return set(result.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1])
