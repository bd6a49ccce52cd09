"""The forge on GitHub beyond the contract: git over HTTP with a token that nobody else sees."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from agentos.adapters.forge.github import GitHubForge
from agentos.adapters.github.access import GitAuthorization, TokenAccess
from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.forge import PullRequestDraft
from agentos.workspace.repository import OwnedRepository
from agentos.workspace.target import Target
from tests.github.fake import TOKEN, basic
from tests.github.server import Fault, Server, serving
from tests.models.clock import NotingClock
from tests.workspace.scene import WHEN, make_target

BRANCH, PR = "agentos/7-a-flag", EffectKey("pr")
DRAFT = PullRequestDraft(BRANCH, "main", "Add a flag", "Closes 7.")


@dataclass(frozen=True)
class Yard:
    """A forge on a GitHub, and our repository for it."""

    server: Server
    repo: OwnedRepository
    forge: GitHubForge

    async def commit(self, name: str, text: str) -> str:
        """The sha of a commit on main that holds one file."""
        base = await self.repo.fetch_base("main")
        blob = (await self.repo.git.run("hash-object", "-w", "--stdin", input=text.encode())).text
        tree = (await self.repo.git.run("mktree", input=f"100644 blob {blob}\t{name}\n".encode())).text
        return await self.repo.commit_tree(tree, [base], text, WHEN)


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    target = make_target(tmp_path / "target")
    target.git("clone", "-q", "--bare", str(target.path), str(tmp_path / "hub.git"))
    target.git("--git-dir", str(tmp_path / "hub.git"), "config", "http.receivepack", "true")
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path / "hub.git"))
        repo = await OwnedRepository.open(tmp_path / "home", server.place().git_target(), "repo")
        yield Yard(server, repo, GitHubForge(server.place(), repo, NotingClock()))


async def test_git_is_told_the_token_and_keeps_it_nowhere(yard: Yard, tmp_path: Path) -> None:
    head = await yard.commit("new.txt", "one")
    await yard.forge.push(BRANCH, head, expected=None)
    assert yard.server.github.ref(BRANCH) == head
    secrets = [TOKEN.encode(), basic(TOKEN).encode()]
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert [path for path in kept for secret in secrets if secret in path.read_bytes()] == []
    assert not any(TOKEN in asked for asked in yard.server.git_asked)
    lines = yard.server.github.command_lines
    assert any("remote-http" in line for line in lines), "git was seen at it"
    assert not any(secret.decode() in line for line in lines for secret in secrets)
    assert TOKEN not in repr(yard.repo.target)


async def test_a_wrong_token_pushes_nothing_and_is_not_told(yard: Yard, tmp_path: Path) -> None:
    head = await yard.commit("new.txt", "one")
    wrong = yard.server.place("ghp_wrong")
    repo = await OwnedRepository.open(tmp_path / "home", wrong.git_target(), "repo")
    with pytest.raises(OutsideError, match="the right to read and write") as caught:
        await GitHubForge(wrong, repo, NotingClock()).push(BRANCH, head, expected=None)
    assert caught.value.kind is FailureKind.DENIED
    assert basic("ghp_wrong").split()[1] not in str(caught.value)
    assert yard.server.github.ref(BRANCH) == ""


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, FailureKind.DENIED),
        (403, FailureKind.DENIED),
        (404, FailureKind.GONE),
        (301, FailureKind.GONE),
        (429, FailureKind.TRANSIENT),
        (500, FailureKind.TRANSIENT),
        (503, FailureKind.TRANSIENT),
    ],
)
async def test_what_git_is_refused_is_told_by_its_kind_and_the_next_try_works(
    yard: Yard, status: int, kind: FailureKind
) -> None:
    head = await yard.commit("new.txt", "one")
    fault = Fault("git", "git", status)
    yard.server.faults.append(fault)
    with pytest.raises(OutsideError) as caught:
        await yard.forge.push(BRANCH, head, expected=None)
    assert (caught.value.kind, fault.fired) == (kind, 1), str(caught.value)
    assert basic(TOKEN).split()[1] not in str(caught.value)
    await yard.forge.push(BRANCH, head, expected=None)
    assert await yard.forge.branch_head(BRANCH) == head


async def test_a_server_out_of_reach_is_asked_later(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="look at the network") as caught:
        await Target("http://127.0.0.1:1/acme/todo.git", GitAuthorization(TokenAccess(SecretStr("x")))).refs()
    assert caught.value.kind is FailureKind.TRANSIENT


async def test_paths_that_conflict_are_named(yard: Yard) -> None:
    head, other = await yard.commit("app.py", "ours"), await yard.commit("app.py", "theirs")
    await yard.forge.push(BRANCH, head, expected=None)
    pr = await yard.forge.open_pr(DRAFT, PR)
    await yard.forge.push("main", other, expected=await yard.forge.branch_head("main"))
    with pytest.raises(OutsideError, match=r"does not merge cleanly into main: app\.py") as caught:
        await yard.forge.merge(pr.number, expected_head=head, message="Merge it")
    assert caught.value.kind is FailureKind.CONFLICT


async def test_a_review_tells_who_and_its_lines(yard: Yard) -> None:
    head = await yard.commit("new.txt", "one")
    await yard.forge.push(BRANCH, head, expected=None)
    pr = await yard.forge.open_pr(DRAFT, PR)
    hub = yard.server.github
    hub.review(pr.number, state="changes_requested", body="Please:", sha=head, at="2026-01-01T00:00:00Z", id=5)
    hub.review(pr.number, state="pending", body="not sent", sha=head, at="2026-01-02T00:00:00Z", id=6)
    hub.say_of_line(pr.number, review=5, path="new.txt", line=1, body="rename it")
    (note,) = await yard.forge.reviews(pr.number)
    assert (note.author_id, note.state, note.sha) == ("2", "changes_requested", head)
    assert note.body == "Please:\nnew.txt:1: rename it"


async def test_nothing_to_propose_is_invalid(yard: Yard) -> None:
    base = await yard.repo.fetch_base("main")
    await yard.forge.push(BRANCH, base, expected=None)
    with pytest.raises(OutsideError, match="No commits between") as caught:
        await yard.forge.open_pr(DRAFT, PR)
    assert caught.value.kind is FailureKind.INVALID


async def test_a_github_that_lags_behind_a_push_is_asked_later(yard: Yard) -> None:
    one = await yard.commit("new.txt", "one")
    await yard.forge.push(BRANCH, one, expected=None)
    yard.server.github.is_behind = True
    with pytest.raises(OutsideError, match="does not show its last push yet") as caught:
        await yard.forge.open_pr(DRAFT, PR)
    assert caught.value.kind is FailureKind.TRANSIENT
    yard.server.github.is_behind = False
    pr = await yard.forge.open_pr(DRAFT, PR)
    yard.server.github.is_behind = True
    two = await yard.commit("new.txt", "two")
    await yard.forge.push(BRANCH, two, expected=one)
    with pytest.raises(OutsideError, match="does not show its last push yet"):
        await yard.forge.merge(pr.number, expected_head=two, message="Merge it")
    yard.server.github.is_behind = False
    assert await yard.forge.merge(pr.number, expected_head=two, message="Merge it")
