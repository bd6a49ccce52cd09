"""Merging into a repository that somebody works in: their changes stay, nothing of theirs runs, a crash is mended."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.forge.local import LocalForge
from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.forge import PullRequest, PullRequestDraft, ReviewNote
from agentos.workspace.repository import OwnedRepository
from tests.workspace.scene import Person, make_target

BRANCH = "agentos/7-a-flag"
REPO = Path(__file__).resolve().parents[2]
FILES: dict[str, str | bytes] = {
    "changed.py": "old\n",
    "gone.py": "gone\n",
    "same.py": "same\n",
    "tool.sh": "#!/bin/sh\n",
    "dir/deep.py": "deep\n",
    "big.bin": b"\0big",
}


@dataclass(frozen=True)
class Scene:
    """A person's repository whose main is checked out, and an open pull request 1 that changes, adds and deletes."""

    person: Person
    home: Path
    forge: LocalForge
    head: str
    base: str

    async def merge(self) -> str:
        return await self.forge.merge(1, expected_head=self.head, message="Merge it")

    async def refused(self, *words: str) -> str:
        """The sentence of a merge that is refused; main has not moved."""
        with pytest.raises(OutsideError) as caught:
            await self.merge()
        assert caught.value.kind is FailureKind.CONFLICT
        for word in words:
            assert word in str(caught.value)
        assert "\n" not in str(caught.value)
        assert self.person.git("rev-parse", "main") == self.base
        return str(caught.value)


async def make_scene(folder: Path, *, bare: bool = False) -> Scene:
    person = make_target(folder / "target", FILES)
    base = person.git("rev-parse", "HEAD")
    person.git("checkout", "-q", "-b", "work")
    person.write("changed.py", "new\n")
    person.write("dir/new file ü.py", "added\n")
    person.write("filtered.dat", "stored\n")
    (person.path / "gone.py").unlink()
    (person.path / "tool.sh").chmod(0o755)
    (person.path / "link").symlink_to("changed.py")
    head = person.commit("change")
    person.git("checkout", "-q", "main")
    repo = await OwnedRepository.open(folder / "home", person.path, "repo")
    await repo.fetch_base("work")
    person.git("branch", "-q", "-D", "work")
    if bare:
        person.git("clone", "-q", "--bare", ".", str(folder / "bare"))
        person = Person(folder / "bare")
    forge = LocalForge(repo, person.path, folder / "home" / "forge", ManualClock())
    await forge.push(BRANCH, head, expected=None)
    await forge.open_pr(PullRequestDraft(BRANCH, "main", "Add a flag", "body"), EffectKey("pr"))
    return Scene(person, folder / "home", forge, head, base)


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    return await make_scene(tmp_path)


def debris(person: Person) -> list[str]:
    """What nobody but git itself should leave: refs beside branches, and notes of fetches and merges."""
    git_dir = Path(person.git("rev-parse", "--absolute-git-dir"))
    known = {f"refs/heads/{name}" for name in ("main", "other", BRANCH)}
    refs = set(person.git("for-each-ref", "--format=%(refname)").split()) - known
    left = ("FETCH_HEAD", "ORIG_HEAD", "MERGE_HEAD", "index.lock", "refs/agentos", "AUTO_MERGE")
    return sorted(refs) + [name for name in left if (git_dir / name).exists()]


def check_merged(scene: Scene, merged: str) -> None:
    """Main is the merge, and the checkout is exactly it."""
    git = scene.person.git
    assert git("rev-parse", "main") == merged
    assert git("rev-parse", "main^1", "main^2").split() == [scene.base, scene.head]
    assert git("log", "-1", "--format=%s", "main") == "Merge it"
    assert debris(scene.person) == []


async def test_a_clean_checkout_moves_along(scene: Scene) -> None:
    merged = await scene.merge()
    check_merged(scene, merged)
    assert scene.person.git("status", "--porcelain") == ""
    assert (scene.person.path / "changed.py").read_text() == "new\n"
    assert (scene.person.path / "dir/new file ü.py").read_text() == "added\n"
    assert not (scene.person.path / "gone.py").exists()
    assert (scene.person.path / "tool.sh").stat().st_mode & 0o111
    assert (scene.person.path / "link").is_symlink()
    assert "agentos: merge" in scene.person.git("reflog", "-1")


async def test_changes_in_other_files_stay_as_they_are(scene: Scene) -> None:
    scene.person.write("same.py", "mine, not staged\n")
    scene.person.write("dir/deep.py", "mine, staged\n")
    scene.person.git("add", "dir/deep.py")
    scene.person.write("notes.txt", "untracked")
    before = scene.person.git("status", "--porcelain")
    check_merged(scene, await scene.merge())
    assert scene.person.git("status", "--porcelain") == before
    assert (scene.person.path / "same.py").read_text() == "mine, not staged\n"
    assert (scene.person.path / "dir/deep.py").read_text() == "mine, staged\n"


@pytest.mark.parametrize(
    ("name", "staged"),
    [
        ("changed.py", False),
        ("changed.py", True),
        ("gone.py", False),
        ("tool.sh", False),
        ("filtered.dat", False),
        ("filtered.dat", True),
    ],
)
async def test_changes_in_the_way_are_named_and_kept(scene: Scene, name: str, staged: bool) -> None:
    scene.person.write(name, "mine\n")
    if staged:
        scene.person.git("add", name)
    before = scene.person.git("status", "--porcelain")
    await scene.refused(name, "agentos retry 7")
    assert (scene.person.path / name).read_text() == "mine\n"
    assert scene.person.git("status", "--porcelain") == before
    assert debris(scene.person) == []
    scene.person.git("rm", "-q", "--cached", "--ignore-unmatch", "filtered.dat")
    scene.person.git("clean", "-q", "-fd")
    scene.person.git("checkout", "-q", "HEAD", "--", ".")
    check_merged(scene, await scene.merge())


async def test_several_changes_in_the_way_are_all_named(scene: Scene) -> None:
    for name in ("changed.py", "tool.sh"):
        scene.person.write(name, "mine\n")
    await scene.refused("changed.py", "tool.sh")


async def test_a_folder_in_the_way_is_named(scene: Scene) -> None:
    scene.person.write("filtered.dat/notes.txt", "mine\n")
    await scene.refused("filtered.dat")
    assert (scene.person.path / "filtered.dat/notes.txt").read_text() == "mine\n"


async def test_a_file_that_was_only_touched_is_not_in_the_way(scene: Scene) -> None:
    for name in FILES:
        os.utime(scene.person.path / name, (1_000_000_000, 1_000_000_000))
    check_merged(scene, await scene.merge())
    assert scene.person.git("status", "--porcelain") == ""


@pytest.mark.parametrize("name", ["MERGE_HEAD", "CHERRY_PICK_HEAD", "rebase-merge"])
async def test_a_person_in_the_middle_of_something_is_left_alone(scene: Scene, name: str) -> None:
    (scene.person.path / ".git" / name).write_text(f"{scene.head}\n")
    await scene.refused(name, "agentos retry 7")


async def test_an_index_that_another_git_holds_is_named_after_a_while(tmp_path: Path) -> None:
    scene = await make_scene(tmp_path)
    clock = ManualClock()
    repo = await OwnedRepository.open(scene.home, scene.person.path, "repo")
    forge = LocalForge(repo, scene.person.path, scene.home / "forge", clock)
    lock = scene.person.path / ".git" / "index.lock"
    lock.write_bytes(b"")
    merging = asyncio.create_task(forge.merge(1, expected_head=scene.head, message="Merge it"))
    while not merging.done():
        await clock.advance(1)
        await asyncio.sleep(0.01)
    with pytest.raises(OutsideError, match=r"index\.lock"):
        merging.result()
    lock.unlink()
    check_merged(scene, await scene.merge())


async def test_a_branch_that_is_not_checked_out_just_moves(scene: Scene) -> None:
    scene.person.git("checkout", "-q", "--detach")
    scene.person.write("changed.py", "mine\n")
    check_merged(scene, await scene.merge())
    assert scene.person.git("status", "--porcelain") == " M changed.py"
    assert (scene.person.path / "gone.py").exists()


async def test_a_branch_checked_out_in_another_work_tree_moves_there(scene: Scene, tmp_path: Path) -> None:
    scene.person.git("checkout", "-q", "-b", "other")
    scene.person.git("worktree", "add", "-q", str(tmp_path / "second ü"), "main")
    check_merged(scene, await scene.merge())
    second = Person(tmp_path / "second ü")
    assert second.git("status", "--porcelain") == ""
    assert (second.path / "changed.py").read_text() == "new\n"
    assert (scene.person.path / "changed.py").read_text() == "old\n"


async def test_a_work_tree_as_target_is_served_too(tmp_path: Path) -> None:
    scene = await make_scene(tmp_path)
    scene.person.git("checkout", "-q", "-b", "other")
    scene.person.git("worktree", "add", "-q", str(tmp_path / "second"), "main")
    repo = await OwnedRepository.open(scene.home, tmp_path / "second", "repo")
    forge = LocalForge(repo, tmp_path / "second", scene.home / "forge", ManualClock())
    check_merged(scene, await forge.merge(1, expected_head=scene.head, message="Merge it"))
    assert Person(tmp_path / "second").git("status", "--porcelain") == ""


async def test_a_checkout_whose_git_folder_lies_apart_moves_along(scene: Scene, tmp_path: Path) -> None:
    _move_git_folder(scene, tmp_path)
    check_merged(scene, await scene.merge())
    assert scene.person.git("status", "--porcelain") == ""
    assert (scene.person.path / "changed.py").read_text() == "new\n"
    assert not (tmp_path / "git folder" / "changed.py").exists()


async def test_a_checkout_that_git_does_not_name_is_left_alone(scene: Scene, tmp_path: Path) -> None:
    _move_git_folder(scene, tmp_path)
    scene.person.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "second"))
    repo = await OwnedRepository.open(scene.home, tmp_path / "second", "repo")
    forge = LocalForge(repo, tmp_path / "second", scene.home / "forge", ManualClock())
    with pytest.raises(OutsideError, match="checked out somewhere that git does not name") as refused:
        await forge.merge(1, expected_head=scene.head, message="Merge it")
    assert refused.value.kind is FailureKind.CONFLICT
    assert scene.person.git("status", "--porcelain") == ""
    assert not (tmp_path / "git folder" / "changed.py").exists()


def _move_git_folder(scene: Scene, tmp_path: Path) -> None:
    (scene.person.path / ".git").rename(tmp_path / "git folder")
    (scene.person.path / ".git").write_text(f"gitdir: {tmp_path}/git folder\n")


async def test_a_bare_repository_is_merged_into(tmp_path: Path) -> None:
    scene = await make_scene(tmp_path, bare=True)
    check_merged(scene, await scene.merge())


async def test_line_ends_of_the_repository_are_kept(tmp_path: Path) -> None:
    scene = await make_scene(tmp_path)
    scene.person.git("config", "core.autocrlf", "true")
    for name in FILES:
        (scene.person.path / name).unlink()
    scene.person.git("checkout", "-q", "HEAD", "--", ".")
    check_merged(scene, await scene.merge())
    assert (scene.person.path / "changed.py").read_bytes() == b"new\r\n"
    assert scene.person.git("status", "--porcelain") == ""


async def test_no_hook_filter_or_program_of_the_repository_runs(scene: Scene, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> "{ran}"\ncat\n')
    program.chmod(0o755)
    hooks = scene.person.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-merge", "post-checkout", "post-index-change", "reference-transaction", "pre-receive", "update",
                 "post-receive", "post-update", "push-to-checkout", "pre-push", "fsmonitor-watchman"):  # fmt: skip
        shutil.copy(program, hooks / name)
    for key in ("core.fsmonitor", "filter.mine.clean", "filter.mine.smudge", "filter.mine.process", "filter.a=b.smudge",
                "diff.mine.command", "diff.mine.textconv", "merge.mine.driver", "core.sshCommand",
                "uploadpack.packObjectsHook", "credential.helper", "core.editor", "core.pager"):  # fmt: skip
        scene.person.git("config", key, str(program))
    scene.person.git("config", "filter.mine.required", "true")
    included = tmp_path / "included"
    included.write_text(f'[filter "inc"]\n\tsmudge = {program}\n\tclean = {program}\n\trequired = true\n')
    scene.person.git("config", "include.path", str(included))
    attributes = scene.person.path / ".git" / "info" / "attributes"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_text("*.dat filter=mine diff=mine merge=mine\n*.py filter=inc\n*.sh filter=a=b\n")
    (scene.person.path / "changed.py").touch()
    check_merged_sha = await scene.merge()
    assert not ran.exists(), ran.read_text()
    assert (scene.person.path / "filtered.dat").read_text() == "stored\n"
    assert (scene.person.path / ".git" / "HEAD").read_text() == "ref: refs/heads/main\n"
    assert check_merged_sha in (scene.person.path / ".git" / "refs" / "heads" / "main").read_text()


async def test_a_base_that_does_not_merge_cleanly_names_the_paths(scene: Scene) -> None:
    scene.person.write("changed.py", "theirs\n")
    scene.person.commit("theirs")
    moved = scene.person.git("rev-parse", "main")
    with pytest.raises(OutsideError, match=r"does not merge cleanly into main: changed\.py") as caught:
        await scene.merge()
    assert caught.value.kind is FailureKind.CONFLICT
    assert scene.person.git("rev-parse", "main") == moved


async def test_a_base_that_moved_is_merged_with(scene: Scene) -> None:
    scene.person.write("same.py", "theirs\n")
    moved = scene.person.commit("theirs")
    merged = await scene.merge()
    assert scene.person.git("rev-parse", f"{merged}^1") == moved
    assert (scene.person.path / "same.py").read_text() == "theirs\n"
    assert scene.person.git("status", "--porcelain") == ""


async def test_a_merge_by_hand_is_seen_and_found(scene: Scene) -> None:
    scene.person.git("merge", "-q", "--no-ff", "-m", "by hand", BRANCH)
    by_hand = scene.person.git("rev-parse", "main")
    scene.person.write("later.py", "x")
    scene.person.commit("later")
    found = await scene.forge.find_pr(BRANCH)
    assert found is not None
    assert (found.state, found.merge_sha) == ("merged", by_hand)
    assert await scene.merge() == by_hand
    assert [json.loads(path.read_text())["state"] for path in (scene.home / "forge").iterdir()] == ["merged"]


async def test_a_fast_forward_by_hand_is_seen_too(scene: Scene) -> None:
    scene.person.git("merge", "-q", "--ff-only", BRANCH)
    scene.person.write("later.py", "x")
    scene.person.commit("later")
    assert await scene.merge() == scene.head


async def test_the_record_holds_diff_reviews_and_plan(scene: Scene) -> None:
    note = ReviewNote("cli:1", "anna", "approved", "fine\x1b[31m", scene.head, "2026-01-02T00:00:00Z")
    await scene.forge.add_review(1, note)
    merged = await scene.merge()
    record = json.loads((scene.home / "forge" / "1.json").read_text())
    assert record["format"] == "agentos.local-pr/v1"
    assert (record["diff"]["files"], record["diff"]["insertions"], record["diff"]["deletions"]) == (6, 4, 2)
    assert record["reviews"][0]["body"] == "fine"
    assert record["plan"]["sha"] == record["merge_sha"] == merged
    assert (await scene.forge.get_pr(1)).url == "local-pr:1"


async def test_a_proposal_of_nothing_is_refused(scene: Scene) -> None:
    await scene.forge.push("agentos/8-nothing", scene.base, expected=None)
    with pytest.raises(OutsideError, match="has nothing that main has not"):
        await scene.forge.open_pr(PullRequestDraft("agentos/8-nothing", "main", "t", "b"), EffectKey("pr"))


async def test_a_damaged_record_is_named(scene: Scene) -> None:
    (scene.home / "forge" / "1.json").write_text('{"number": 1}')
    with pytest.raises(OutsideError, match=r"1\.json is damaged"):
        await scene.forge.find_pr(BRANCH)


async def test_opening_at_once_from_many_branches_gives_each_its_number(scene: Scene) -> None:
    async def propose(at: int) -> PullRequest:
        await scene.forge.push(f"agentos/{at}-x", scene.head, expected=None)
        return await scene.forge.open_pr(PullRequestDraft(f"agentos/{at}-x", "main", "t", "b"), EffectKey("pr"))

    found = await asyncio.gather(*(propose(at) for at in range(10, 16)))
    assert sorted(each.number for each in found) == [2, 3, 4, 5, 6, 7]
    assert len(list((scene.home / "forge").iterdir())) == 7


# --- crashes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("done", range(1, 7))
async def test_files_half_written_by_a_crash_are_taken_as_ours(scene: Scene, done: int) -> None:
    """What git leaves when the power goes while it writes: some files new, index and ref old."""
    names = ["changed.py", "dir/new file ü.py", "filtered.dat", "gone.py", "tool.sh", "link"]
    reference = scene.person.path.parent / "reference"
    scene.person.git("worktree", "add", "-q", "--detach", str(reference), scene.head)
    for name in names[:done]:
        here, there = scene.person.path / name, reference / name
        here.unlink(missing_ok=True)
        if there.exists():
            shutil.copy2(there, here, follow_symlinks=False)
    scene.person.git("worktree", "remove", "--force", str(reference))
    check_merged(scene, await scene.merge())
    assert scene.person.git("status", "--porcelain") == ""


def run_merge(scene: Scene, kill_at: int) -> subprocess.CompletedProcess[str]:
    script = REPO / "tests" / "adapters" / "merge_once.py"
    words = [sys.executable, str(script), str(scene.person.path), str(scene.home), scene.head, str(kill_at)]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(REPO), "PATH": "/usr/bin:/bin"}
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["checked out", "elsewhere"])
async def test_a_kill_before_any_act_is_mended_by_repeating(tmp_path: Path, where: str) -> None:
    first = await make_scene(tmp_path / "first")
    if where == "elsewhere":
        first.person.git("checkout", "-q", "--detach")
    whole = run_merge(first, 0)
    assert whole.returncode == 0, whole.stderr
    tree, acts = first.person.git("rev-parse", "main^{tree}"), int(whole.stdout)
    assert acts >= 10
    for kill_at in range(1, acts + 1):
        scene = await make_scene(tmp_path / str(kill_at))
        if where == "elsewhere":
            scene.person.git("checkout", "-q", "--detach")
        scene.person.write("same.py", "mine\n")
        killed = run_merge(scene, kill_at)
        assert killed.returncode == -9, (kill_at, killed.stderr)
        planned = json.loads((scene.home / "forge" / "1.json").read_text())["plan"]
        merged = await scene.merge()
        check_merged(scene, merged)
        assert planned is None or planned["sha"] == merged
        assert scene.person.git("rev-parse", "main^{tree}") == tree
        assert scene.person.git("status", "--porcelain") == (" M same.py")
        assert (scene.person.path / "same.py").read_text() == "mine\n"
        assert [path.name for path in (scene.home / "forge").iterdir()] == ["1.json"]
        shutil.rmtree(tmp_path / str(kill_at))
