"""What every forge promises."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.forge.github import GitHubForge
from agentos.adapters.forge.local import LocalForge
from agentos.adapters.forge.memory import MemoryForge
from agentos.adapters.registry import BACKENDS
from agentos.domain.ci import CiCheck, CiState
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.forge import Forge, PullRequest, PullRequestDraft, ReviewNote
from agentos.workspace.repository import OwnedRepository
from tests.github.server import serving
from tests.models.clock import NotingClock
from tests.workspace.scene import WHEN, make_target

BRANCH = "agentos/7-a-flag"
PR = EffectKey("pr")
DRAFT = PullRequestDraft(BRANCH, "main", "Add a flag", f"Closes 7.\n\n{marker(PR)}")


@dataclass(frozen=True)
class Yard:
    """A forge; `commit` gives the sha of a new commit of the repository we own; `review` reviews as a person does;
    `say_of_line` gives the thread in which a review says something of a line (None: there are no threads)."""

    forge: Forge
    commit: Callable[[str], Awaitable[str]]
    review: Callable[[int, ReviewNote], Awaitable[None]]
    say_of_line: Callable[[int, int], str] | None = None


async def local(tmp_path: Path, _: AsyncExitStack) -> Yard:
    target = make_target(tmp_path / "target")
    repo = await OwnedRepository.open(tmp_path / "home", target.path, "repo")
    forge = LocalForge(repo, target.path, tmp_path / "home" / "forge" / "repo", ManualClock())
    return Yard(forge, await committer(repo), forge.add_review)


async def github(tmp_path: Path, stack: AsyncExitStack) -> Yard:
    target = make_target(tmp_path / "target")
    target.git("clone", "-q", "--bare", str(target.path), str(tmp_path / "hub.git"))
    target.git("--git-dir", str(tmp_path / "hub.git"), "config", "http.receivepack", "true")
    server = stack.enter_context(serving(tmp_path / "hub.git"))
    place = server.place()
    repo = await OwnedRepository.open(tmp_path / "home", place.git_target(), "repo")

    async def review(number: int, note: ReviewNote) -> None:
        server.github.review(number, state=note.state, body=note.body, sha=note.sha, at=note.at, id=int(note.id))

    def say_of_line(number: int, review: int) -> str:
        return server.github.say_of_line(number, review=review, path="new.txt", line=1, body="rename it").id

    return Yard(GitHubForge(place, repo, NotingClock()), await committer(repo), review, say_of_line)


async def committer(repo: OwnedRepository) -> Callable[[str], Awaitable[str]]:
    base = await repo.fetch_base("main")

    async def commit(message: str) -> str:
        blob = (await repo.git.run("hash-object", "-w", "--stdin", input=message.encode())).text
        tree = (await repo.git.run("mktree", input=f"100644 blob {blob}\tnew.txt\n".encode())).text
        return await repo.commit_tree(tree, [base], message, WHEN)

    return commit


async def memory(tmp_path: Path, _: AsyncExitStack) -> Yard:
    forge, made = MemoryForge(), list[str]()

    async def commit(message: str) -> str:
        made.append(message)
        return f"{len(made):040x}"[::-1]

    def say_of_line(number: int, review: int) -> str:
        return forge.say_of_line(number, str(review), "new.txt", 1)

    return Yard(forge, commit, forge.add_review, say_of_line)


YARDS: dict[str, Callable[[Path, AsyncExitStack], Awaitable[Yard]]] = {
    "local": local,
    "memory": memory,
    "github": github,
}


def test_every_registered_forge_is_held_to_the_contract() -> None:
    assert set(YARDS) == set(BACKENDS["forge"])


@pytest.fixture(params=YARDS)
async def yard(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Yard]:
    async with AsyncExitStack() as stack:
        yield await YARDS[request.param](tmp_path, stack)


async def opened(yard: Yard) -> tuple[str, PullRequest]:
    head = await yard.commit("one")
    await yard.forge.push(BRANCH, head, expected=None)
    return head, await yard.forge.open_pr(DRAFT, PR)


async def conflict(attempt: Awaitable[object]) -> None:
    with pytest.raises(OutsideError) as caught:
        await attempt
    assert caught.value.kind is FailureKind.CONFLICT


async def test_a_branch_moves_only_from_where_it_is_believed_to_be(yard: Yard) -> None:
    one, two = await yard.commit("one"), await yard.commit("two")
    assert await yard.forge.branch_head(BRANCH) is None
    await conflict(yard.forge.push(BRANCH, one, expected=two))
    for _ in range(2):
        await yard.forge.push(BRANCH, one, expected=None)
    await conflict(yard.forge.push(BRANCH, two, expected=None))
    assert await yard.forge.branch_head(BRANCH) == one
    await yard.forge.push(BRANCH, two, expected=one)
    assert await yard.forge.branch_head(BRANCH) == two


async def test_a_branch_is_deleted_only_from_where_it_is_believed_to_be(yard: Yard) -> None:
    one, two = await yard.commit("one"), await yard.commit("two")
    await yard.forge.push(BRANCH, one, expected=None)
    await conflict(yard.forge.delete_branch(BRANCH, expected=two))
    for _ in range(2):
        await yard.forge.delete_branch(BRANCH, expected=one)
    assert await yard.forge.branch_head(BRANCH) is None


async def test_an_opened_pull_request_is_found_by_its_branch(yard: Yard) -> None:
    assert await yard.forge.find_pr(BRANCH) is None
    head, pr = await opened(yard)
    assert await yard.forge.find_pr(BRANCH) == pr
    assert (pr.branch, pr.base, pr.head_sha, pr.state, pr.merge_sha) == (BRANCH, "main", head, "open", "")
    assert (pr.title, pr.body) == (DRAFT.title, DRAFT.body)
    assert str(pr.number) in pr.url
    assert await yard.forge.find_pr("agentos/7") is None


async def test_other_pull_requests_are_those_of_other_branches_that_are_neither_merged_nor_closed(yard: Yard) -> None:
    assert await yard.forge.other_prs("another") == ()
    _, pr = await opened(yard)
    assert await yard.forge.other_prs("another") == (pr,)
    assert await yard.forge.other_prs(BRANCH) == ()
    await yard.forge.close_pr(pr.number)
    assert await yard.forge.other_prs("another") == ()


async def test_a_branch_has_one_open_pull_request(yard: Yard) -> None:
    _, pr = await opened(yard)
    await conflict(yard.forge.open_pr(DRAFT, PR))
    await yard.forge.close_pr(pr.number)
    second = await yard.forge.open_pr(DRAFT, PR)
    assert second.number > pr.number
    assert await yard.forge.find_pr(BRANCH) == second


async def test_a_branch_that_is_not_there_cannot_be_proposed(yard: Yard) -> None:
    with pytest.raises(OutsideError) as caught:
        await yard.forge.open_pr(DRAFT, PR)
    assert caught.value.kind is FailureKind.GONE
    assert await yard.forge.find_pr(BRANCH) is None


async def test_the_head_is_the_branch_as_it_is_now(yard: Yard) -> None:
    head, pr = await opened(yard)
    two = await yard.commit("two")
    await yard.forge.push(BRANCH, two, expected=head)
    for _ in range(2):
        await yard.forge.edit_pr(pr.number, title="Better", body="text")
    found = await yard.forge.find_pr(BRANCH)
    assert found is not None
    assert (found.head_sha, found.title, found.body) == (two, "Better", "text")


async def test_reviews_come_oldest_first_and_once_each(yard: Yard) -> None:
    head, pr = await opened(yard)
    assert await yard.forge.reviews(pr.number) == ()
    assert await yard.forge.comments(pr.number) == ()
    first = ReviewNote("1", "anna", "changes_requested", "Please rename it.", head, "2026-01-01T00:00:00Z")
    second = ReviewNote("2", "anna", "approved", "", head, "2026-01-02T00:00:00Z")
    for review in (first, second, first):
        await yard.review(pr.number, review)
    found = await yard.forge.reviews(pr.number)
    assert tuple(replace(note, author_id="") for note in found) == (first, second)


async def test_a_draft_is_marked_ready_once_and_for_good_and_a_forge_without_drafts_has_none(yard: Yard) -> None:
    head = await yard.commit("one")
    await yard.forge.push(BRANCH, head, expected=None)
    pr = await yard.forge.open_pr(replace(DRAFT, unready=True), PR)
    assert pr.is_draft == (yard.say_of_line is not None), "what has threads has drafts"
    assert await yard.forge.find_pr(BRANCH) == pr
    for _ in range(2):
        await yard.forge.mark_ready(pr.number)
    found = await yard.forge.find_pr(BRANCH)
    assert found == replace(pr, is_draft=False)
    await yard.forge.merge(pr.number, expected_head=head, message="m")
    await yard.forge.mark_ready(pr.number)


async def test_what_is_not_asked_for_as_a_draft_is_none(yard: Yard) -> None:
    assert not (await opened(yard))[1].is_draft


async def test_a_thread_is_answered_under_a_key_and_settled(yard: Yard) -> None:
    _, pr = await opened(yard)
    assert await yard.forge.threads(pr.number) == ()
    if yard.say_of_line is None:
        for attempt in (yard.forge.reply(pr.number, "1", "text", PR), yard.forge.resolve(pr.number, "1")):
            with pytest.raises(OutsideError) as caught:
                await attempt
            assert caught.value.kind is FailureKind.GONE
        return
    first, second = yard.say_of_line(pr.number, 5), yard.say_of_line(pr.number, 5)
    one, two = await yard.forge.threads(pr.number)
    assert (one.id, two.id, one.path, one.line, one.reviews) == (first, second, "new.txt", 1, ("5",))
    assert (one.is_resolved, one.marks) == (False, ())
    await yard.forge.reply(pr.number, second, "Done.", PR)
    for _ in range(2):
        await yard.forge.resolve(pr.number, second)
    one, two = await yard.forge.threads(pr.number)
    assert (one.is_resolved, one.marks) == (False, ())
    assert (two.is_resolved, two.marks, two.reviews) == (True, (marker(PR),), ("5",))


async def test_a_thread_that_is_not_there_is_gone(yard: Yard) -> None:
    _, pr = await opened(yard)
    for attempt in (yard.forge.reply(pr.number, "nowhere", "text", PR), yard.forge.resolve(pr.number, "nowhere")):
        with pytest.raises(OutsideError) as caught:
            await attempt
        assert caught.value.kind is FailureKind.GONE


async def test_merging_twice_makes_one_merge(yard: Yard) -> None:
    head, pr = await opened(yard)
    merged = await yard.forge.merge(pr.number, expected_head=head, message="Merge it")
    assert await yard.forge.branch_head("main") == merged
    assert await yard.forge.merge(pr.number, expected_head=head, message="Merge it") == merged
    assert await yard.forge.branch_head("main") == merged
    found = await yard.forge.find_pr(BRANCH)
    assert found is not None
    assert (found.state, found.merge_sha, found.head_sha) == ("merged", merged, head)


async def test_a_head_that_moved_is_not_merged(yard: Yard) -> None:
    head, pr = await opened(yard)
    before = await yard.forge.branch_head("main")
    await yard.forge.push(BRANCH, await yard.commit("two"), expected=head)
    await conflict(yard.forge.merge(pr.number, expected_head=head, message="m"))
    assert await yard.forge.branch_head("main") == before


async def test_a_merged_pull_request_is_not_merged_again_for_another_head(yard: Yard) -> None:
    head, pr = await opened(yard)
    await yard.forge.merge(pr.number, expected_head=head, message="m")
    await conflict(yard.forge.merge(pr.number, expected_head="f" * 40, message="m"))


async def test_a_closed_pull_request_is_not_merged_and_a_merged_one_not_closed(yard: Yard) -> None:
    head, pr = await opened(yard)
    for _ in range(2):
        await yard.forge.close_pr(pr.number)
    await conflict(yard.forge.merge(pr.number, expected_head=head, message="m"))
    second = await yard.forge.open_pr(DRAFT, PR)
    await yard.forge.merge(second.number, expected_head=head, message="m")
    await yard.forge.close_pr(second.number)
    found = await yard.forge.find_pr(BRANCH)
    assert found is not None
    assert found.state == "merged"


async def test_a_merged_pull_request_keeps_its_facts_after_its_branch_is_gone(yard: Yard) -> None:
    head, pr = await opened(yard)
    merged = await yard.forge.merge(pr.number, expected_head=head, message="m")
    await yard.forge.delete_branch(BRANCH, expected=head)
    found = await yard.forge.find_pr(BRANCH)
    assert found is not None
    assert (found.state, found.head_sha, found.merge_sha) == ("merged", head, merged)
    assert await yard.forge.merge(pr.number, expected_head=head, message="m") == merged


async def test_a_pull_request_that_does_not_exist_is_gone(yard: Yard) -> None:
    tries: list[Awaitable[object]] = [
        yard.forge.reviews(9),
        yard.forge.comments(9),
        yard.forge.threads(9),
        yard.forge.mark_ready(9),
        yard.forge.edit_pr(9, title="t", body="b"),
        yard.forge.merge(9, expected_head="0" * 40, message="m"),
        yard.forge.close_pr(9),
    ]
    for attempt in tries:
        with pytest.raises(OutsideError) as caught:
            await attempt
        assert caught.value.kind is FailureKind.GONE


async def test_a_commit_that_nobody_checks_has_nothing_to_wait_for_and_nothing_is_run_again(yard: Yard) -> None:
    head, _ = await opened(yard)
    report = await yard.forge.ci(head, "main")
    assert report is None or (report.sha, report.checks, report.missing, report.is_expected) == (head, (), (), False)
    assert not await yard.forge.rerun("run:99")
    assert await yard.forge.ci_log(CiCheck("build", CiState.FAILED, "status:1")) == ""
