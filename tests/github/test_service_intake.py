"""What starts a run on GitHub and what does not: labels, comments of all kinds, relations, opt-out, several services."""

import asyncio
from itertools import groupby

import pytest

from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.event import EventKind
from agentos.domain.issue import OPT_OUT_LABEL
from agentos.domain.status import READY_LABEL, JobState
from agentos.runs.decide import decide
from agentos.store.turns import turn
from tests.github.fake import LATER, ROBOT
from tests.github.server import REPO, Fault
from tests.github.service import Yard
from tests.stages.conftest import commit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
MALLORY = (66, "mallory", "User")
THIN = "Make it loud."
"""An issue that is asked about before any model is: its run waits at once."""


async def test_a_person_who_may_write_asks_for_a_run_in_a_comment_once(yard: Yard) -> None:
    hub = yard.server.github
    number = hub.open_issue("Shout", THIN)
    hub.comment(number, "/agentos queue")
    async with yard.serving() as service:
        await service.first()
        (run,) = await service.runs()
        assert (run.ref.issue.number, run.profile) == (number, "service")
        assert "`/agentos queue` by anna: run #1 is made for it." in service.ours(number)
        await decide(service.desk, run, Decision(DecisionKind.CANCEL, "ann", "test:1"))
        await service.until(lambda: service.count(EventKind.RUN_ENDED) == 1)
        await service.look()
        said = service.ours(number)
    async with yard.serving() as again:
        await again.first()
        assert len(await again.runs()) == 1, "what was asked for once starts nothing again, also in a new process"
        assert again.ours(number) == said
        hub.comment(number, "/agentos queue")
        await again.look(by_itself=True)
        assert len(await again.runs()) == 2


async def test_strangers_bots_quotations_and_edited_words_start_nothing(yard: Yard) -> None:
    hub = yard.server.github
    of = {
        who: hub.open_issue(who, THIN) for who in ("stranger", "bot", "quoted", "fenced", "edited", "misspelt", "other")
    }
    hub.comment(of["stranger"], "/agentos queue", who=MALLORY)
    hub.comment(of["stranger"], "/agentos queue", who=MALLORY)
    hub.permissions[ROBOT] = "write"
    hub.comment(of["bot"], "/agentos queue", who=ROBOT)
    hub.comment(of["quoted"], "> /agentos queue\n\nI would not.")
    hub.comment(of["fenced"], "```\n/agentos queue\n```")
    hub.comments[hub.comment(of["edited"], "/agentos queue")]["updated_at"] = LATER
    hub.comment(of["misspelt"], "/agentos que")
    hub.comment(of["other"], "/agentos approve")
    async with yard.serving() as service:
        await service.first()
        for _ in range(2):
            await service.look(by_itself=True)
        assert await service.runs() == ()
        answers = {who: service.ours(number) for who, number in of.items()}
    assert [who for who, said in answers.items() if not said] == ["bot", "quoted", "fenced"]
    assert {len(said) for said in answers.values()} == {0, 1}, "each is answered once"
    for who, words in {
        "stranger": "only people who may write",
        "edited": "was edited",
        "misspelt": "is no command",
        "other": "no run works on this issue",
    }.items():
        assert words in answers[who][0]
    async with yard.serving() as again:
        await again.first()
        assert {who: again.ours(number) for who, number in of.items()} == answers


async def test_where_nobody_can_say_who_may_write_nothing_is_started(yard: Yard) -> None:
    hub = yard.server.github
    number = hub.open_issue("Shout", THIN)
    hub.comment(number, "/agentos queue")
    yard.server.faults.append(Fault("denied", "permission", 403, body=b'{"message": "Forbidden"}', times=99))
    async with yard.serving() as service:
        await service.first()
        assert await service.runs() == ()


async def test_an_issue_that_is_left_alone_is_neither_begun_nor_written_to(yard: Yard) -> None:
    hub = yard.server.github
    left = hub.open_issue("Leave me", THIN, labels=(READY_LABEL, OPT_OUT_LABEL))
    closed = hub.open_issue("Closed", THIN, labels=(READY_LABEL,))
    hub.issues[closed]["state"] = "closed"
    nobody = hub.open_issue("Not asked for", THIN)
    for number in (left, closed):
        hub.comment(number, "/agentos queue")
    async with yard.serving() as service:
        await service.first()
        await service.look(by_itself=True)
        assert await service.runs() == ()
        assert [service.ours(number) for number in (left, closed, nobody)] == [[], [], []]
        assert service.labels(left) == {READY_LABEL, OPT_OUT_LABEL}
        assert [notice.issue for notice in service.notices if "not begun" in notice.text] == [left]
    assert [entry for entry in hub.ledger if entry.did] == []


async def test_what_it_waits_for_is_said_once_and_it_begins_when_that_is_done(yard: Yard) -> None:
    hub = yard.server.github
    first = hub.open_issue("First", THIN)
    second = hub.open_issue("Second", f"{THIN}\n\nDepends on: #{first}", labels=(READY_LABEL,))
    async with yard.serving() as service:
        await service.first()
        for _ in range(2):
            await service.look(by_itself=True)
        assert await service.runs() == ()
        (reason,) = service.ours(second)
        assert reason.startswith(f"Not begun yet: issue {second} waits for issue {first}")
        hub.issues[first]["state"] = "closed"
        await service.look(by_itself=True)
        (run,) = await service.runs()
        assert run.ref.issue.number == second
        assert READY_LABEL not in service.labels(second)
        assert service.ours(second)[0].startswith("Not waiting any more")


async def test_idle_looks_cost_nothing_and_come_less_and_less_often(yard: Yard) -> None:
    hub = yard.server.github
    hub.open_issue("Not asked for", THIN)
    waiting = hub.open_issue("Waits for an answer", THIN, labels=(READY_LABEL,))
    async with yard.serving() as service:
        await service.first()
        for _ in range(4):  # what we wrote ourselves is seen, and settles
            await service.look(by_itself=True)
        remaining, asked, events = hub.remaining, len(hub.ledger), len(service.events)
        for _ in range(10):
            await service.look(by_itself=True)
        assert hub.remaining == remaining
        assert len(hub.ledger) >= asked + 10
        assert len(service.events) == events
        assert service.clock.naps[-3:] == [300, 300, 300]
        hub.comment(waiting, "/agentos status")
        await service.look(by_itself=True)
        assert service.clock.naps[-1] == 30
        assert "run #1 is waiting" in service.ours(waiting)[-1]
        assert (await service.runs())[0].job is JobState.WAITING


async def test_a_word_from_the_command_line_is_done_without_another_look(yard: Yard) -> None:
    number = yard.server.github.open_issue("Shout", THIN, labels=(READY_LABEL,))
    async with yard.serving() as service:
        await service.first()
        (run,) = await service.runs()
        await decide(service.desk, run, Decision(DecisionKind.CANCEL, "ann", "test:1"))
        await service.until(lambda: service.count(EventKind.RUN_ENDED) == 1)
        await service.look()
        assert READY_LABEL not in service.labels(number)
        assert len(await service.runs()) == 1


async def test_two_services_make_one_run_and_one_answer(yard: Yard) -> None:
    hub = yard.server.github
    ready = [hub.open_issue(f"Ready {n}", THIN, labels=(READY_LABEL,)) for n in range(4)]
    asked = hub.open_issue("Asked for", THIN)
    hub.comment(asked, "/agentos queue")
    strange = hub.open_issue("Strange", THIN)
    hub.comment(strange, "/agentos queue", who=MALLORY)
    async with yard.serving() as one, yard.serving() as two:
        await asyncio.gather(one.first(), two.first())
        for _ in range(2):
            await asyncio.gather(one.look(), two.look())
        runs = await one.runs()
        assert sorted(run.ref.issue.number for run in runs) == [*ready, asked]
        assert {(run.ref.number, run.job) for run in runs} == {(1, JobState.WAITING)}
        for number in (*ready, asked, strange):
            said = one.ours(number)
            assert len(said) == len(set(said)), said
        assert len(one.ours(strange)) == 1


async def test_while_another_process_takes_issues_in_nothing_is_begun_or_answered_here(yard: Yard) -> None:
    hub = yard.server.github
    ready = hub.open_issue("Ready", THIN, labels=(READY_LABEL,))
    strange = hub.open_issue("Strange", THIN)
    hub.comment(strange, "/agentos queue", who=MALLORY)
    async with yard.serving() as service:
        async with turn(service.desk.store.db, f"intake {REPO}") as ours:
            assert ours
            await service.first()
            assert (await service.runs(), service.ours(strange)) == ((), [])
        await service.look()
        assert [run.ref.issue.number for run in await service.runs()] == [ready]
        assert len(service.ours(strange)) == 1


async def test_no_more_runs_are_at_work_than_are_allowed(yard: Yard) -> None:
    hub = yard.server.github
    ready = [hub.open_issue(f"Ready {n}", THIN, labels=(READY_LABEL,)) for n in range(3)]
    async with yard.serving(**{"service.runs": 1}) as service:
        await service.first()
        assert [run.ref.issue.number for run in reversed(await service.runs())] == ready
        at_work = [event.run_id for event in service.events]
        assert len(list(groupby(at_work))) == 3, "one after the other, the first one first"


async def test_github_out_of_reach_is_said_once_and_ends_nothing(yard: Yard) -> None:
    hub = yard.server.github
    yard.server.faults.append(Fault("refused", "all comments", 403, body=b'{"message": "Forbidden"}', times=3))
    number = hub.open_issue("Shout", THIN, labels=(READY_LABEL,))
    async with yard.serving() as service:
        await service.first()
        for _ in range(3):
            await service.look(by_itself=True)
        assert [run.ref.issue.number for run in await service.runs()] == [number]
        trouble = [notice.text for notice in service.notices if "looked up" in notice.text or "reached" in notice.text]
        assert [text.partition(":")[0] for text in trouble] == ["nothing can be looked up now", "is reached again"]


async def test_a_broken_policy_stops_new_work_until_it_is_mended(yard: Yard) -> None:
    hub = yard.server.github
    async with yard.serving() as service:
        await service.first()
        good = (yard.target / "WORKFLOW.md").read_text("utf-8")
        commit(yard.target, {"WORKFLOW.md": good.replace("commands:", "comands:")}, "broken")
        number = hub.open_issue("Shout", THIN, labels=(READY_LABEL,))
        for _ in range(2):
            await service.look(by_itself=True)
        assert await service.runs() == ()
        (trouble,) = [notice.text for notice in service.notices if notice.is_trouble]
        assert "no run is begun or goes on until this is put right" in trouble
        assert "comands" in trouble
        commit(yard.target, {"WORKFLOW.md": good + "\nMore.\n"}, "mended")
        await service.look(by_itself=True)
        assert [run.ref.issue.number for run in await service.runs()] == [number]
        assert "settings are in order again" in [notice.text for notice in service.notices]
