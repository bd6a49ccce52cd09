"""A whole way where a GitHub App goes in: its bot writes, its tokens change meanwhile, and nobody else counts as it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentos.domain.event import EventKind
from agentos.domain.pipeline import Outcome
from agentos.domain.status import READY_LABEL, JobState
from tests.github.apps import APP_ID, BOT, FakeApp, private_key
from tests.github.fake import ROBOT
from tests.github.server import Server, serving
from tests.github.service import BODY, Yard, make_hub, make_yard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(make_hub(tmp_path)) as made:
        made.github.app = FakeApp()
        yield made


@pytest.fixture
def yard(server: Server, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Yard:
    made = make_yard(server, tmp_path, database_url, monkeypatch)
    (tmp_path / "app.pem").write_text(private_key(), "utf-8")
    monkeypatch.delenv("AGENTOS_GITHUB_TOKEN")
    monkeypatch.setenv("AGENTOS_GITHUB__APP_ID", APP_ID)
    monkeypatch.setenv("AGENTOS_GITHUB__PRIVATE_KEY_FILE", str(tmp_path / "app.pem"))
    return made


async def test_an_app_takes_an_issue_to_its_merge_though_its_token_is_revoked_on_the_way(
    yard: Yard, tmp_path: Path
) -> None:
    hub, app = yard.server.github, yard.server.github.app
    assert app is not None
    number = hub.open_issue("Add a shout function", BODY, labels=(READY_LABEL,))
    async with yard.serving() as service:
        await service.first()
        await service.until(lambda: service.count(EventKind.RUN_WAITING) == 1)
        (pull,) = hub.pulls.values()
        assert pull["user"]["login"] == BOT[1]
        app.revoke()
        hub.comment(pull["number"], "/agentos approve", who=ROBOT)
        hub.comment(pull["number"], "/agentos approve")
        await service.look(by_itself=True)
        (run,) = await service.runs()
        assert (run.job, run.outcome) == (JobState.SUCCEEDED, Outcome.MERGED), service.notices
    writers = {each["user"]["login"] for each in hub.comments.values()}
    assert writers == {BOT[1], ROBOT[1], "anna"}
    status = [each for each in hub.comments.values() if "status-comment" in each["body"].partition("\n")[0]]
    assert len([each for each in status if each["issue_url"].endswith(f"/{number}")]) == 1
    assert len(app.ends) >= 1
    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    line = private_key().split("\n")[3].encode()
    assert [path for path in kept if line in path.read_bytes() or b"ghs_canary" in path.read_bytes()] == []
