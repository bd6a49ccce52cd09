"""What people do by hand while a run waits has an effect that is defined: seen by the next look, with a sentence, and once."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.issue import OPT_OUT_LABEL
from agentos.domain.pipeline import Outcome
from agentos.domain.run import Run
from agentos.domain.status import ATTENTION_LABEL, READY_LABEL, JobState, WaitKind
from agentos.runs.decide import decide
from tests.github.board import Project
from tests.github.fake import Refused, label
from tests.github.service import BODY, Serving, Yard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.figure("changes by hand")]
ANSWER = "/agentos answer greet.py gets shout(name): the greeting in capitals."
ELSEWHERE = "https://github.com/acme/other/issues/3"


async def asked(service: Serving) -> int:
    """The number of an issue whose run waits for the answer to a question."""
    number = service.hub.open_issue("Add a shout function", "Make it loud.", labels=(READY_LABEL,))
    await service.first()
    assert (await wait_of(service)).kind is WaitKind.QUESTION, service.notices
    return number


async def run_of(service: Serving) -> Run:
    """The newest run."""
    return max(await service.runs(), key=lambda run: run.ref.id)


async def wait_of(service: Serving) -> Wait:
    found = await service.desk.store.runs.wait((await run_of(service)).ref.id)
    assert found is not None, (await run_of(service)).error
    return found


def writes(service: Serving) -> list[str]:
    return [entry.route for entry in service.hub.ledger if entry.did]


async def test_an_issue_closed_ends_its_run_and_opened_again_it_begins_anew(yard: Yard) -> None:
    async with yard.serving() as service:
        number = await asked(service)
        service.hub.issues[number]["state"] = "closed"
        await service.look(by_itself=True)
        run = await run_of(service)
        assert (run.job, run.outcome) == (JobState.CANCELLED, Outcome.CANCELLED), service.notices
        assert service.ours(number)[-1].startswith("Run #1 ended: **cancelled**.")
        assert "closed by hand" in service.ours(number)[-1]
        assert service.labels(number) == set()
        before = writes(service)
        await service.look(by_itself=True)
        assert writes(service) == before

        service.hub.issues[number]["state"] = "open"
        service.hub.issues[number]["labels"].append(label(READY_LABEL))
        await service.look(by_itself=True)
        assert ((await run_of(service)).ref.number, (await wait_of(service)).kind) == (2, WaitKind.QUESTION)


@pytest.mark.full
async def test_an_issue_that_opts_out_is_not_heard_nor_written_to_until_the_label_is_gone(yard: Yard) -> None:
    async with yard.serving() as service:
        number = await asked(service)
        service.hub.issues[number]["labels"].append(label(OPT_OUT_LABEL))
        service.hub.comment(number, ANSWER)
        before = writes(service)
        await service.look(by_itself=True)
        assert (writes(service), (await run_of(service)).job) == (before, JobState.WAITING)
        service.hub.issues[number]["labels"] = [label(OPT_OUT_LABEL)]
        await service.look(by_itself=True)
        await service.look(by_itself=True)
        remaining, events = service.hub.remaining, len(service.events)
        await service.look(by_itself=True)
        assert (service.hub.remaining, len(service.events)) == (remaining, events), "unmarked, and left alone"
        assert (writes(service), (await run_of(service)).job) == (before, JobState.WAITING)
        service.hub.issues[number]["labels"].pop()
        await service.look(by_itself=True)
        assert (await wait_of(service)).kind is WaitKind.REVIEW, service.notices


@pytest.mark.parametrize(
    ("answer", "told", "looks"),
    [
        pytest.param(
            Refused(301, "{api}/repositories/12/issues/3"), f"was transferred to {ELSEWHERE}", 0, id="transferred"
        ),
        pytest.param(
            Refused(301, "https://elsewhere.invalid/issues/3"),
            "transferred to https://else",
            4,
            id="far away",
            marks=pytest.mark.full,
        ),
        pytest.param(Refused(410, "This issue was deleted"), "This issue was deleted", 4, id="deleted"),
    ],
)
async def test_an_issue_that_is_gone_stops_its_run_at_the_next_look_with_where_it_went_and_the_run_can_be_ended(
    yard: Yard, answer: Refused, told: str, looks: int
) -> None:
    """At whatever look after the run began to wait; nobody says a word, and GitHub lists the issue no more."""
    async with yard.serving() as service:
        number = await asked(service)
        for _ in range(looks):
            await service.look(by_itself=True)
        address = answer.message.format(api=service.server.place().api_url)
        service.hub.instead[number] = Refused(answer.status, address)
        await service.look(by_itself=True)
        assert (await run_of(service)).job is JobState.BLOCKED, service.notices
        assert told in (await wait_of(service)).title

        await service.look(by_itself=True)  # the list is another one now, and that is known, too
        before, remaining, events = writes(service), service.hub.remaining, len(service.events)
        await service.look(by_itself=True)
        assert (service.hub.remaining, len(service.events)) == (remaining, events), "seen once"
        await decide(service.desk, await run_of(service), Decision(DecisionKind.REJECT, "ann", "cli:2"))
        await service.look(by_itself=True)
        assert ((await run_of(service)).job, writes(service)) == (JobState.CANCELLED, before)


async def test_of_several_issues_gone_at_once_each_run_stops_and_the_others_are_not_looked_at(yard: Yard) -> None:
    hub = yard.server.github
    numbers = [hub.open_issue(f"Issue {at}", "Make it loud.", labels=(READY_LABEL,)) for at in range(3)]
    async with yard.serving() as service:
        await service.first()
        for _ in range(4):
            await service.look(by_itself=True)
        for number in numbers[:2]:
            hub.instead[number] = Refused(410, "This issue was deleted")
        events = len(service.events)
        await service.look(by_itself=True)
        jobs = {run.ref.issue.number: run.job for run in await service.runs()}
        assert jobs == dict(zip(numbers, [JobState.BLOCKED, JobState.BLOCKED, JobState.WAITING], strict=True))
        assert len({event.run_id for event in service.events[events:]}) == 2


@pytest.mark.parametrize(
    ("taken", "put"),
    [
        pytest.param(("agentos:waiting",), (), id="taken"),
        pytest.param((), ("agentos:done",), id="another beside it"),
        pytest.param(("agentos:waiting", ATTENTION_LABEL), ("agentos:running",), id="another", marks=pytest.mark.full),
        pytest.param((ATTENTION_LABEL,), (READY_LABEL,), id="ready", marks=pytest.mark.full),
    ],
)
async def test_labels_are_put_right_at_the_next_look_and_start_nothing(
    yard: Yard, taken: tuple[str, ...], put: tuple[str, ...]
) -> None:
    async with yard.serving() as service:
        number = await asked(service)
        await service.look(by_itself=True)
        right = service.labels(number)
        service.hub.issues[number]["labels"] = [label(name) for name in (right - {*taken}) | {*put, "theirs"}]
        await service.look(by_itself=True)
        assert service.labels(number) == right | {"theirs"} == {"agentos:waiting", ATTENTION_LABEL, "theirs"}
        before = writes(service)
        await service.look(by_itself=True)
        assert (writes(service), len(await service.runs())) == (before, 1)


async def test_a_moved_card_is_put_back_at_the_next_look_and_starts_nothing(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = yard.server.github.project = Project()
    board.add(1, "Backlog")
    monkeypatch.setenv("AGENTOS_GITHUB__PROJECT", "7")
    async with yard.serving() as service:
        assert await asked(service) == 1
        for column in ("Ready", "Done", ""):
            await service.look(by_itself=True)
            assert board.status(1) == "Blocked", "it waits for an answer"
            board.cards[0].status = column
            await service.look(by_itself=True)
            assert board.status(1) == "Blocked", column
        await service.look(by_itself=True)
        before, events = writes(service), len(service.events)
        await service.look(by_itself=True)
        assert (writes(service), len(service.events), len(await service.runs())) == (before, events, 1)


async def test_an_issue_edited_is_read_anew_at_the_next_look(yard: Yard) -> None:
    async with yard.serving() as service:
        number = await asked(service)
        service.hub.issues[number]["body"] = BODY
        await service.look(by_itself=True)
        assert (await wait_of(service)).kind is WaitKind.REVIEW, service.notices


@pytest.mark.full
async def test_a_lock_changes_nothing_where_we_may_write(yard: Yard) -> None:
    async with yard.serving() as service:
        number = await asked(service)
        service.hub.issues[number].update(locked=True, active_lock_reason="too heated")
        service.hub.comment(number, ANSWER)
        await service.look(by_itself=True)
        assert (await wait_of(service)).kind is WaitKind.REVIEW, service.notices


async def test_a_locked_conversation_is_named_and_unlocked_the_run_goes_on(yard: Yard) -> None:
    async with yard.serving() as service:
        number = await asked(service)
        service.hub.locked.add(number)
        service.hub.comment(number, ANSWER)
        await service.look(by_itself=True)
        assert (await run_of(service)).job is JobState.BLOCKED
        assert "unlock the conversation" in (await wait_of(service)).title
        service.hub.locked.clear()
        await decide(service.desk, await run_of(service), Decision(DecisionKind.RETRY, "ann", "cli:1"))
        await service.look(by_itself=True)
        assert (await wait_of(service)).kind is WaitKind.REVIEW, service.notices


async def test_a_pull_request_closed_or_without_its_branch_stops_the_review_until_it_is_back(yard: Yard) -> None:
    hub = yard.server.github
    async with yard.serving() as service:
        hub.open_issue("Add a shout function", BODY, labels=(READY_LABEL,))
        await service.first()
        (pull,) = hub.pulls.values()
        branch, head = pull["head"]["ref"], hub.ref(pull["head"]["ref"])
        before = [each for each in writes(service) if each in ("new pull", "edit pull")]

        pull["state"] = "closed"
        await service.look(by_itself=True)
        assert f"pull request {pull['number']} was closed by hand" in (await wait_of(service)).title
        pull["state"] = "open"
        await service.look(by_itself=True)
        assert (await wait_of(service)).kind is WaitKind.REVIEW, service.notices

        hub.run_git("update-ref", "-d", f"refs/heads/{branch}")
        pull["state"] = "closed"
        await service.look(by_itself=True)
        assert f"the branch {branch} was deleted by hand" in (await wait_of(service)).title
        hub.run_git("update-ref", f"refs/heads/{branch}", head)
        pull["state"] = "open"
        await service.look(by_itself=True)
        assert (await wait_of(service)).kind is WaitKind.REVIEW, service.notices
        assert [each for each in writes(service) if each in ("new pull", "edit pull")] == before

        pull["state"] = "closed"
        await service.look(by_itself=True)
        await decide(service.desk, await run_of(service), Decision(DecisionKind.REJECT, "ann", "cli:1"))
        await service.look(by_itself=True)
        assert (await run_of(service)).job is JobState.CANCELLED, service.notices
        assert hub.ref(branch) == ""


async def test_what_a_person_pushed_is_measured_and_shown_and_an_approval_of_the_former_commit_is_void(
    yard: Yard, tmp_path: Path
) -> None:
    hub = yard.server.github
    async with yard.serving() as service:
        hub.open_issue("Add a shout function", BODY, labels=(READY_LABEL,))
        await service.first()
        (pull,) = hub.pulls.values()
        branch, former = pull["head"]["ref"], hub.ref(pull["head"]["ref"])
        theirs = push_by_hand(hub, branch, tmp_path, "NOTES.md", "Shouting is loud.\n")
        hub.review(pull["number"], state="approved", body="", sha=former, at="2099-01-01T00:00:00Z", id=7)
        await service.look(by_itself=True)
        wait = await wait_of(service)
        assert (wait.kind, wait.subject) == (WaitKind.REVIEW, theirs), service.notices
        assert (hub.ref(branch), pull["merged"]) == (theirs, False)
        assert f"`{theirs[:12]}`" in pull["body"]

        hub.review(pull["number"], state="approved", body="", sha=theirs, at="2099-01-02T00:00:00Z", id=8)
        await service.look(by_itself=True)
        run = await run_of(service)
        assert (run.job, run.outcome) == (JobState.SUCCEEDED, Outcome.MERGED), service.notices
        assert hub.run_git("show", "main:NOTES.md") == "Shouting is loud."


async def test_what_a_person_pushed_that_breaks_the_tests_is_mended_on_top(yard: Yard, tmp_path: Path) -> None:
    hub = yard.server.github
    async with yard.serving() as service:
        hub.open_issue("Add a shout function", BODY, labels=(READY_LABEL,))
        await service.first()
        (pull,) = hub.pulls.values()
        branch = pull["head"]["ref"]
        theirs = push_by_hand(hub, branch, tmp_path, "greet.py", "def greet(name):\n    return name\n")
        await service.look(by_itself=True)
        wait = await wait_of(service)
        assert wait.kind is WaitKind.REVIEW, (wait.title, wait.evidence)
        assert wait.subject not in ("", theirs)
        assert hub.run_git("merge-base", theirs, wait.subject) == theirs, "on top of theirs, nothing overwritten"


@pytest.mark.full
async def test_a_history_that_a_person_rewrote_is_left_alone(yard: Yard, tmp_path: Path) -> None:
    hub = yard.server.github
    async with yard.serving() as service:
        hub.open_issue("Add a shout function", BODY, labels=(READY_LABEL,))
        await service.first()
        (pull,) = hub.pulls.values()
        branch = pull["head"]["ref"]
        alone = hub.run_git("commit-tree", "main^{tree}", "-m", "a history of its own")
        hub.run_git("update-ref", f"refs/heads/{branch}", alone)
        await service.look(by_itself=True)
        assert (await wait_of(service)).code == "branch_moved", service.notices
        assert hub.ref(branch) == alone


async def test_a_pull_request_merged_by_hand_is_the_yes_to_its_commit_though_its_issue_closed_with_it(
    yard: Yard, tmp_path: Path
) -> None:
    hub = yard.server.github
    async with yard.serving() as service:
        number = hub.open_issue("Add a shout function", BODY, labels=(READY_LABEL,))
        await service.first()
        (pull,) = hub.pulls.values()
        merge_by_hand(hub, pull, tmp_path)
        hub.issues[number]["state"] = "closed"
        await service.look(by_itself=True)
        run = await run_of(service)
        assert (run.job, run.outcome) == (JobState.SUCCEEDED, Outcome.MERGED), service.notices


def merge_by_hand(hub: Any, pull: dict[str, Any], folder: Path) -> None:
    """Effect: what pressing the button on GitHub does."""
    words = ("merge", "-q", "--no-ff", "-m", "mine", f"origin/{pull['head']['ref']}")
    in_a_clone(hub, folder, words, ("push", "-q", "origin", "main"))
    sha = hub.ref("main")
    pull.update(state="closed", merged=True, merged_at="2099-01-01T00:00:00Z", merge_commit_sha=sha)


def push_by_hand(hub: Any, branch: str, folder: Path, name: str, content: str) -> str:
    """The commit with that file that a person pushed to the branch."""
    in_a_clone(hub, folder, ("checkout", "-q", branch))
    (folder / "hers" / name).write_text(content, "utf-8")
    in_a_clone(
        hub, folder, ("add", name), ("commit", "-q", "-m", f"Say more in {name}"), ("push", "-q", "origin", branch)
    )
    return str(hub.ref(branch))


def in_a_clone(hub: Any, folder: Path, *commands: tuple[str, ...]) -> None:
    """Effect: a person's git commands, in a clone of theirs."""
    clone = folder / "hers"
    if not clone.exists():
        hub.run_git("clone", "-q", str(hub.git), str(clone))
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    for words in commands:
        subprocess.run(["git", *who, *words], cwd=clone, check=True, capture_output=True)
