"""A GitHub App goes in by its own signature: tokens for one repository, renewed in time, known to nobody else."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.tracker.github import GitHubTracker
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import IssueRef
from agentos.telemetry.redaction import redacted
from agentos.workspace.repository import OwnedRepository
from tests.github.apps import BOT, INSTALLATION, FakeApp, private_key
from tests.github.fake import ROBOT, basic
from tests.github.server import Fault, Server, serving
from tests.workspace.scene import make_target

KEY, ISSUE = EffectKey("status-comment"), IssueRef("repo", 1)


@dataclass
class Yard:
    """A GitHub with an App, and our clock beside GitHub's."""

    server: Server
    app: FakeApp
    clock: ManualClock

    def tracker(self) -> GitHubTracker:
        return GitHubTracker(self.server.app_place(self.clock), "repo", self.clock)

    async def pass_time(self, seconds: float) -> None:
        """Effect: so much later, here and there."""
        self.app.pass_time(seconds)
        await self.clock.advance(seconds)

    def asked(self, route: str) -> int:
        """How often that was asked with success."""
        return len([each for each in self.server.github.ledger if each.route == route and each.status < 300])


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    target = make_target(tmp_path / "target")
    target.git("clone", "-q", "--bare", str(target.path), str(tmp_path / "hub.git"))
    target.git("--git-dir", str(tmp_path / "hub.git"), "config", "http.receivepack", "true")
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path / "hub.git"))
        server.github.app = FakeApp()
        server.github.open_issue("A flag", "Add it.")
        yield Yard(server, server.github.app, ManualClock())


async def test_one_token_serves_api_and_git_until_shortly_before_its_end(yard: Yard, tmp_path: Path) -> None:
    place = yard.server.app_place(yard.clock)
    tracker, repo = (
        GitHubTracker(place, "repo", yard.clock),
        await OwnedRepository.open(tmp_path / "home", place.git_target(), "repo"),
    )
    await tracker.get(1)
    head = await repo.fetch_base("main")
    await repo.push(repo.target, head, "refs/heads/agentos/1-flag", None)
    assert (yard.asked("app token"), yard.app.refused) == (1, [])
    await yard.pass_time(45 * 60)
    await tracker.get(1)
    assert yard.asked("app token") == 1
    await yard.pass_time(10 * 60)
    assert await repo.remote_ref(repo.target, "refs/heads/agentos/1-flag") == head
    await tracker.get(1)
    assert (yard.asked("app token"), yard.app.refused) == (2, [])


@pytest.mark.parametrize(
    ("ours", "refused"),
    [(timedelta(), 0), (timedelta(minutes=-5), 0), (timedelta(hours=-3), 1), (timedelta(hours=2), 1)],
)
async def test_a_clock_that_is_wrong_is_set_by_githubs(yard: Yard, ours: timedelta, refused: int) -> None:
    yard.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC) + ours)
    tracker = yard.tracker()
    await tracker.get(1)
    assert len(yard.app.refused) == refused
    await yard.pass_time(49 * 60)
    await tracker.get(1)
    assert yard.asked("app token") == 1
    await yard.pass_time(2 * 60)
    await tracker.get(1)
    assert yard.asked("app token") == 2
    assert len(yard.app.refused) == refused


async def test_a_revoked_token_is_replaced_once_and_the_request_goes_on(yard: Yard, tmp_path: Path) -> None:
    place = yard.server.app_place(yard.clock)
    tracker = GitHubTracker(place, "repo", yard.clock)
    await tracker.get(1)
    yard.app.revoke()
    assert (await tracker.get(1)).title == "A flag"
    assert yard.app.refused == ["unknown or expired token"]
    yard.app.revoke()
    repo = await OwnedRepository.open(tmp_path / "home", place.git_target(), "repo")
    assert await repo.fetch_base("main")
    assert (yard.asked("app token"), len(yard.app.refused)) == (3, 2)


async def test_a_server_that_knows_no_token_at_all_is_asked_twice_and_no_more(yard: Yard) -> None:
    yard.server.faults.append(Fault("unknown", "issue", 401, times=9))
    with pytest.raises(OutsideError, match=r"look at github\.app_id") as caught:
        await yard.tracker().get(1)
    assert (caught.value.kind, yard.server.faults[0].fired) == (FailureKind.DENIED, 2)


async def test_only_the_apps_own_bot_is_us(yard: Yard) -> None:
    tracker = yard.tracker()
    forged = yard.server.github.comment(1, f"{marker(KEY)}\n\nforged", who=ROBOT)
    assert await tracker.find_comment(ISSUE, KEY) is None
    with pytest.raises(OutsideError, match="of ours to edit"):
        await tracker.edit_comment(ISSUE, str(forged), "x")
    written = await tracker.write_comment(ISSUE, "here", KEY)
    assert yard.server.github.comments[int(written)]["user"]["login"] == BOT[1]
    assert await tracker.find_comment(ISSUE, KEY) == written
    assert await yard.tracker().find_comment(ISSUE, KEY) == written


async def test_a_named_installation_is_taken_without_looking_for_it(yard: Yard) -> None:
    place = yard.server.app_place(yard.clock, installation=INSTALLATION)
    await GitHubTracker(place, "repo", yard.clock).get(1)
    assert yard.asked("installation") == 0


async def test_an_app_that_is_not_installed_says_where_to_do_it_and_is_let_in_afterwards(yard: Yard) -> None:
    yard.app.is_installed = False
    tracker = yard.tracker()
    with pytest.raises(OutsideError, match="is not installed on acme/todo") as caught:
        await tracker.get(1)
    assert caught.value.kind is FailureKind.DENIED
    yard.app.is_installed = True
    assert (await tracker.get(1)).title == "A flag"
    wrong = yard.server.app_place(yard.clock, installation=5)
    with pytest.raises(OutsideError, match=r"mend github\.app_id and github\.installation_id"):
        await GitHubTracker(wrong, "repo", yard.clock).get(1)


async def test_another_apps_key_opens_nothing(yard: Yard) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    place = yard.server.app_place(yard.clock, key=other.decode())
    with pytest.raises(OutsideError, match="those of one App") as caught:
        await GitHubTracker(place, "repo", yard.clock).get(1)
    assert caught.value.kind is FailureKind.DENIED
    assert {each.partition(":")[0] for each in yard.app.refused} == {"bad signature"}


@pytest.mark.parametrize("text", ["", "no key", private_key()[:200]])
async def test_what_is_no_key_is_told_without_it(yard: Yard, text: str) -> None:
    with pytest.raises(UsageError, match="no RSA key in PEM form") as caught:
        await GitHubTracker(yard.server.app_place(yard.clock, key=text or " "), "repo", yard.clock).get(1)
    assert not text or text not in str(caught.value)


async def test_key_and_token_are_never_said(yard: Yard, tmp_path: Path) -> None:
    place = yard.server.app_place(yard.clock)
    repo = await OwnedRepository.open(tmp_path / "home", place.git_target(), "repo")
    head = await repo.fetch_base("main")
    await repo.push(repo.target, head, "refs/heads/agentos/1-flag", None)
    (token,) = yard.app.ends
    line = private_key().split("\n")[3]
    assert token not in redacted(f"said {token} here")
    assert line not in redacted(f"a part of the key: {line}")
    secrets = [word.encode() for word in (token, basic(token).split()[1], line)]
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert [path for path in kept for secret in secrets if secret in path.read_bytes()] == []
    assert not any(token in asked for asked in yard.server.git_asked)
    assert not any(word.decode() in each for each in yard.server.github.command_lines for word in secrets)
    assert token not in f"{place!r} {repo.target!r}"
    assert line not in f"{place!r} {place.access!r}"
