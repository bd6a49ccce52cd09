"""Commits in a person's own repository, made because they asked: by their git, with their identity, hooks and settings.

Everything else in this folder keeps away from a person's checkout; nothing here runs for an agent.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from agentos.domain.error import OutsideError
from agentos.domain.naming import clean_text
from agentos.workspace.git import git_binary

_NO_SETTINGS = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


async def commit_paths(root: Path, paths: tuple[str, ...], message: str) -> str:
    """The commit that holds exactly `paths` as they are now. Effect: one commit on the branch that is checked out."""
    await _git(root, "add", "--", *paths)
    await _git(root, "commit", "--quiet", "-m", message, "--", *paths)
    return await _git(root, "rev-parse", "HEAD")


async def start_repository(folder: Path, *, name: str, email: str) -> str:
    """The first commit of a new repository at `folder`, of all files there, by `name`. Nothing of the person's own
    git settings takes part."""
    await _git(folder, "init", "--quiet", "--initial-branch=main", env=_NO_SETTINGS)
    for key, value in (("user.name", name), ("user.email", email), ("commit.gpgsign", "false")):
        await _git(folder, "config", key, value, env=_NO_SETTINGS)
    await _git(folder, "add", "--all", env=_NO_SETTINGS)
    await _git(folder, "commit", "--quiet", "-m", "A first version", env=_NO_SETTINGS)
    return await _git(folder, "rev-parse", "HEAD", env=_NO_SETTINGS)


async def _git(folder: Path, *args: str, env: Mapping[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        git_binary(),
        "-C",
        str(folder),
        *args,
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        words = " ".join(clean_text((err or out).decode("utf-8", "replace")).split())
        raise OutsideError(f"git {args[0]} failed in {folder}: {words[:300]}")
    return out.decode("utf-8", "replace").strip()
