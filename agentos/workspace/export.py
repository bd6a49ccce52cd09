"""A commit's files without git around them, for commands that measure exactly that commit."""

import asyncio
import tempfile
from pathlib import Path

from agentos.workspace.repository import OwnedRepository


async def export_tree(repository: OwnedRepository, sha: str, folder: Path) -> None:
    """Effect: `folder`, which must not exist yet, holds the files of `sha` and nothing else; submodules are empty.

    Bytes are those of the commit: no attribute asks for a conversion or leaves a file out.
    """
    await asyncio.to_thread(folder.mkdir, parents=True)
    # git writes a tree ten times as fast as Python unpacks an archive, and a run needs one for each measurement.
    with tempfile.TemporaryDirectory(prefix=".export-", dir=repository.path) as scratch:
        env = {"GIT_INDEX_FILE": str(Path(scratch, "index")), "GIT_WORK_TREE": str(folder.absolute())}
        await repository.git.run("read-tree", sha, env=env)
        await repository.git.run("checkout-index", "--all", env=env)
