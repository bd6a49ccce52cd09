"""The bare repository AgentOS owns for each target: everything git does for a run happens here."""

import asyncio
import errno
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.naming import safe_name
from agentos.workspace.contents import RepositoryContents
from agentos.workspace.git import Git, GitResult, complaint, failure
from agentos.workspace.target import Target

BASE_REFS = "refs/agentos/base/"
ABSENT = "0" * 40
_INCOMPLETE = ("repository corruption on the remote side", "did not send all necessary objects")
_FETCH_TRIES = 3  # against other workers' ref locks only
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_][A-Za-z0-9_-]*)*")  # needs no asking git

# The highest place for attributes: no file of a commit or of an agent can ask for a conversion or a driver.
_ATTRIBUTES = "* -text !eol !crlf -ident !filter !working-tree-encoding !merge !diff !export-subst !export-ignore !export-ignore\n"
# Objects are checked on the way in. Three old mistakes are common in honest histories and harm nobody.
_CONFIG = """\
[transfer]
\tfsckObjects = true
[fetch "fsck"]
\tbadTimezone = ignore
\tmissingSpaceBeforeDate = ignore
\tzeroPaddedFilemode = ignore
[gc]
\tauto = 0
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs the commits AgentOS makes."""

    name: str = "AgentOS"
    email: str = "agentos@localhost"


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What merging two commits gives: the merged `tree`, or None and the paths that conflict; `marked` is the tree with
    git's marks in them."""

    tree: str | None
    conflicts: tuple[str, ...] = ()
    marked: str = ""


class OwnedRepository(RepositoryContents):
    """A bare repository nobody but us writes; `path` is its folder, `target` where its base branches come from."""

    def __init__(self, path: Path, target: Target, identity: Identity) -> None:
        super().__init__(Git(path))
        self.path = path
        self.target = target
        self.identity = identity

    @classmethod
    async def open(
        cls, home: Path, target: Path | str | Target, repo_key: str, *, identity: Identity | None = None
    ) -> "OwnedRepository":
        """The owned repository of `target` below `<home>/repos/`, made now if it is not there yet.

        Safe to call from any number of processes at once and after a kill at any moment: it appears complete or not.
        """
        path = home.absolute() / "repos" / f"{safe_name(repo_key)}.git"
        await _create(path)
        return cls(path, Target.at(target), identity or Identity())

    async def default_branch(self, target: Path | str | Target | None = None) -> str:
        """The branch work starts from: see `Target.default_branch`."""
        return await self._target(target).default_branch()

    async def remote_ref(self, target: Path | str | Target, ref: str) -> str | None:
        """The commit the full ref `ref` points to in `target` now; None if it does not exist."""
        return await self._target(target).ref(ref)

    async def fetch_base(self, branch: str) -> str:
        """The commit the target's `branch` is at now, with its history, kept as `refs/agentos/base/<branch>`.

        Reads the target only; uncommitted work there is not looked at. Raises: UsageError where there is no such
        branch or no commit at all.
        """
        ref = f"{BASE_REFS}{branch}"
        plain = _PLAIN_NAME.fullmatch(branch) is not None
        if not plain and (await self.git.run("check-ref-format", ref, check=False)).exit_code != 0:
            raise UsageError(f"{branch!r} cannot be the name of a branch")
        # Where an earlier fetch came from a shallow clone, ask for the history that was missing then.
        depth = "--unshallow" if (self.path / "shallow").exists() else "--update-shallow"
        options = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules", depth)
        source = ("--", self.target.address, f"+refs/heads/{branch}:{ref}")
        args = ("fetch", "--quiet", *options, *self.target.program("upload-pack"), *source)
        for _ in range(_FETCH_TRIES):
            result = await self.target.asked_by(self.git, *args)
            if result.exit_code == 0 or "cannot lock ref" not in result.stderr:
                break
        if result.exit_code != 0:
            raise await self._fetch_failure(branch, result, args)
        return (await self.git.run("rev-parse", "--verify", ref)).text

    async def commit_tree(self, tree: str, parents: Sequence[str], message: str, when: datetime) -> str:
        """The commit of `tree`; the same arguments always give the same sha, so repeating is safe. Moves no ref."""
        seconds = f"@{int(when.timestamp())} +0000"
        env = {}
        for role in ("AUTHOR", "COMMITTER"):
            env[f"GIT_{role}_NAME"] = self.identity.name
            env[f"GIT_{role}_EMAIL"] = self.identity.email
            env[f"GIT_{role}_DATE"] = seconds
        named = [word for parent in parents for word in ("-p", parent)]
        return (await self.git.run("commit-tree", tree, *named, "-F", "-", input=message.encode(), env=env)).text

    async def update_ref(self, ref: str, new: str, expected: str | None) -> None:
        """Effect: `ref` is `new`, if it was `expected` before (None: did not exist). Already being `new` is fine.

        Raises: OutsideError, kind CONFLICT, where it is anything else.
        """
        args = ("update-ref", "--no-deref", ref, new, expected or ABSENT)
        await self._change_ref(args, ref, wanted=new)

    async def delete_ref(self, ref: str, expected: str) -> None:
        """Effect: `ref` is gone, if it was `expected`. Being gone already is fine. Raises: as `update_ref`."""
        await self._change_ref(("update-ref", "--no-deref", "-d", ref, expected), ref, wanted=None)

    async def merge_tree(self, base_head: str, head: str) -> MergeResult:
        """What merging `head` into `base_head` would give. Moves nothing, needs no work tree."""
        args = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", base_head, head)
        result = await self.git.run(*args, check=False)
        if result.exit_code not in (0, 1):
            raise failure(result, args)
        tree, *paths = result.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
        return MergeResult(tree) if result.exit_code == 0 else MergeResult(None, tuple(dict.fromkeys(paths)), tree)

    async def push(self, target_url: Path | str | Target, sha: str, ref: str, expected: str | None) -> None:
        """Effect: the full ref `ref` of the target is `sha`, if it was `expected` there (None: did not exist).

        Already being `sha` is fine. The target's hooks do not run. Raises: OutsideError, kind CONFLICT where somebody
        else moved the ref, INVALID where the target refuses (say, a branch that is checked out there).
        """
        target = Target.at(target_url)
        options = ("--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no")
        lease = f"--force-with-lease={ref}:{expected or ''}"
        args = ("push", *options, lease, *target.program("receive-pack"), "--", target.address, f"{sha}:{ref}")
        result = await target.asked_by(self.git, *args)
        if result.exit_code != 0:
            raise _push_failure(target, result, args, ref)

    async def bundle(self, ref: str, path: Path, *, since: str | None = None) -> None:
        """Effect: the file `path` holds `ref` with its history (after the commit `since`, which must be older)."""
        with tempfile.TemporaryDirectory(prefix=".bundle-", dir=path.absolute().parent) as folder:
            fresh = Path(folder, "bundle")
            await self.git.run("bundle", "create", "--quiet", str(fresh), ref, *([f"^{since}"] if since else []))
            await asyncio.to_thread(fresh.replace, path)

    async def unbundle(self, path: Path) -> dict[str, str]:
        """The refs a bundle file holds, by full name; their commits are here now, but no ref has moved.

        Raises: OutsideError where a commit that the bundle builds on is missing here.
        """
        args = ("bundle", "unbundle", str(path.absolute()))
        result = await self.git.run(*args, check=False)
        if "prerequisite" in result.stderr:
            raise OutsideError(f"{path.name} builds on commits that are not here: fetch the base, then try again")
        if result.exit_code != 0:
            raise failure(result, args)
        lines = result.text.splitlines()
        return {name: sha for sha, _, name in (line.partition(" ") for line in lines)}

    def _target(self, place: Path | str | Target | None) -> Target:
        return self.target if place is None else Target.at(place)

    async def _fetch_failure(self, branch: str, result: GitResult, args: tuple[str, ...]) -> UsageError | OutsideError:
        heads = await self.target.refs("refs/heads/*")
        if not heads:
            return self.target.no_commits()
        if f"refs/heads/{branch}" not in heads:
            return UsageError(f"{self.target.address} has no branch {branch!r}: create it or name another base")
        if any(words in result.stderr for words in _INCOMPLETE):
            return OutsideError(
                f"{self.target.address} lacks objects of its own history: in a partial clone"
                " `git fetch --refetch --no-filter` brings them, else `git fsck` there says which"
            )
        return self.target.refusal(result, args)

    async def _change_ref(self, args: tuple[str, ...], ref: str, *, wanted: str | None) -> None:
        result = await self.git.run(*args, check=False)
        if result.exit_code == 0:
            return
        now = await self.git.run("rev-parse", "--verify", "--quiet", "--end-of-options", ref, check=False)
        found = now.text if now.exit_code == 0 else None
        if found != wanted:
            raise OutsideError(
                f"{ref} is at {found or 'nothing'} and was left alone: {complaint(result)}", kind=FailureKind.CONFLICT
            )


async def _create(path: Path) -> None:
    """A complete repository at `path`, put there by one rename; where another process was first, its one stays."""
    folder = await asyncio.to_thread(_room_for, path)
    if folder is None:
        return
    try:
        await Git(folder / "new").run("init", "--quiet", "--bare", "--template=", "--initial-branch=main")
        await asyncio.to_thread(_settle, folder / "new", path)
    finally:
        shutil.rmtree(folder)


def _room_for(path: Path) -> Path | None:
    """A folder beside `path` to make it in; None if it exists already."""
    if path.is_dir():
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))


def _settle(fresh: Path, path: Path) -> None:
    (fresh / "info").mkdir()
    (fresh / "info" / "attributes").write_text(_ATTRIBUTES)
    with (fresh / "config").open("a") as config:
        config.write(_CONFIG)
    try:
        fresh.rename(path)
    except OSError as exc:
        if exc.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _push_failure(target: Target, result: GitResult, args: tuple[str, ...], ref: str) -> OutsideError:
    verdict = next((line for line in result.text.splitlines() if line.startswith("!\t")), "")
    reason = verdict.rpartition("\t")[2]
    if any(word in reason for word in ("stale info", "fetch first", "failed to update ref", "cannot lock ref")):
        return OutsideError(f"{ref} was moved by somebody else and was left alone: {reason}", kind=FailureKind.CONFLICT)
    if reason:
        return OutsideError(f"the target refused {ref}: {reason}", kind=FailureKind.INVALID)
    return target.refusal(result, args)
