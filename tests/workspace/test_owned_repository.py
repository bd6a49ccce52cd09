import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.workspace.repository import Identity, OwnedRepository
from agentos.workspace.target import Target
from tests.workspace.scene import WHEN, Person, Site, make_site, make_target, manifest

OPEN_AND_FETCH = """
import asyncio, sys
from pathlib import Path
from agentos.workspace.repository import OwnedRepository

async def main(home, target):
    sys.stdin.readline()
    repo = await OwnedRepository.open(Path(home), Path(target), "host/owner/name")
    print(await repo.fetch_base("main"))

asyncio.run(main(*sys.argv[1:]))
"""


def test_processes_that_open_and_fetch_at_once_all_get_the_same_repository(target: Person, tmp_path: Path) -> None:
    home = tmp_path / "home"
    waiting = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_FETCH, str(home), str(target.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for process in waiting:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate()[0].strip() for process in waiting}

    assert answers == {target.git("rev-parse", "main")}
    assert [entry.name for entry in (home / "repos").iterdir()] == ["host_owner_name-" + _suffix(home) + ".git"]


def _suffix(home: Path) -> str:
    [repo] = (home / "repos").iterdir()
    return repo.stem.rpartition("-")[2]


@pytest.mark.parametrize(
    "name", ["two words", "naïve-ünï-木", "-leading-dash", "--upload-pack=touch pwned", "a:b", "it's $HOME"]
)
async def test_any_folder_name_can_hold_a_target(tmp_path: Path, name: str) -> None:
    target = make_target(tmp_path / name)
    site = await make_site(target, tmp_path / "home of ü")
    sha = await site.repo.commit_tree(await site.repo.tree_of(site.base), [site.base], "x", WHEN)
    await site.repo.push(target.path, sha, "refs/heads/agentos/7-a-thing", None)
    assert await site.repo.remote_ref(target.path, "refs/heads/agentos/7-a-thing") == sha
    assert (site.tree.path / "app.py").read_text() == "print('hello')\n"
    assert not list(tmp_path.rglob("pwned"))


async def test_uncommitted_work_of_the_person_is_neither_taken_nor_touched(target: Person, tmp_path: Path) -> None:
    target.write("app.py", "half done\n")
    target.write("new.py", "not added\n")
    target.write("staged.py", "added\n")
    target.git("add", "staged.py")
    before = manifest(target.path)
    site = await make_site(target, tmp_path / "home")
    assert [entry.path for entry in await site.repo.list_paths(site.base)] == ["app.py", "docs/guide.md"]
    assert manifest(target.path) == before


async def test_a_repository_without_commits_is_told_to_make_one(tmp_path: Path) -> None:
    empty = Person(tmp_path / "empty")
    empty.path.mkdir()
    empty.git("init", "-q")
    repo = await OwnedRepository.open(tmp_path / "home", empty.path, "k")
    with pytest.raises(UsageError, match=r"no commits yet: make a first commit"):
        await repo.default_branch()
    with pytest.raises(UsageError, match=r"no commits yet: make a first commit"):
        await repo.fetch_base("main")


async def test_a_folder_that_is_no_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a git repository: run `git init`"):
        await Target.at(tmp_path).default_branch()


@pytest.mark.parametrize("word", ["ext::sh -c touch% pwned", "-u", "host:path", "--upload-pack=x", "git://x/y"])
def test_only_folders_and_plain_urls_are_targets(word: str) -> None:
    with pytest.raises(UsageError, match="neither a folder nor"):
        Target.at(word)


async def test_a_missing_base_branch_is_named(site: Site) -> None:
    with pytest.raises(UsageError, match=r"has no branch 'trunk'"):
        await site.repo.fetch_base("trunk")
    with pytest.raises(UsageError, match=r"cannot be the name of a branch"):
        await site.repo.fetch_base("main:refs/heads/evil")


async def test_the_default_branch_is_where_head_stands_else_main_or_the_only_one(tmp_path: Path) -> None:
    target = make_target(tmp_path / "t")
    target.git("checkout", "-q", "-b", "trunk")
    assert await Target.at(target.path).default_branch() == "trunk"
    target.git("checkout", "-q", "--detach")
    assert await Target.at(target.path).default_branch() == "main"
    target.git("branch", "-D", "main")
    assert await Target.at(target.path).default_branch() == "trunk"
    target.git("branch", "other")
    with pytest.raises(UsageError, match="stands on no branch"):
        await Target.at(target.path).default_branch()


async def test_a_detached_target_gives_its_branch_not_what_is_checked_out(target: Person, tmp_path: Path) -> None:
    main = target.git("rev-parse", "HEAD")
    target.git("checkout", "-q", "--detach")
    target.commit("on no branch")
    assert (await make_site(target, tmp_path / "home")).base == main


async def test_a_shallow_target_works_and_its_history_follows_once_it_is_there(target: Person, tmp_path: Path) -> None:
    for number in range(4):
        target.commit(f"change {number}")
    shallow = Person(tmp_path / "shallow")
    target.git("clone", "-q", "--depth=2", f"file://{target.path}", str(shallow.path))
    site = await make_site(shallow, tmp_path / "home")
    assert site.base == target.git("rev-parse", "HEAD")
    assert (await site.repo.git.run("rev-list", "--count", site.base)).text == "2"

    assert await site.repo.fetch_base("main") == site.base
    shallow.git("fetch", "-q", "--unshallow")
    await site.repo.fetch_base("main")

    assert (await site.repo.git.run("rev-list", "--count", site.base)).text == "5"


async def test_a_worktree_and_a_bare_repository_are_targets_too(target: Person, tmp_path: Path) -> None:
    target.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    target.git("clone", "-q", "--bare", str(target.path), str(tmp_path / "bare.git"))
    assert await Target.at(tmp_path / "side").default_branch() == "side"
    for place in (tmp_path / "side", tmp_path / "bare.git"):
        contents = Target.at(place).contents()
        assert await contents.read_file(target.git("rev-parse", "main"), "app.py") == b"print('hello')\n"


async def test_the_base_follows_the_target_also_when_its_history_is_rewritten(site: Site) -> None:
    site.target.git("commit", "-q", "--amend", "-m", "rewritten")
    assert await site.repo.fetch_base("main") == site.target.git("rev-parse", "HEAD")


async def test_a_missing_file_is_none_and_a_missing_commit_is_an_error(site: Site) -> None:
    assert await site.repo.read_file(site.base, "app.py") == b"print('hello')\n"
    for path in ("nope", "docs", "app.py/x", "", "a\0b", "x blob 5\nzzzzz"):
        assert await site.repo.read_file(site.base, path) is None
    with pytest.raises(UsageError, match="has lost the commit"):
        await site.repo.read_file("1" * 40, "app.py")


async def test_many_files_are_read_at_once_whatever_names_are_missing_among_them(site: Site) -> None:
    paths = [entry.path for entry in await site.repo.list_paths(site.base)]
    there = {path: content for path in paths if (content := await site.repo.read_file(site.base, path)) is not None}
    missing = ("nope\nblob 3", f"\n{'1' * 40} blob 4\nabcd", "docs", "a\0b", "x missing")
    asked = [*missing[:3], *there, *missing[3:], *there]
    assert await site.repo.read_files(site.base, asked) == there
    assert await site.repo.read_files(site.base, ()) == {}


async def test_the_same_commit_made_twice_has_one_sha(site: Site) -> None:
    tree = await site.repo.tree_of(site.base)
    first = await site.repo.commit_tree(tree, [site.base], "Grüße\n\nbody", WHEN)
    assert await site.repo.commit_tree(tree, [site.base], "Grüße\n\nbody", WHEN) == first
    assert await site.repo.commit_tree(tree, [site.base], "Grüße\n\nbody", WHEN + timedelta(seconds=1)) != first
    shown = (await site.repo.git.run("show", "-s", "--format=%an|%ae|%cI|%B", first)).text
    assert shown == "AgentOS|agentos@localhost|2026-01-02T03:04:05+00:00|Grüße\n\nbody"


async def test_commits_are_signed_by_the_configured_identity(target: Person, tmp_path: Path) -> None:
    who = Identity("Bot", "bot@example.invalid")
    repo = await OwnedRepository.open(tmp_path / "home", target.path, "k", identity=who)
    base = await repo.fetch_base("main")
    sha = await repo.commit_tree(await repo.tree_of(base), [base], "x", WHEN)
    assert (await repo.git.run("show", "-s", "--format=%an <%ae> %cn <%ce>", sha)).text == " ".join(
        ["Bot <bot@example.invalid>"] * 2
    )


async def test_a_ref_moves_only_from_where_it_was_expected(site: Site) -> None:
    repo, ref = site.repo, "refs/heads/x"
    tree = await repo.tree_of(site.base)
    one, two = [await repo.commit_tree(tree, [site.base], word, WHEN) for word in ("one", "two")]

    await repo.update_ref(ref, site.base, None)
    await repo.update_ref(ref, one, site.base)
    await repo.update_ref(ref, one, site.base)  # a repeat of what happened is fine
    for expected in (site.base, two, None):
        with pytest.raises(OutsideError) as refused:
            await repo.update_ref(ref, two, expected)
        assert refused.value.kind is FailureKind.CONFLICT
    with pytest.raises(OutsideError):
        await repo.delete_ref(ref, two)
    assert await repo.resolve(ref) == one

    await repo.delete_ref(ref, one)
    await repo.delete_ref(ref, one)
    assert await repo.resolve(ref) is None


async def test_ancestry_is_answered_and_unknown_commits_are_an_error(site: Site) -> None:
    child = await site.repo.commit_tree(await site.repo.tree_of(site.base), [site.base], "x", WHEN)
    assert await site.repo.is_ancestor(site.base, child)
    assert not await site.repo.is_ancestor(child, site.base)
    with pytest.raises(OutsideError):
        await site.repo.is_ancestor("1" * 40, child)


async def test_a_merge_gives_its_tree_or_the_paths_that_conflict(target: Person, tmp_path: Path) -> None:
    target.git("checkout", "-q", "-b", "left")
    target.write("left.py", "left\n")
    left = target.commit()
    target.git("checkout", "-q", "-b", "other", "main")
    target.write("other.py", "other\n")
    other = target.commit()
    target.write("left.py", "not left\n")
    target.write(".gitattributes", "* merge=union\n")
    clash = target.commit()
    site = await make_site(target, tmp_path / "home")
    await site.repo.fetch_base("left")
    await site.repo.fetch_base("other")

    merged = await site.repo.merge_tree(left, other)
    assert merged.tree is not None
    commit = await site.repo.commit_tree(merged.tree, [left, other], "merge", WHEN)
    assert {entry.path for entry in await site.repo.list_paths(commit)} >= {"left.py", "other.py", "app.py"}
    assert (await site.repo.merge_tree(left, clash)).conflicts == ("left.py",)
    assert (await site.repo.merge_tree(left, clash)).tree is None


async def test_a_push_moves_only_what_is_where_it_was_expected(site: Site) -> None:
    repo, there, ref = site.repo, site.target.path, "refs/heads/agentos/7-a-thing"
    tree = await repo.tree_of(site.base)
    one, two = [await repo.commit_tree(tree, [site.base], word, WHEN) for word in ("one", "two")]
    assert await repo.remote_ref(there, ref) is None

    await repo.push(there, one, ref, None)
    await repo.push(there, one, ref, None)  # a repeat of what happened is fine
    for expected in (None, site.base):
        with pytest.raises(OutsideError) as refused:
            await repo.push(there, two, ref, expected)
        assert refused.value.kind is FailureKind.CONFLICT
    assert await repo.remote_ref(there, ref) == one
    await repo.push(there, two, ref, one)
    assert site.target.git("rev-parse", ref) == two


async def test_the_branch_a_person_stands_on_is_never_pushed_over(site: Site) -> None:
    sha = await site.repo.commit_tree(await site.repo.tree_of(site.base), [site.base], "x", WHEN)
    site.target.git("config", "receive.denyCurrentBranch", "updateInstead")
    with pytest.raises(OutsideError, match="checked out") as refused:
        await site.repo.push(site.target.path, sha, "refs/heads/main", site.base)
    assert refused.value.kind is FailureKind.INVALID
    assert site.target.git("rev-parse", "main") == site.base


async def test_a_bundle_carries_a_branch_to_another_machine(site: Site, tmp_path: Path) -> None:
    sha = await site.repo.commit_tree(await site.repo.tree_of(site.base), [site.base], "x", WHEN)
    await site.repo.update_ref("refs/heads/x", sha, None)
    await site.repo.bundle("refs/heads/x", tmp_path / "b", since=site.base)
    elsewhere = await OwnedRepository.open(tmp_path / "other-home", site.target.path, "k")
    with pytest.raises(OutsideError, match="fetch the base"):
        await elsewhere.unbundle(tmp_path / "b")

    await elsewhere.fetch_base("main")

    assert await elsewhere.unbundle(tmp_path / "b") == {"refs/heads/x": sha}
    assert await elsewhere.resolve(sha) == sha
    assert [path.name for path in tmp_path.glob(".bundle*")] == []


async def test_the_size_and_text_of_a_change_are_told(site: Site, tmp_path: Path) -> None:
    person = site.target
    person.write("app.py", "print('hello')\nmore\n")
    person.write("bin", b"\0\1")
    person.git("mv", "docs/guide.md", "docs/ü b.md")
    head = person.commit()
    await site.repo.fetch_base("main")

    stat = await site.repo.diff_stat(site.base, head)
    assert {(file.path, file.insertions, file.deletions) for file in stat.per_file} == {
        ("app.py", 1, 0),
        ("bin", None, None),
        ("docs/guide.md", 0, 1),
        ("docs/ü b.md", 1, 0),
    }
    assert (stat.files, stat.insertions, stat.deletions) == (4, 2, 1)
    text = await site.repo.diff(site.base, head, limit_bytes=10_000)
    assert "+more\n" in text
    assert "rename to docs/ü b.md" in text
    cut = await site.repo.diff(site.base, head, limit_bytes=100)
    assert cut.endswith("\n[cut here: the diff is longer than 100 bytes]\n")
    raw = {
        change.path: (change.kind, change.old_mode, change.new_mode)
        for change in await site.repo.diff_tree_raw(site.base, head)
    }
    assert raw["bin"] == ("A", "000000", "100644")
    assert raw["app.py"] == ("M", "100644", "100644")
    assert raw["docs/guide.md"] == ("D", "100644", "000000")


async def test_a_tree_with_a_hidden_git_folder_is_not_fetched(target: Person, tmp_path: Path) -> None:
    blob = target.git("hash-object", "-w", "--stdin", input=b"x")
    inner = target.git("mktree", input=f"100644 blob {blob}\tconfig\n".encode())
    outer = target.git("mktree", input=f"040000 tree {inner}\t.GIT\n".encode())
    target.git("update-ref", "refs/heads/evil", target.git("commit-tree", outer, "-m", "x"))
    repo = await OwnedRepository.open(tmp_path / "home", target.path, "k")
    with pytest.raises(OutsideError, match="fetch failed"):
        await repo.fetch_base("evil")
    assert await repo.resolve("refs/agentos/base/evil") is None


async def test_workers_of_one_process_can_fetch_at_once(site: Site) -> None:
    site.target.commit("next")
    shas = await asyncio.gather(*(site.repo.fetch_base("main") for _ in range(8)))
    assert set(shas) == {site.target.git("rev-parse", "main")}
