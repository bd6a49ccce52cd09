"""A person merges by hand while the run waits: the next look sees it, and the run goes on to its close-out."""

import json
import subprocess

import pytest

from tests.crash.conftest import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.mark.parametrize(("at", "approvals"), [("review", 1), ("dossier", 2)])
def test_a_merge_by_hand_answers_what_the_run_waits_for(world: World, at: str, approvals: int) -> None:
    never = ("--set", "merge_authority=none", "--json")
    waits = world.agentos("run", "--issue", "1", *never)
    for _ in range(approvals):
        waits = world.agentos("approve", "1", "--json")
    told = json.loads(waits.out)["wait"]
    assert told["kind"] == at, waits.err
    assert ("approve" in told["accepts"]) is (at == "review")
    branch = git(world, "for-each-ref", "--format=%(refname:short)", "refs/heads/agentos")
    git(world, "-c", "user.name=Ann", "-c", "user.email=a@example.org", "merge", "-q", "--no-ff", "-m", "mine", branch)

    done = world.agentos("run", "--issue", "1", "--json")
    assert (done.code, json.loads(done.out)["outcome"]) == (0, "merged"), done.err
    assert "it was merged by hand" in done.err
    assert git(world, "branch", "--list", "agentos/*") == ""


def git(world: World, *words: str) -> str:
    """What git says in the person's repository."""
    return subprocess.run(["git", *words], cwd=world.target, check=True, capture_output=True, text=True).stdout.strip()
