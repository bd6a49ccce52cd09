"""What an agent made of a worktree, as a tree in the repository we own: read strictly, converted by nothing."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agentos.domain.error import OutsideError
from agentos.workspace.contents import TreeEntry
from agentos.workspace.ignore import RULES_FILE
from agentos.workspace.repository import OwnedRepository
from agentos.workspace.walk import Limits, TooMuch, Walk

ABSENT_MODE = "000000"


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs from the base. `kind` is A, M or D; mode 000000 = not there."""

    path: str
    kind: str
    old_mode: str
    new_mode: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The tree an agent's work gives, what changed, and what was refused: each problem is a sentence about one path.

    A refused path is in the tree as the base has it. Whether problems stop the work is for the caller to decide.
    """

    tree_sha: str
    changes: tuple[Change, ...]
    problems: tuple[str, ...] = ()


async def snapshot(
    repository: OwnedRepository, worktree_path: Path, base_sha: str, *, limits: Limits | None = None
) -> Snapshot:
    """The state of the files below `worktree_path` against the commit `base_sha`.

    Effect: objects in the repository we own, no ref. Nothing in the folder is written, and no git process looks at it.
    Ignored by the rules of .gitignore files: untracked files only. Over a limit on the whole, nothing is taken: no
    changes, one problem. Raises: OutsideError where the folder itself is gone or is no folder.
    """
    base = {entry.path: entry for entry in await repository.list_paths(base_sha)}
    walk = Walk(base, await _base_rules(repository, base), limits or Limits())
    try:
        await asyncio.to_thread(walk.read, worktree_path, repository.path / "worktrees")
    except TooMuch as exc:
        return Snapshot(await repository.tree_of(base_sha), (), (*walk.problems, str(exc)))
    except OSError as exc:
        raise OutsideError(f"the worktree {worktree_path} could not be read ({exc.strerror}): open it again") from exc
    changes = _changes(walk)
    if not changes:
        return Snapshot(await repository.tree_of(base_sha), (), tuple(walk.problems))
    await _write_blobs(repository, walk.blobs)
    tree = await _write_tree(repository, base_sha, changes, walk)
    return Snapshot(tree, changes, tuple(walk.problems))


async def _base_rules(repository: OwnedRepository, base: Mapping[str, TreeEntry]) -> dict[str, bytes]:
    """The base's .gitignore files by the folder they are in (`""` or ending with `/`)."""
    shas = {
        path.removesuffix(RULES_FILE): entry.sha
        for path, entry in base.items()
        if path.rpartition("/")[2] == RULES_FILE and entry.mode.startswith("100")
    }
    blobs = await repository.read_blobs(list(set(shas.values()))) if shas else {}
    return {folder: blobs[sha] for folder, sha in shas.items()}


def _changes(walk: Walk) -> tuple[Change, ...]:
    changes = []
    for path, (mode, sha) in walk.found.items():
        known = walk.base.get(path)
        if known is None:
            changes.append(Change(path, "A", ABSENT_MODE, mode))
        elif not walk.is_unchanged(path, mode, sha):
            changes.append(Change(path, "M", known.mode, mode))
    for path, known in walk.base.items():
        if path not in walk.found and not walk.is_kept(path):
            changes.append(Change(path, "D", known.mode, ABSENT_MODE))
    return tuple(sorted(changes, key=lambda change: change.path))


async def _write_blobs(repository: OwnedRepository, blobs: Mapping[str, bytes]) -> None:
    """Effect: the blobs are stored, by one process and through no filter. Repeating is safe."""

    def stream() -> Iterator[bytes]:
        for content in blobs.values():
            yield b"blob\ndata %d\n" % len(content)
            yield content
            yield b"\n"
        yield b"done\n"

    await repository.git.run("fast-import", "--quiet", "--done", input=stream())


async def _write_tree(repository: OwnedRepository, base_sha: str, changes: tuple[Change, ...], walk: Walk) -> str:
    """The tree of the base with `changes`, through an index of its own; git refuses here what it would never check out."""
    gone = [f"0 {'0' * 40}\t{change.path}\0" for change in changes if change.kind == "D"]
    come = ["{} {}\t{}\0".format(*walk.found[change.path], change.path) for change in changes if change.kind != "D"]
    # What goes comes first: a folder may stand where a file was.
    lines = "".join(gone + come).encode("utf-8", "surrogateescape")
    with tempfile.TemporaryDirectory(prefix=".new-", dir=repository.path) as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        await repository.git.run("read-tree", base_sha, env=env)
        await repository.git.run("update-index", "-z", "--index-info", input=lines, env=env)
        return (await repository.git.run("write-tree", env=env)).text
