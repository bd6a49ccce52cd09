"""The service on GitHub: an issue moved to Ready goes its way, steered by comments alone; nobody else starts anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentos.domain.event import EventKind
from agentos.domain.pipeline import Outcome
from agentos.domain.status import READY_LABEL, JobState
from tests.github.fake import label
from tests.github.server import Server, serving
from tests.github.service import BODY, Serving, Yard, make_hub, make_yard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MALLORY = (66, "mallory", "User")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(make_hub(tmp_path)) as made:
        yield made


@pytest.fixture
def yard(server: Server, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Yard:
    return make_yard(server, tmp_path, database_url, monkeypatch)


async def outcome(serving: Serving) -> tuple[JobState, Outcome | None]:
    (run,) = await serving.runs()
    return run.job, run.outcome


async def test_a_label_and_an_approving_comment_are_all_it_takes(yard: Yard) -> None:
    hub = yard.server.github
    number = hub.open_issue("Add a shout function", BODY)
    async with yard.serving() as service:
        await service.first()
        assert await service.runs() == ()
        assert [entry for entry in hub.ledger if entry.did] == []

        hub.issues[number]["labels"].append(label(READY_LABEL))
        await service.look(by_itself=True)
        assert service.count(EventKind.RUN_WAITING) == 1, service.notices
        assert service.labels(number) == {"agentos:waiting", "agent-review"}
        (pull,) = hub.pulls.values()

        hub.comment(pull["number"], "/agentos approve")
        await service.look(by_itself=True)
        assert await outcome(service) == (JobState.SUCCEEDED, Outcome.MERGED), service.notices
        assert (pull["merged"], hub.issues[number]["state"]) == (True, "closed")
        before = await service.runs()
        await service.look(by_itself=True)
        assert await service.runs() == before
