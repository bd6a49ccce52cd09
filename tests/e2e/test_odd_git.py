"""Whatever git lets a repository be: the merge arrives, or one sentence says why not, and nothing else has moved."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.conftest import World
from tests.e2e import git_oddities as odd_git
from tests.e2e.oddities import git, marker
from tests.e2e.traces import checkout, git_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
MERGED = "succeeded merged"
CHANGED = ("greet.py", "tests/test_shout.py")
KINDS = (
    odd_git.replaced,
    odd_git.alternates,
    odd_git.option_refs,
    odd_git.refusing,
    odd_git.encoded,
    odd_git.sparse,
    odd_git.indexed,
    odd_git.taken,
    odd_git.oddly_named,
    odd_git.apart,
    odd_git.owned_by_another,
)


def everything(target: Path) -> None:
    """All of it in one repository."""
    for odd in KINDS:
        odd(target)


@pytest.mark.parametrize("odd", [everything, *(pytest.param(odd, marks=pytest.mark.full) for odd in KINDS)])
def test_a_repository_of_every_kind_gets_its_merge_and_keeps_the_rest(
    world: World, odd: Callable[[Path], None]
) -> None:
    odd(world.target)
    base = git(world.target, "symbolic-ref", "HEAD")
    moving = (base, f"refs/heads/{odd_git.OURS}")
    before = checkout(world.target, *CHANGED), git_folder(world.target, *moving)

    assert world.drive().ended == MERGED

    assert (checkout(world.target, *CHANGED), git_folder(world.target, *moving)) == before
    assert "def shout" in git(world.target, "show", f"{base}:greet.py")
    assert "def shout" in (world.target / "greet.py").read_text()
    assert not marker(world.target).exists()


@pytest.mark.parametrize(
    ("odd", "code", "said"),
    [
        (odd_git.sha256, 2, "names its objects by SHA-256, which AgentOS cannot work with yet"),
        (odd_git.of_the_future, 2, "(unknown repository extension found: holograms): mend it until `git log` works"),
        (odd_git.incomplete, 2, "`git fsck` there says what else is missing"),
        (odd_git.partial, 3, "in a partial clone `git fetch --refetch --no-filter` brings them"),
        (odd_git.taken_by_another, 3, f"the branch {odd_git.OURS} holds commits that are not from this run"),
        (odd_git.in_the_way, 3, "rename or delete the branch agentos, then retry"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_git_does_not_give_is_said_before_anything_is_paid(
    world: World, odd: Callable[[Path], Path | None], code: int, said: str
) -> None:
    world.target = odd(world.target) or world.target
    before = checkout(world.target), git_folder(world.target)

    called = world.agentos("run", "--issue", "1", "--quiet")

    assert called.code == code, called.out + called.err
    assert said in " ".join((called.out + called.err).split())
    assert code != 2 or len(called.err.strip().splitlines()) == 1
    assert not world.asked
    assert not marker(world.target).exists()
    assert (checkout(world.target), git_folder(world.target)) == before


def test_a_run_whose_branch_was_taken_goes_on_once_it_is_free(world: World) -> None:
    odd_git.taken_by_another(world.target)
    assert world.agentos("run", "--issue", "1", "--quiet").code == 3
    git(world.target, "branch", "-m", odd_git.OURS, "mine")

    assert world.agentos("retry", "1", "--quiet").code == 4
    assert git(world.target, "log", "-1", "--format=%s", "mine") == "mine"
