"""Attacks that make a careless git run a command of the attacker, each shown to work before it is shown to fail."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentos.domain.error import OutsideError
from agentos.workspace.export import export_tree
from agentos.workspace.snapshot import Snapshot, snapshot
from agentos.workspace.worktree import open_worktree, prune
from tests.workspace.scene import SIGNED, WHEN, Person, Site, make_site, make_target, manifest

Plant = Callable[[Path, "Marker"], None]


@dataclass(frozen=True)
class Marker:
    """The file whose existence proves that a planted command ran."""

    path: Path

    @property
    def command(self) -> str:
        return f"touch '{self.path}'; cat >/dev/null 2>&1 </dev/null; false"

    @property
    def filter(self) -> str:
        return f"touch '{self.path}'; cat"

    def script(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{self.filter}\n")
        path.chmod(0o755)
        return path


def careless(folder: Path, line: str) -> None:
    """What somebody does who trusts the folder."""
    subprocess.run(["sh", "-c", line], cwd=folder, env=os.environ | SIGNED, capture_output=True, check=False)


async def whole_cycle(site: Site) -> Snapshot:
    """Everything AgentOS does with a tree and a target from the moment the agent has ended."""
    found = await open_worktree(site.repo, site.home, "7", site.tree.branch, site.base)
    shot = await snapshot(site.repo, found.path, site.base)
    sha = await found.commit(shot, "work", parent=site.base, when=WHEN)
    again = await snapshot(site.repo, found.path, sha)
    await found.commit(again, "again", parent=sha, when=WHEN)
    stat = await site.repo.diff_stat(site.base, sha)
    await site.repo.diff(site.base, sha, limit_bytes=1 << 20)
    await site.repo.diff_tree_raw(site.base, sha)
    base = await site.repo.fetch_base("main")
    merged = await site.repo.merge_tree(base, sha)
    assert merged.tree is not None
    await site.repo.push(site.target.path, sha, f"refs/heads/{site.tree.branch}", None)
    await site.repo.push(site.target.path, base, f"refs/heads/{site.tree.branch}", sha)
    await export_tree(site.repo, sha, site.home / "exported")
    await found.restore(sha)
    await prune(site.repo, site.home)
    other = await open_worktree(site.repo, site.home, "8", "agentos/8-b", sha)
    assert stat.files == len(shot.changes)
    await other.remove()
    await found.remove()
    return shot


# What an agent can write in its tree


def planted_repository(path: Path, *config: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(path)], check=True, capture_output=True)
    for line in config:
        key, _, value = line.partition("=")
        subprocess.run(["git", "-C", str(path), "config", key, value], check=True)


def git_file_to_fsmonitor(tree: Path, marker: Marker) -> None:
    planted_repository(tree / "planted", f"core.fsmonitor={marker.command}")
    (tree / ".git").write_text("gitdir: planted/.git\n")


def git_file_to_filter(tree: Path, marker: Marker) -> None:
    planted_repository(tree / "planted", f"filter.evil.clean={marker.filter}")
    (tree / ".git").write_text("gitdir: planted/.git\n")
    (tree / ".gitattributes").write_text("* filter=evil\n")


def git_file_to_process_filter(tree: Path, marker: Marker) -> None:
    planted_repository(tree / "planted", f"filter.evil.process={marker.command}", "filter.evil.required=true")
    (tree / ".git").write_text("gitdir: planted/.git\n")
    (tree / ".gitattributes").write_text("* filter=evil\n")


def git_folder_with_hooks(tree: Path, marker: Marker) -> None:
    (tree / ".git").unlink()
    planted_repository(tree)
    for hook in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change", "pre-push"):
        marker.script(tree / ".git" / "hooks" / hook)


def git_folder_with_textconv(tree: Path, marker: Marker) -> None:
    (tree / ".git").unlink()
    planted_repository(tree, f"diff.evil.textconv={marker.filter} #", f"diff.external={marker.command}")
    careless(tree, "git add app.py && git commit -qm x")
    (tree / ".gitattributes").write_text("* diff=evil\n")
    (tree / "app.py").write_text("changed\n")


def git_link_outside(tree: Path, marker: Marker) -> None:
    outside = tree.parent.parent / "outside"
    planted_repository(outside, f"core.fsmonitor={marker.command}")
    (tree / ".git").unlink()
    (tree / ".git").symlink_to(outside / ".git")


def commondir_redirected(tree: Path, marker: Marker) -> None:
    planted_repository(tree / "planted", f"core.fsmonitor={marker.command}")
    redirect = tree / "redirect"
    shutil.copytree(tree / "planted" / ".git", redirect)
    (redirect / "config").unlink()
    (redirect / "commondir").write_text(f"{tree}/planted/.git\n")
    (tree / ".git").write_text("gitdir: redirect\n")


def own_commondir_redirected(tree: Path, marker: Marker) -> None:
    """As if the sandbox had let the agent write into our record of its tree."""
    planted_repository(tree / "planted", f"core.fsmonitor={marker.command}")
    record = Path((tree / ".git").read_text().removeprefix("gitdir: ").strip())
    (record / "commondir").write_text(f"{tree}/planted/.git\n")


def nested_repository(tree: Path, marker: Marker) -> None:
    inner = tree / "inner"
    planted_repository(inner, f"filter.evil.clean={marker.filter}", f"core.fsmonitor={marker.command}")
    (inner / ".gitattributes").write_text("* filter=evil\n")
    (inner / "file").write_text("x\n")
    careless(
        inner, "git -c filter.evil.clean=cat -c core.fsmonitor=false add -A; git -c core.fsmonitor=false commit -qm x"
    )
    (inner / "file").write_text("y\n")
    marker.path.unlink(missing_ok=True)


def submodule_with_update_command(tree: Path, marker: Marker) -> None:
    nested_repository(tree, marker)
    (tree / ".gitmodules").write_text('[submodule "inner"]\n\tpath = inner\n\turl = ./inner\n')


def program_named_git(tree: Path, marker: Marker) -> None:
    marker.script(tree / "git")
    marker.script(tree / "git-upload-pack")
    marker.script(tree / "sh")


IN_THE_TREE: list[tuple[Plant, str]] = [
    (git_file_to_fsmonitor, "git status"),
    (git_file_to_filter, "git add -A"),
    (git_file_to_process_filter, "git add -A"),
    (git_folder_with_hooks, "git commit --allow-empty -qm x"),
    (git_folder_with_textconv, "git diff"),
    (git_link_outside, "git status"),
    (commondir_redirected, "git status"),
    (own_commondir_redirected, "git status"),
    (nested_repository, "git add -A; git status; git diff HEAD"),
    (submodule_with_update_command, "git add -A; git status; git diff HEAD"),
    (program_named_git, "PATH=.:$PATH; git status"),
]


@pytest.mark.parametrize(("plant", "careless_line"), IN_THE_TREE, ids=[row[0].__name__ for row in IN_THE_TREE])
async def test_nothing_an_agent_plants_in_its_tree_is_run(
    site: Site, tmp_path: Path, plant: Plant, careless_line: str
) -> None:
    marker = Marker(tmp_path / "marker")
    (site.tree.path / "work.py").write_text("work\n")
    plant(site.tree.path, marker)
    assert not marker.path.exists()

    shot = await whole_cycle(site)

    assert not marker.path.exists()
    assert "work.py" in {change.path for change in shot.changes}
    assert all(".git" not in change.path.split("/") for change in shot.changes)
    assert {change.new_mode for change in shot.changes} <= {"100644", "100755", "000000"}

    # The same trap, stepped into: or the test above would prove nothing.
    armed = await open_worktree(site.repo, site.home, "9", "agentos/9-control", site.base)
    plant(armed.path, marker)
    careless(armed.path, careless_line)
    assert marker.path.exists()


async def test_a_nested_repository_becomes_plain_files_and_is_reported(site: Site, tmp_path: Path) -> None:
    nested_repository(site.tree.path, Marker(tmp_path / "marker"))
    shot = await snapshot(site.repo, site.tree.path, site.base)
    assert {change.path: change.new_mode for change in shot.changes} == {
        "inner/.gitattributes": "100644",
        "inner/file": "100644",
    }
    assert [problem.split(" ")[0] for problem in shot.problems] == ["inner/.git"]


@pytest.mark.parametrize(
    "name", [".GIT", ".git ", ".git.", "git~1", "GIT~1", ".g\u200cit", ".git::$INDEX_ALLOCATION", "a\\.git"]
)
async def test_a_folder_some_file_system_takes_for_git_is_refused(site: Site, name: str) -> None:
    for folder in (site.tree.path / name, site.tree.path / "docs" / name):
        folder.mkdir()
        (folder / "config").write_text("[core]\n")
    shot = await snapshot(site.repo, site.tree.path, site.base)
    assert shot.changes == ()
    assert len(shot.problems) == 2


async def test_a_replaced_git_file_is_reported_and_mended(site: Site) -> None:
    (site.tree.path / ".git").write_text("gitdir: elsewhere\n")
    shot = await snapshot(site.repo, site.tree.path, site.base)
    assert shot.problems == (".git was replaced or removed: it was not looked at",)
    await open_worktree(site.repo, site.home, "7", site.tree.branch, site.base)
    assert (await snapshot(site.repo, site.tree.path, site.base)).problems == ()


async def test_a_tree_replaced_by_a_link_is_not_followed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("secret")
    shutil.rmtree(site.tree.path)
    site.tree.path.symlink_to(tmp_path / "secrets")
    with pytest.raises(OutsideError, match="could not be read"):
        await snapshot(site.repo, site.tree.path, site.base)
    await open_worktree(site.repo, site.home, "7", site.tree.branch, site.base)
    assert (await snapshot(site.repo, site.tree.path, site.base)).changes == ()
    assert (tmp_path / "secrets" / "key").exists()


# What the target itself may hold


def hooks(target: Person, marker: Marker) -> None:
    for name in (
        *("post-checkout", "pre-push", "pre-receive", "update", "post-receive", "post-update", "reference-transaction"),
        *("push-to-checkout", "proc-receive", "pre-auto-gc", "post-index-change", "fsmonitor-watchman"),
    ):
        marker.script(target.path / ".git" / "hooks" / name)


def hooks_elsewhere(target: Person, marker: Marker) -> None:
    marker.script(target.path.parent / "hooks" / "post-receive")
    target.git("config", "core.hooksPath", str(target.path.parent / "hooks"))


def alternate_refs_command(target: Person, marker: Marker) -> None:
    other = make_target(target.path.parent / "alternate")
    target.write(".git/objects/info/alternates", f"{other.path}/.git/objects\n")
    target.git("config", "core.alternateRefsCommand", marker.command)


def filters(target: Person, marker: Marker) -> None:
    target.git("config", "filter.evil.clean", marker.filter)
    target.git("config", "filter.evil.smudge", marker.filter)
    target.git("config", "diff.evil.textconv", f"{marker.filter} #")
    target.git("config", "merge.evil.driver", marker.command)
    target.write(".gitattributes", "* filter=evil diff=evil merge=evil\n")
    target.commit("attributes")


def fsmonitor(target: Person, marker: Marker) -> None:
    target.git("config", "core.fsmonitor", marker.command)


def pack_objects_hook(target: Person, marker: Marker) -> None:
    target.git("config", "uploadpack.packObjectsHook", str(marker.script(target.path.parent / "pack-hook")))


IN_THE_TARGET: list[tuple[Callable[[Person, Marker], None], str | None]] = [
    (hooks, "git push -q . HEAD:refs/heads/other"),
    (hooks_elsewhere, "git push -q . HEAD:refs/heads/other"),
    (alternate_refs_command, "git push -q . HEAD:refs/heads/other"),
    (filters, "touch app.py; git diff HEAD~1; git add -A; rm app.py; git checkout app.py"),
    (fsmonitor, "git status"),
    (pack_objects_hook, None),  # git takes this one from a person's own settings only, never from a repository
]


@pytest.mark.parametrize(("plant", "careless_line"), IN_THE_TARGET, ids=[row[0].__name__ for row in IN_THE_TARGET])
async def test_nothing_the_target_holds_is_run(
    target: Person, tmp_path: Path, plant: Callable[[Person, Marker], None], careless_line: str | None
) -> None:
    marker = Marker(tmp_path / "marker")
    plant(target, marker)
    marker.path.unlink(missing_ok=True)
    site = await make_site(target, tmp_path / "home")
    (site.tree.path / "app.py").write_text("work\n")

    await whole_cycle(site)

    assert not marker.path.exists()
    if careless_line is not None:
        careless(target.path, careless_line)
        assert marker.path.exists()


async def test_the_target_is_byte_for_byte_the_same_after_everything_but_a_push(target: Person, tmp_path: Path) -> None:
    target.write("app.py", "the person's half-done work\n")
    target.write("staged.py", "staged\n")
    target.git("add", "staged.py")
    before = manifest(target.path)
    site = await make_site(target, tmp_path / "home")
    (site.tree.path / "app.py").write_text("work\n")

    shot = await snapshot(site.repo, site.tree.path, site.base)
    sha = await site.tree.commit(shot, "work", parent=site.base, when=WHEN)
    await site.repo.fetch_base("main")
    await site.repo.merge_tree(site.base, sha)
    assert await site.repo.remote_ref(target.path, "refs/heads/agentos/7-a-thing") is None
    await site.tree.restore(sha)
    await site.tree.remove()
    assert manifest(target.path) == before

    await site.repo.push(target.path, sha, "refs/heads/agentos/7-a-thing", None)
    after = manifest(target.path)
    new = {path for path in after if before.get(path) != after[path]}
    assert all(
        path.startswith((".git/objects", ".git/refs/heads/agentos", ".git/logs/refs/heads/agentos")) for path in new
    )
    assert before.keys() <= after.keys()
