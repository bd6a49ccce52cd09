"""The service on GitHub: an issue moved to Ready goes its way, steered by comments alone; nobody else starts anything."""

import pytest

from agentos.domain.pipeline import Outcome
from agentos.domain.status import READY_LABEL, JobState
from tests.github.fake import label
from tests.github.server import Fault
from tests.github.service import Serving, Yard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MALLORY = (66, "mallory", "User")


async def outcome(serving: Serving) -> tuple[JobState, Outcome | None]:
    (run,) = await serving.runs()
    return run.job, run.outcome


async def test_a_label_and_words_on_issue_and_pull_request_are_all_it_takes(
    yard: Yard, caplog: pytest.LogCaptureFixture
) -> None:
    """Ready, a question and its answer, a review that wants changes, an approval: no command in between."""
    hub = yard.server.github
    number = hub.open_issue("Add a shout function", "Make it loud.")
    async with yard.serving() as service:
        await service.first()
        assert await service.runs() == ()
        assert [entry for entry in hub.ledger if entry.did] == []

        hub.issues[number]["labels"].append(label(READY_LABEL))
        await service.look(by_itself=True)
        assert service.labels(number) == {"agentos:waiting", "agent-review"}
        assert "does not say" in service.ours(number)[-1], service.ours(number)

        hub.comment(number, "/agentos answer greet.py gets shout(name): the greeting in capitals.")
        await service.look(by_itself=True)
        (pull,) = hub.pulls.values()
        first = hub.ref(pull["head"]["ref"])
        words, at = "End it with an exclamation mark.", "2099-01-01T00:00:00Z"
        hub.review(pull["number"], state="changes_requested", body=words, sha=first, at=at, id=7)
        await service.look(by_itself=True)
        second = hub.ref(pull["head"]["ref"])
        assert (second != first, pull["merged"]) == (True, False), service.notices

        hub.comment(pull["number"], "/agentos approve")
        await service.look(by_itself=True)
        assert await outcome(service) == (JobState.SUCCEEDED, Outcome.MERGED), service.notices
        assert (pull["merged"], hub.issues[number]["state"]) == (True, "closed")
        assert hub.run_git("diff", second, "main") == ""
        before = await service.runs()
        await service.look(by_itself=True)
        assert await service.runs() == before
    assert "Blocked deserialization" not in caplog.text, "a checkpoint holds plain JSON types alone"


async def test_what_is_said_while_an_outage_has_the_run_parked_where_it_waits_still_answers_it(yard: Yard) -> None:
    async with yard.serving() as service:
        number = service.hub.open_issue("Add a shout function", "Make it loud.", labels=(READY_LABEL,))
        await service.first()
        service.server.faults.append(Fault("limit", "issue", 403, headers={"Retry-After": "3600"}, times=99))
        service.hub.comment(number, "/agentos answer greet.py gets shout(name): the greeting in capitals.")
        await service.look(by_itself=True)
        assert await outcome(service) == (JobState.RETRY_WAIT, None), service.notices
        service.server.faults.clear()
        await service.clock.advance(3601)
        await service.look()
        assert await outcome(service) == (JobState.WAITING, None), service.notices
        assert len(service.hub.pulls) == 1, service.ours(number)[-1]
