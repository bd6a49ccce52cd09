"""What a run needs of a machine and a repository: what was found, what that means, and how to mend it."""

import os
import re
import shutil
import stat
from collections.abc import Callable, Collection
from pathlib import Path

from agentos.config.load import Loaded
from agentos.config.models import choose, provider_table
from agentos.config.settings import Settings
from agentos.domain.error import AgentOSError, UsageError
from agentos.domain.finding import Check, Grade
from agentos.store.database import open_database
from agentos.workspace.git import Git

GIT_AT_LEAST = (2, 38)
"""`git merge-tree --write-tree` came with it."""
POSTGRESQL_AT_LEAST = 14
LEAST_FREE_BYTES, FEW_FREE_BYTES = 200 * 1024**2, 2 * 1024**3


async def git_said() -> str:
    """What `git --version` answers; empty where there is no git."""
    try:
        return (await Git(None).run("version")).text
    except UsageError:
        return ""


def judge_git(said: str) -> Check:
    """Whether git is there and new enough."""
    found = re.search(r"\d+(?:\.\d+)+", said)
    wanted = ".".join(map(str, GIT_AT_LEAST))
    if found is None:
        return Check("git", Grade.FAIL, "not found on PATH", f"install git {wanted} or newer")
    version = tuple(int(part) for part in found[0].split("."))
    if version < GIT_AT_LEAST:
        return Check("git", Grade.FAIL, f"{found[0]} is too old", f"install git {wanted} or newer")
    return Check("git", Grade.OK, found[0])


async def check_database(home: Path, url: str | None) -> Check:
    """Whether the database answers. Effect: AgentOS's own one is started, as every command does, and left again."""
    whose = "AgentOS's own PostgreSQL" if url is None else "the PostgreSQL of AGENTOS_DATABASE_URL"
    try:
        async with open_database(home, url) as database:
            row = await database.row("SELECT current_setting('server_version_num')::integer AS version")
    except (AgentOSError, OSError) as exc:
        mend = "see docs/troubleshooting.md, or set AGENTOS_DATABASE_URL to a PostgreSQL of yours"
        return Check("database", Grade.FAIL, f"{whose} cannot be used: {exc}", mend)
    return judge_database(whose, row["version"] if row is not None else 0)


def judge_database(whose: str, version: int) -> Check:
    """Whether the server is new enough; `version` as PostgreSQL counts, 160002 for 16.2."""
    major = version // 10_000
    if major < POSTGRESQL_AT_LEAST:
        mend = f"use PostgreSQL {POSTGRESQL_AT_LEAST} or newer, or unset AGENTOS_DATABASE_URL for one of AgentOS's own"
        return Check("database", Grade.FAIL, f"{whose} is version {major}", mend)
    return Check("database", Grade.OK, f"{whose}, version {major}")


def judge_models(settings: Settings, keys: Collection[str], require: Callable[[], None]) -> Check:
    """Whether every role has a model, and what is unusual about the choice. Of keys, names alone are told.

    `require` raises UsageError for a model that cannot be asked, or whose cost cannot be counted.
    """
    try:
        choice = choose(settings, keys)
    except UsageError as exc:
        found = "no provider's key was found"
        return Check("models", Grade.FAIL, found, str(exc).partition(f"{found}. ")[2] or str(exc))
    named = f"keys: {', '.join(sorted(keys))}" if keys else "no key"
    used = ", ".join(sorted(set(choice.models.values())))
    missing = sorted(
        provider
        for provider in {model.partition(":")[0] for model in choice.models.values()}
        if provider in provider_table() and not set(provider_table()[provider].keys) & set(keys)
    )
    if missing:
        wanted = " and ".join(provider_table()[provider].keys[0] for provider in missing)
        return Check("models", Grade.FAIL, f"{used}; {named}", f"set {wanted} in the environment")
    try:
        require()
    except UsageError as exc:
        return Check("models", Grade.FAIL, str(exc), "see docs/howto/models.md")
    if choice.announcements:
        return Check("models", Grade.WARN, f"{used}; {named}", " ".join(choice.announcements))
    return Check("models", Grade.OK, f"{used}; {named}")


def judge_sandbox(name: str, *, confines: bool, refusal: str) -> Check:
    """Whether commands of a model run in a box. `refusal`: why no run would start with this one."""
    if refusal:
        return Check("sandbox", Grade.FAIL, f"{name} makes no box here", refusal)
    if not confines:
        mend = "sandbox: auto keeps commands in where this machine can; see docs/howto/sandbox.md"
        return Check("sandbox", Grade.WARN, f"{name}: commands may reach all that you may", mend)
    return Check("sandbox", Grade.OK, name)


def judge_workflow(loaded: Loaded) -> Check:
    """Whether the base branch consents to work, and says how it is measured."""
    if not loaded.workflow.digest:
        mend = "`agentos init` writes one to start from; it counts once it is committed"
        return Check("WORKFLOW.md", Grade.FAIL, "the base branch has none", mend)
    if "test" not in {command.name for command in loaded.settings.command_matrix()}:
        mend = "name one: `test:` under `commands:`; without it nothing can prove a change"
        return Check("WORKFLOW.md", Grade.FAIL, "valid, but it names no test command", mend)
    return Check("WORKFLOW.md", Grade.OK, "valid")


def check_tickets(folder: Path) -> Check:
    """Whether there is a folder with tickets."""
    if not folder.is_dir():
        return Check("tickets", Grade.WARN, f"{folder.name}/ is not there", '`agentos new "…"` writes the first one')
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Check(
            "tickets", Grade.FAIL, f"{folder.name}/ cannot be written", f"give yourself the right: chmod u+rwx {folder}"
        )
    number = len([path for path in folder.iterdir() if path.name[:1].isdigit()])
    if not number:
        return Check("tickets", Grade.WARN, f"{folder.name}/ holds no ticket", '`agentos new "…"` writes the first one')
    return Check("tickets", Grade.OK, f"{number} in {folder.name}/")


def check_disk(home: Path) -> Check:
    """Whether there is room where runs are kept."""
    return judge_disk(shutil.disk_usage(_nearest(home)).free)


def judge_disk(free_bytes: int) -> Check:
    """Whether so much room is enough."""
    found = f"{free_bytes / 1024**3:.1f} GB free"
    mend = "make room where runs are kept, or set AGENTOS_HOME to a folder on a larger disk"
    if free_bytes < LEAST_FREE_BYTES:
        return Check("disk", Grade.FAIL, found, mend)
    return Check("disk", Grade.WARN, found, mend) if free_bytes < FEW_FREE_BYTES else Check("disk", Grade.OK, found)


def check_home(home: Path) -> Check:
    """Whether the data folder is ours alone and can be written."""
    place = _nearest(home)
    is_writable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return judge_home(home, stat.S_IMODE(home.stat().st_mode) if home.exists() else None, is_writable=is_writable)


def judge_home(home: Path, mode: int | None, *, is_writable: bool) -> Check:
    """`mode`: the folder's rights, None where it will be made."""
    if not is_writable:
        return Check(
            "data folder", Grade.FAIL, f"{home} cannot be written", "mend its rights, or set AGENTOS_HOME to another"
        )
    if mode is not None and mode & 0o077:
        return Check("data folder", Grade.WARN, f"{home} can be read by others ({mode:o})", f"chmod 700 {home}")
    return Check("data folder", Grade.OK, f"{home}" + ("" if mode is not None else ", to be made"))


def _nearest(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
