"""People, targets and owned repositories for the workspace tests: real git throughout."""

import hashlib
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agentos.workspace.repository import OwnedRepository
from agentos.workspace.worktree import Worktree, open_worktree

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SIGNED = {f"GIT_{role}_{what}": "t@example.invalid" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True)
class Person:
    """Somebody at a shell: plain git with plain settings, in a folder."""

    path: Path

    def git(self, *args: str, check: bool = True, input: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *args], cwd=self.path, env=os.environ | SIGNED, capture_output=True, input=input, check=False
        )
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def make_target(path: Path, files: dict[str, str | bytes] | None = None) -> Person:
    """A repository of a person at `path`, on branch main, with one commit of `files`."""
    path.mkdir(parents=True)
    person = Person(path)
    person.git("init", "-q", "-b", "main")
    for name, content in (files or {"app.py": "print('hello')\n", "docs/guide.md": "guide\n"}).items():
        person.write(name, content)
    person.commit("first")
    return person


def manifest(path: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of everything below `path`, `.git` and all: equal means nothing changed."""
    seen = {}
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            place = Path(folder, name)
            facts = place.lstat()
            if place.is_symlink():
                content = str(place.readlink())
            elif place.is_file():
                content = hashlib.sha256(place.read_bytes()).hexdigest()
            else:
                content = ""
            seen[str(place.relative_to(path))] = (facts.st_mode, content)
    return seen


@dataclass(frozen=True)
class Site:
    """A target, the repository we own for it, and the worktree of issue 7, at the target's main."""

    target: Person
    home: Path
    repo: OwnedRepository
    tree: Worktree
    base: str


async def make_site(target: Person, home: Path) -> Site:
    """The worktree of issue 7 and all it stands on, from the main branch of `target`."""
    repo = await OwnedRepository.open(home, target.path, "host/owner/name")
    base = await repo.fetch_base(await repo.default_branch())
    tree = await open_worktree(repo, home, "7", "agentos/7-a-thing", base)
    return Site(target, home, repo, tree, base)
