"""Bringing a change onto a base that moved on, and telling whether it is still the same change; no work tree is needed."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agentos.workspace.repository import OwnedRepository


@dataclass(frozen=True, slots=True)
class Onto:
    """A change brought onto a base: the `tree`, and the paths that conflict, in which the tree is as the base has them."""

    tree: str
    conflicts: tuple[str, ...] = ()


async def bring_onto(repository: OwnedRepository, base: str, head: str) -> Onto:
    """The commit `head` merged into the commit `base`; where both changed the same, the base's text stands."""
    merged = await repository.merge_tree(base, head)
    if merged.tree is not None:
        return Onto(merged.tree)
    tree = await _as_in_base(repository, base, merged.marked, merged.conflicts)
    return Onto(tree, merged.conflicts)


async def change_id(repository: OwnedRepository, old: str, new: str) -> str:
    """Names the change from `old` to `new` by the lines it takes and adds in each file, wherever in the file they are."""
    args = (
        "diff-tree",
        "-r",
        "-p",
        "-U0",
        "--binary",
        "--full-index",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
    )
    shown = (await repository.git.run(*args, "--no-color", old, new)).stdout
    # Neither where in its file a line is, nor what else is in it. Lines of content begin with + or -.
    placed = (b"@@ ", b"index ")
    said = b"\n".join(line for line in shown.split(b"\n") if not line.startswith(placed))
    return hashlib.sha256(said).hexdigest()


async def _as_in_base(repository: OwnedRepository, base: str, tree: str, paths: Sequence[str]) -> str:
    """`tree` with `paths` as the commit `base` has them: gone where it has none."""
    there = {entry.path: entry for entry in await repository.list_paths(base)}
    gone = [f"0 {'0' * 40}\t{path}\0" for path in paths]
    come = [f"{there[path].mode} {there[path].sha}\t{path}\0" for path in paths if path in there]
    with tempfile.TemporaryDirectory(prefix=".new-", dir=repository.path) as folder:
        env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        lines = "".join(gone + come).encode("utf-8", "surrogateescape")
        await repository.git.run("read-tree", tree, env=env)
        await repository.git.run("update-index", "-z", "--index-info", input=lines, env=env)
        return (await repository.git.run("write-tree", env=env)).text
