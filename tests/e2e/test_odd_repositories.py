"""Whatever a repository is like: the run works, or one sentence says why not; nothing is lost and nothing is left over."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.crash.conftest import World
from tests.crash.toy import replies
from tests.e2e import oddities
from tests.e2e.oddities import git
from tests.e2e.traces import checkout, git_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
MERGED = "succeeded merged"
CHANGED = {"greet.py", "tests/test_shout.py"}
MAIN = "refs/heads/main"
CONTENT = (
    oddities.names,
    oddities.links,
    oddities.submodule,
    oddities.lfs,
    oddities.cases,
    oddities.huge,
    oddities.daemons,
    oddities.line_ends,
    oddities.dirty,
    oddities.hostile,
)
FORMS = (oddities.detached, oddities.linked, oddities.shallow, oddities.nested)
MEMORY_BYTES = 400 << 20


def everything(target: Path) -> None:
    """All of it in one repository."""
    for odd in CONTENT:
        odd(target)


def a_form_of_forms(target: Path) -> Path:
    """A further work tree of a shallow clone, inside another repository."""
    return oddities.linked(oddities.shallow(oddities.nested(target)))


def in_full(*odd: Callable[..., object]) -> list[object]:
    """Those that have a run of their own in `make test-full` alone."""
    return [pytest.param(each, id=each.__name__, marks=pytest.mark.full) for each in odd]


def expect_no_debris(world: World) -> None:
    target = world.target
    assert git(target, "for-each-ref", "--format=%(refname)", "refs/heads").splitlines() == [MAIN]
    assert not [path for path in world.home.glob("worktrees/*/*") if not path.name.startswith(".")]
    assert not list(world.home.glob("scratch/*"))
    assert not list(target.rglob("*.agentos-writing"))
    assert not oddities.marker(target).exists()
    git(target, "fsck", "--no-dangling", "--connectivity-only")
    odd = ("sleep 4321", "sleep 4322", str(world.home))
    running = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in running if line.startswith(odd[:2]) or odd[2] in line]


@pytest.mark.parametrize("odd", [everything, *in_full(*CONTENT, oddities.loud)])
def test_odd_content_stays_as_it_is_around_the_merged_change(world: World, odd: Callable[[Path], None]) -> None:
    odd(world.target)
    before = checkout(world.target, *CHANGED), git_folder(world.target, MAIN)
    untouched = git(world.target, "ls-tree", "-r", "HEAD").splitlines()
    staged = git(world.target, "diff", "--cached", "--name-only")

    assert world.drive().ended == MERGED

    assert (checkout(world.target, *CHANGED), git_folder(world.target, MAIN)) == before
    after = git(world.target, "ls-tree", "-r", "HEAD").splitlines()
    assert {line.split("\t")[1] for line in set(untouched) ^ set(after)} == CHANGED
    assert "def shout" in (world.target / "greet.py").read_text()
    assert git(world.target, "diff", "--cached", "--name-only") == staged
    expect_no_debris(world)


@pytest.mark.parametrize("form", [a_form_of_forms, *in_full(*FORMS)])
def test_an_odd_form_of_repository_gets_its_merge(world: World, form: Callable[[Path], Path]) -> None:
    world.target = form(world.target)
    stands_on = git(world.target, "rev-parse", "--abbrev-ref", "HEAD")
    here = git(world.target, "rev-parse", "HEAD")

    assert world.drive().ended == MERGED

    assert "def shout" in git(world.target, "show", "main:greet.py")
    assert git(world.target, "rev-parse", "--abbrev-ref", "HEAD") == stands_on
    assert (git(world.target, "rev-parse", "HEAD") == here) == (stands_on == "HEAD"), (
        "who stands on a commit stays there"
    )
    expect_no_debris(world)


@pytest.fixture
def roomy() -> Iterator[Path]:
    """A folder in memory where there is one: thousands of files take minutes on a slow disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [5_000, pytest.param(50_000, marks=pytest.mark.full)])
def test_many_files_are_no_hindrance(world: World, roomy: Path, number: int) -> None:
    world.target = Path(shutil.move(world.target, roomy / "target"))
    world.home = roomy / "home"
    world.environment["AGENTOS_HOME"] = str(world.home)
    oddities.many(world.target, number)

    assert world.drive().ended == MERGED

    assert sum(1 for _ in (world.target / "many").rglob("*.txt")) == number
    expect_no_debris(world)


def test_a_change_of_the_persons_own_in_the_way_of_the_merge_is_named_and_kept(world: World) -> None:
    mine = world.target / "greet.py"
    merged = mine.read_bytes()
    mine.write_text("# mine\n")

    assert world.drive().ended.startswith("blocked")
    shown = world.agentos("show", "1")
    assert "greet.py" in shown.out
    assert "commit, stash or move them away" in shown.out
    assert mine.read_text() == "# mine\n"

    mine.write_bytes(merged)
    done = world.agentos("retry", "1")
    assert done.code == 0, done.err
    assert "def shout" in mine.read_text()
    expect_no_debris(world)


# Commands that do not behave


def test_a_gigabyte_of_output_takes_bounded_memory(world: World) -> None:
    oddities.loud(world.target)
    # The mark of having printed lies outside of the tree, where a box would not let it be made.
    world.environment["AGENTOS_SANDBOX"] = "process"
    called = world.agentos("run", "--issue", "1", "--quiet")

    assert called.code == 4, called.err
    assert (world.target.parent / "printed").is_dir()
    assert called.peak_bytes < MEMORY_BYTES
    logs = list(world.home.glob("runs/*/1/1/*test*.txt"))
    assert logs
    assert all(path.stat().st_size < 10 << 20 for path in logs)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("{run: sleep 4323, timeout_s: 1}", "`test` did not end by itself"),
        (
            "python3 -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:9/')\"",
            "`test` ended with exit code 1 and reported no tests",
        ),
        ("'true'", "`test` ended with exit code 0 and reported no tests"),
    ],
    ids=["hang", "network", "no tests at all"],
)
def test_tests_that_tell_nothing_end_the_work_with_what_was_seen(world: World, command: str, said: str) -> None:
    workflow = world.target / "WORKFLOW.md"
    workflow.write_text(workflow.read_text().replace("python3 run_tests.py {junit}\n", f"{command}\n", 1))
    oddities.commit(world.target)
    for round_ in (2, 3, 4):
        world.server.replies["impl", "implementer", round_] = replies()["impl", "implementer", 2]

    called = world.agentos("run", "--issue", "1", "--quiet")

    assert called.code == 3, called.out + called.err
    assert said in called.out
    assert not [each for each in psutil.process_iter(["cmdline"]) if "4323" in (each.info["cmdline"] or ())]


# What cannot work, in one sentence


def no_commits(world: World) -> None:
    shutil.rmtree(world.target / ".git")
    git(world.target, "init", "-q", "-b", "main")


def bare(world: World) -> None:
    git(world.target.parent, "clone", "-q", "--bare", str(world.target), "bare.git")
    world.target = world.target.parent / "bare.git"


def no_repository(world: World) -> None:
    shutil.rmtree(world.target / ".git")


def no_branch(world: World) -> None:
    git(world.target, "branch", "-m", "main", "trunk")
    git(world.target, "branch", "other")
    git(world.target, "checkout", "-q", "--detach")


def no_tickets(world: World) -> None:
    shutil.rmtree(world.target / "tickets")


def two_of_one_number(world: World) -> None:
    shutil.copy(world.target / "tickets/001-shout.md", world.target / "tickets/001-other.md")


def ticket_in_utf16(world: World) -> None:
    path = world.target / "tickets/001-shout.md"
    path.write_bytes(path.read_text("utf-8").encode("utf-16"))


def policy_in_latin_1(world: World) -> None:
    (world.target / "WORKFLOW.md").write_bytes(b"---\ncommands:\n  test: 'true'\n---\nf\xfcr uns\n")
    oddities.commit(world.target)


def no_git(world: World) -> None:
    world.environment["PATH"] = "/nonexistent"


def old_git(world: World) -> None:
    programs = world.target.parent / "programs"
    programs.mkdir()
    (programs / "git").write_text("#!/bin/sh\necho git version 2.30.2\n")
    (programs / "git").chmod(0o755)
    world.environment["PATH"] = f"{programs}:{os.environ['PATH']}"


def home_is_a_file(world: World) -> None:
    world.home.write_text("")


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (no_commits, "has no commits yet: make a first commit"),
        (bare, "is a bare repository"),
        (no_repository, "is in no git repository; run `git init`"),
        (no_branch, "check a branch out, or name the base"),
        (no_tickets, "there is no ticket 1 in"),
        (two_of_one_number, "ticket 1 exists twice"),
        (ticket_in_utf16, "save it as UTF-8"),
        (policy_in_latin_1, "WORKFLOW.md is not UTF-8"),
        (no_git, "git was not found on PATH: install git 2.38 or newer"),
        (old_git, "says 'git version 2.30.2': install git 2.38 or newer"),
        (home_is_a_file, "let AGENTOS_HOME name a folder"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_work_is_said_in_one_sentence(world: World, odd: Callable[[World], None], said: str) -> None:
    odd(world)
    before = checkout(world.target, *CHANGED)

    called = world.agentos("run", "--issue", "1", "--quiet")

    assert (called.code, called.out) == (2, ""), called.err
    assert called.err.startswith("agentos: ")
    assert said in called.err
    assert len(called.err.strip().splitlines()) == 1
    assert checkout(world.target, *CHANGED) == before
    assert not list(world.home.glob("runs/*"))


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only, for root too."""
    bound: list[Path] = []

    def bind(folder: Path) -> None:
        for words in (("--bind", str(folder), str(folder)), ("-o", "remount,bind,ro", str(folder))):
            if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
                pytest.skip("mounting is not permitted here")
            bound[:] = [folder]

    yield bind
    for folder in bound:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_read_only_tickets_folder_blocks_and_goes_on_once_it_can_be_written(
    world: World, read_only: Callable[[Path], None]
) -> None:
    tickets = world.target / "tickets"
    read_only(tickets)

    called = world.agentos("run", "--issue", "1", "--quiet")

    assert called.code == 3, called.err
    assert "cannot be written: Read-only file system" in called.out
    assert "retry 1" in called.out
    subprocess.run(["mount", "-o", "remount,bind,rw", str(tickets)], check=True)
    again = world.agentos("retry", "1", "--quiet")
    assert again.code == 4, again.err
