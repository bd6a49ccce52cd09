import os
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from agentos.workspace.repository import OwnedRepository
from agentos.workspace.snapshot import Snapshot, snapshot
from agentos.workspace.walk import Limits
from tests.workspace.scene import WHEN, Person, Site, make_site, make_target


async def taken(site: Site, *, limits: Limits | None = None) -> Snapshot:
    return await snapshot(site.repo, site.tree.path, site.base, limits=limits)


def changed(shot: Snapshot) -> dict[str, str]:
    return {change.path: change.kind for change in shot.changes}


async def paths(repo: OwnedRepository, tree: str) -> dict[str, str]:
    return {entry.path: entry.mode for entry in await repo.list_paths(tree)}


async def test_an_untouched_tree_is_the_base(site: Site) -> None:
    assert await taken(site) == Snapshot(await site.repo.tree_of(site.base), ())


async def test_every_kind_of_change_is_taken_as_git_itself_would(site: Site) -> None:
    root = site.tree.path
    (root / "app.py").write_text("changed\n")
    (root / "app.py").chmod(0o755)
    (root / "docs" / "guide.md").unlink()
    (root / "docs").rmdir()
    (root / "docs").write_text("a file where a folder was\n")
    (root / "new" / "deep").mkdir(parents=True)
    (root / "new" / "deep" / "x").write_text("x")
    (root / "link").symlink_to("new/deep/x")
    (root / "empty").mkdir()

    shot = await taken(site)

    kinds = {"app.py": "M", "docs": "A", "docs/guide.md": "D", "link": "A", "new/deep/x": "A"}
    assert changed(shot) == kinds
    assert shot.problems == ()
    modes = {"app.py": "100755", "docs": "100644", "link": "120000", "new/deep/x": "100644"}
    assert await paths(site.repo, shot.tree_sha) == modes
    # The measure is git's own opinion of the same files.
    site.target.git("--work-tree", str(root), "add", "-A")
    assert shot.tree_sha == site.target.git("write-tree")


async def test_a_folder_where_a_file_was_is_taken(site: Site) -> None:
    (site.tree.path / "app.py").unlink()
    (site.tree.path / "app.py").mkdir()
    (site.tree.path / "app.py" / "inner.py").write_text("x")
    assert changed(await taken(site)) == {"app.py": "D", "app.py/inner.py": "A"}


async def test_a_mode_alone_is_a_change(site: Site) -> None:
    (site.tree.path / "app.py").chmod(0o755)
    [change] = (await taken(site)).changes
    assert (change.kind, change.old_mode, change.new_mode) == ("M", "100644", "100755")


async def test_bytes_arrive_as_they_are_and_leave_as_they_were(tmp_path: Path) -> None:
    odd = {
        "crlf.txt": b"a\r\nb\r\n",
        "mixed.txt": b"a\r\nb\nc\r",
        "id.txt": b"$Id$\n",
        "wide.txt": "wide".encode("utf-16"),
        "zero.bin": b"\0\xff\r\n",
        ".gitattributes": b"* text=auto eol=crlf ident working-tree-encoding=UTF-16\n*.bin filter=x diff=x merge=x\n",
    }
    target = make_target(tmp_path / "t")
    target.git("config", "core.autocrlf", "false")
    # Straight into the object store, or git would convert them on the way.
    for name, content in odd.items():
        sha = target.git("hash-object", "-w", "--no-filters", "--stdin", input=content)
        target.git("update-index", "--add", "--cacheinfo", f"100644,{sha},{name}")
    target.git("commit", "-q", "-m", "odd")
    site = await make_site(target, tmp_path / "home")

    assert {name: (site.tree.path / name).read_bytes() for name in odd} == odd
    assert (await taken(site)).changes == ()

    for name, content in odd.items():
        if name != ".gitattributes":
            (site.tree.path / f"new-{name}").write_bytes(content)
    shot = await taken(site)
    sha = await site.tree.commit(shot, "x", parent=site.base, when=WHEN)
    for name, content in odd.items():
        if name != ".gitattributes":
            assert await site.repo.read_file(sha, f"new-{name}") == content


@pytest.mark.parametrize(
    "name", ["-rf", "--help", "naïve 木.txt", "a b", ":(glob)x", "*.py", 'it\'s "x"', "0 100644 x", "é"]
)
async def test_odd_but_honest_names_are_taken(site: Site, name: str) -> None:
    (site.tree.path / name).write_text(name)
    shot = await taken(site)
    assert changed(shot) == {name: "A"}
    sha = await site.tree.commit(shot, "x", parent=site.base, when=WHEN)
    assert await site.repo.read_file(sha, name) == name.encode()
    await site.tree.restore(sha)
    assert (site.tree.path / name).read_text() == name


@pytest.mark.parametrize("name", [b"line\nbreak", b"esc\x1b[2J", b"latin-\xe9", b"tab\there"])
async def test_names_that_lie_or_break_storage_are_refused(site: Site, name: bytes) -> None:
    (site.tree.path / os.fsdecode(name)).write_text("x")
    shot = await taken(site)
    assert shot.changes == ()
    [problem] = shot.problems
    assert problem.isprintable()
    problem.encode("utf-8")


async def test_odd_names_of_the_base_stay_and_can_change(tmp_path: Path) -> None:
    target = make_target(tmp_path / "t")
    name = os.fsdecode(b"latin-\xe9\n")
    target.write(name, "old")
    target.commit()
    site = await make_site(target, tmp_path / "home")
    assert (await taken(site)).changes == ()
    (site.tree.path / name).write_text("new")
    assert changed(await taken(site)) == {name: "M"}


# Ignoring


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


async def test_ignored_files_are_left_out_just_as_git_leaves_them_out(tmp_path: Path) -> None:
    rules = {
        ".gitignore": "*.log\n!keep.log\n/build\ndist/\nfoo/**\n!foo/yes\n# note\n\\#x\ncache/*\n!cache/a\nw[ab]?\n **/odd\n",
        "sub/.gitignore": "!sub.log\n*.tmp\n/only-here\n",
        "build/tracked": "tracked inside an ignored folder\n",
        "x.log": "tracked though ignored\n",
    }
    target = make_target(tmp_path / "t", {})
    for name, content in rules.items():
        target.write(name, content)
    target.git("add", "-A", "-f")
    target.git("commit", "-q", "-m", "rules")
    site = await make_site(target, tmp_path / "home")
    root = site.tree.path
    write(
        root, "a.log", "keep.log", "sub/sub.log", "sub/x.tmp", "x.tmp", "sub/only-here", "only-here", "sub/in/only-here"
    )
    write(
        root,
        "build/untracked",
        "sub/build/x",
        "dist/x",
        "sub/dist/y",
        "foo/yes",
        "foo/no",
        "foo/d/yes",
        "#x",
        "wa1",
        "wc1",
    )
    write(root, "cache/a", "cache/b", "cache/c/d", "m/odd", "build/in/keep.log", "dist/.gitignore")
    (root / "dist" / ".gitignore").write_text("!x\n")
    (root / "x.log").write_text("changed")
    (root / "build" / "tracked").write_text("changed")

    shot = await taken(site)

    site.target.git("--work-tree", str(root), "add", "-A")
    names = site.target.git("diff", "--cached", "--name-only", "-z", "HEAD").split("\0")[:-1]
    assert sorted(changed(shot)) == sorted(names)
    assert {"keep.log", "sub/sub.log", "foo/yes", "cache/a", "x.log", "build/tracked"} <= set(names)
    assert shot.problems == ()


async def test_rules_an_agent_adds_hold_and_byproducts_need_no_rule(site: Site) -> None:
    write(
        site.tree.path, "out/x", "__pycache__/m.pyc", "docs/__pycache__/m.pyc", ".pytest_cache/v", "node_modules/p/i.js"
    )
    (site.tree.path / ".gitignore").write_text("out/\n")
    assert changed(await taken(site)) == {".gitignore": "A"}


async def test_taking_an_ignore_line_away_does_not_bring_secrets_in_silently(tmp_path: Path) -> None:
    site = await make_site(make_target(tmp_path / "t", {".gitignore": ".env\n*.log\n"}), tmp_path / "home")
    write(site.tree.path, ".env", "a.log", "b.txt")
    (site.tree.path / ".gitignore").write_text("*.log\n")
    shot = await taken(site)
    assert changed(shot) == {".gitignore": "M", "b.txt": "A"}
    assert shot.problems == (".env is ignored at the base commit: to take it, add !/.env to .gitignore",)

    (site.tree.path / ".gitignore").unlink()
    assert ".env" not in changed(await taken(site))

    (site.tree.path / ".gitignore").write_text("*.log\n!/.env\n")
    shot = await taken(site)
    assert changed(shot) == {".gitignore": "M", ".env": "A", "b.txt": "A"}
    assert shot.problems == ()


async def test_a_rule_that_would_take_for_ever_is_passed_over_and_named(site: Site) -> None:
    (site.tree.path / ".gitignore").write_text("*a*a*a*a*a*a*a*b\n!\n*.log\n")
    write(site.tree.path, "a" * 255, "x.log")
    shot = await taken(site)
    assert changed(shot) == {".gitignore": "A", "a" * 255: "A"}
    assert shot.problems == (".gitignore: 2 lines were passed over (*a*a*a*a*a*a*a*b, !)",)


# What cannot be taken stays as the base has it


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(path.parent)  # socket paths are short
    server.bind(path.name)
    os.chdir(here)
    server.close()


def link_to(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.symlink_to(target)

    return make


def name_a_submodule(path: Path) -> None:
    path.write_text('[submodule "x"]\n', "utf-8")


REFUSED: list[tuple[str, Callable[[Path], None], str]] = [
    ("fifo", fifo, "neither a file"),
    ("socket", unix_socket, "neither a file"),
    ("absolute", link_to("/etc/passwd"), "leaves the tree"),
    ("up", link_to("../../secret"), "leaves the tree"),
    ("docs/up", link_to("../../secret"), "leaves the tree"),
    ("detour", link_to("docs/../../secret"), "leaves the tree"),
    ("into-git", link_to(".git/config"), "into .git"),
    ("into-git", link_to("docs/.GIT/config"), "into .git"),
    (".gitattributes", link_to("app.py"), "must not be a symlink"),
    ("docs/.gitignore", link_to("guide.md"), "must not be a symlink"),
    (".gitmodules", name_a_submodule, "only people change"),
    (".GitModules", name_a_submodule, "only people change"),
]


@pytest.mark.parametrize(("name", "make", "reason"), REFUSED, ids=[f"{row[0]}-{row[2][:8]}" for row in REFUSED])
async def test_what_is_no_honest_file_is_refused_by_name(
    site: Site, name: str, make: Callable[[Path], None], reason: str
) -> None:
    make(site.tree.path / name)
    (site.tree.path / "good").write_text("good")
    shot = await taken(site)
    assert changed(shot) == {"good": "A"}
    [problem] = shot.problems
    assert problem.startswith(f"{name} ")
    assert reason in problem


@pytest.mark.parametrize("make", [fifo, link_to("/etc")], ids=["fifo", "link"])
async def test_a_tracked_file_or_folder_replaced_by_a_refused_thing_stays_as_it_was(
    site: Site, make: Callable[[Path], None]
) -> None:
    for name in ("app.py", "docs/guide.md"):
        (site.tree.path / name).unlink()
    (site.tree.path / "docs").rmdir()
    make(site.tree.path / "app.py")
    make(site.tree.path / "docs")
    shot = await taken(site)
    assert shot.changes == ()
    assert len(shot.problems) == 2


async def test_a_link_inside_the_tree_is_taken_and_an_old_one_outside_may_stay(tmp_path: Path) -> None:
    target = make_target(tmp_path / "t")
    (target.path / "old").symlink_to("/etc/hostname")
    target.commit()
    site = await make_site(target, tmp_path / "home")
    (site.tree.path / "docs" / "fine").symlink_to("../app.py")
    (site.tree.path / "dangling").symlink_to("not/there/yet")
    shot = await taken(site)
    assert changed(shot) == {"docs/fine": "A", "dangling": "A"}
    assert shot.problems == ()


async def test_a_hard_link_is_refused_but_an_unchanged_one_is_no_matter(site: Site, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (site.tree.path / "stolen").hardlink_to(tmp_path / "secret")
    (tmp_path / "copy").hardlink_to(site.tree.path / "app.py")
    shot = await taken(site)
    assert shot.changes == ()
    assert shot.problems == ("stolen is a hard link: copy the file instead",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
async def test_what_cannot_be_read_stays_as_it_was(site: Site) -> None:
    (site.tree.path / "app.py").chmod(0)
    (site.tree.path / "docs").chmod(0)
    shot = await taken(site)
    assert shot.changes == ()
    assert len(shot.problems) == 2


# Limits


async def test_a_large_file_is_refused_unless_the_base_has_the_very_same(tmp_path: Path) -> None:
    site = await make_site(make_target(tmp_path / "t", {"old": b"x" * 2000, "other": b"y" * 2000}), tmp_path / "home")
    (site.tree.path / "new").write_bytes(b"z" * 1001)
    (site.tree.path / "other").write_bytes(b"w" * 2000)
    shot = await taken(site, limits=Limits(file_bytes=1000))
    assert shot.changes == ()
    assert shot.problems == ("new is larger than 1000 bytes", "other is larger than 1000 bytes")


async def test_an_endless_sparse_file_costs_no_memory(site: Site) -> None:
    with (site.tree.path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    tracemalloc.start()
    shot = await taken(site)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shot.problems == (f"huge is larger than {20 << 20} bytes",)
    assert peak < 10 << 20


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(files=2), "more than 2 files are new or changed"),
        (Limits(total_bytes=10), "larger than 10 bytes together"),
        (Limits(names=4), "more than 4 names"),
        (Limits(walk_s=0), "took longer than 0 s"),
    ],
)
async def test_over_a_limit_on_the_whole_nothing_is_taken(site: Site, limits: Limits, reason: str) -> None:
    write(site.tree.path, "one", "two", "three", "four")
    shot = await taken(site, limits=limits)
    assert shot.changes == ()
    assert shot.tree_sha == await site.repo.tree_of(site.base)
    assert reason in shot.problems[-1]


async def test_a_flood_of_problems_is_cut(site: Site) -> None:
    for number in range(200):
        (site.tree.path / f"link{number}").symlink_to("/etc")
    shot = await taken(site)
    assert len(shot.problems) == 51
    assert shot.problems[-1] == "and more of the kind"


# Submodules


async def with_submodule(tmp_path: Path) -> Site:
    library = make_target(tmp_path / "library")
    target = make_target(tmp_path / "t")
    target.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.path), "lib/sub")
    target.commit("submodule")
    return await make_site(target, tmp_path / "home")


def empty(sub: Path) -> None:
    sub.rmdir()


def filled(sub: Path) -> None:
    (sub / "x").write_text("x")


def replaced(sub: Path) -> None:
    sub.rmdir()
    sub.write_text("x")


def parent_replaced(sub: Path) -> None:
    sub.rmdir()
    sub.parent.rmdir()
    sub.parent.write_text("x")


@pytest.mark.parametrize(
    ("tamper", "reason"),
    [
        (lambda sub: None, None),
        (empty, None),
        (filled, "is a submodule: what is in it"),
        (replaced, "is a submodule and cannot be replaced"),
        (parent_replaced, "holds a submodule"),
    ],
)
async def test_a_submodule_stays_what_the_base_says(
    tmp_path: Path, tamper: Callable[[Path], None], reason: str | None
) -> None:
    site = await with_submodule(tmp_path)
    tamper(site.tree.path / "lib" / "sub")
    (site.tree.path / "app.py").write_text("changed")
    shot = await taken(site)
    assert changed(shot) == {"app.py": "M"}
    assert (await paths(site.repo, shot.tree_sha))["lib/sub"] == "160000"
    assert len(shot.problems) == (reason is not None)
    assert reason is None or reason in shot.problems[0]


async def test_person_sees_the_commit_as_their_own_git_does(site: Site) -> None:
    write(site.tree.path, "new/a", "new/b")
    sha = await site.tree.commit(await taken(site), "x", parent=site.base, when=WHEN)
    await site.repo.push(site.target.path, sha, "refs/heads/agentos/7-a-thing", None)
    person = Person(site.target.path)
    person.git("fsck", "--strict")
    assert person.git("diff", "--name-only", f"main..{sha}") == "new/a\nnew/b"
