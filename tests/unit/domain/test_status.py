"""The board status, held against DESIGN §3 written down a second time, over every position there can be."""

from itertools import product

import pytest

from agentos.domain.pipeline import TABLE, Outcome, Stage
from agentos.domain.status import (
    ALLOWED,
    ATTENTION_LABEL,
    LABELS,
    LIVE,
    TERMINAL,
    JobState,
    Position,
    Status,
    WaitKind,
    derive_label,
    derive_status,
    needs_person,
    shown_label,
)

ANY = "any"
LIVE_WORDS = {"queued", "running", "waiting", "retry_wait", "paused", "blocked"}

# job, what is awaited, outcome, stage -> status; the first row that matches. Words, so that nothing is borrowed.
DESIGN: list[tuple[set[str], set[str], set[str], set[str], str]] = [
    ({"none", "cancelled"}, {ANY}, {ANY}, {ANY}, "Backlog"),
    ({"blocked", "failed"}, {ANY}, {ANY}, {ANY}, "Blocked"),
    ({"waiting"}, {"question"}, {ANY}, {ANY}, "Blocked"),
    ({"queued"}, {ANY}, {ANY}, {ANY}, "Ready"),
    ({"succeeded"}, {ANY}, {"merged", "no_change", "decomposed"}, {ANY}, "Done"),
    ({"succeeded"}, {ANY}, {"pr_opened"}, {ANY}, "In Review"),
    (LIVE_WORDS, {ANY}, {ANY}, {"finalize"}, "Approved"),
    ({"waiting"}, {"gate", "review"}, {ANY}, {ANY}, "In Review"),
    (LIVE_WORDS, {ANY}, {ANY}, {ANY}, "In Progress"),
]
NOWHERE: list[tuple[Stage | None, str | None]] = [(None, None)]
PLACES = NOWHERE + [(row.stage, step) for row in TABLE for step in (None, "enter", "leave", *row.steps)]


def _word(value: object) -> str:
    return "none" if value is None else str(value)


def _rows(at: Position) -> list[int]:
    """The rows that match, in order."""
    facts = [_word(at.job), _word(at.wait), _word(at.outcome), _word(at.stage)]
    return [
        number
        for number, row in enumerate(DESIGN)
        if all(wanted == {ANY} or fact in wanted for wanted, fact in zip(row[:4], facts, strict=True))
    ]


def _can_be(at: Position) -> bool:
    """Whether a run can stand there: a wait belongs to waiting and blocked, an outcome to an end, and is its own kind."""
    kinds: dict[JobState | None, set[WaitKind | None]] = {
        JobState.WAITING: {*WaitKind} - {WaitKind.BLOCKER},
        JobState.BLOCKED: {WaitKind.BLOCKER},
    }
    ends: dict[JobState | None, set[Outcome | None]] = {
        JobState.SUCCEEDED: {Outcome.MERGED, Outcome.NO_CHANGE, Outcome.DECOMPOSED, Outcome.PR_OPENED},
        JobState.FAILED: {Outcome.FAILED},
        JobState.CANCELLED: {Outcome.CANCELLED},
    }
    if at.wait is WaitKind.DOSSIER and at.stage is not Stage.FINALIZE:
        return False
    return at.wait in kinds.get(at.job, {None}) and at.outcome in ends.get(at.job, {None})


EVERYWHERE = [
    Position(job, stage, step, wait, outcome)
    for job, (stage, step), wait, outcome in product([None, *JobState], PLACES, [None, *WaitKind], [None, *Outcome])
]
POSSIBLE = [at for at in EVERYWHERE if _can_be(at)]


def test_every_position_has_the_status_of_its_first_row() -> None:
    wrong = [(at, derive_status(at)) for at in POSSIBLE if derive_status(at) != DESIGN[_rows(at)[0]][4]]
    assert wrong == []


def test_every_row_and_every_status_is_reached() -> None:
    assert {_rows(at)[0] for at in POSSIBLE} == set(range(len(DESIGN)))
    assert {derive_status(at) for at in POSSIBLE} == set(Status)


def test_no_position_is_without_a_status_or_a_label_of_ours() -> None:
    """Even one that no run can stand at: the board never fails to draw."""
    assert {type(derive_status(at)) for at in EVERYWHERE} == {Status}
    assert {derive_label(at) for at in EVERYWHERE} == {*LABELS, None}


def test_the_step_never_changes_the_status() -> None:
    seen: dict[Position, Status] = {}
    for at in EVERYWHERE:
        coarse = Position(at.job, at.stage, None, at.wait, at.outcome)
        assert seen.setdefault(coarse, derive_status(at)) == derive_status(at)


@pytest.mark.parametrize(
    ("job", "label"),
    [
        (None, None),
        ("queued", "agentos:queued"),
        ("running", "agentos:running"),
        ("waiting", "agentos:waiting"),
        ("retry_wait", "agentos:running"),
        ("paused", "agentos:running"),
        ("blocked", "agentos:blocked"),
        ("succeeded", "agentos:done"),
        ("failed", "agentos:blocked"),
        ("cancelled", None),
    ],
)
def test_there_is_one_label_from_acceptance_to_the_end(job: str | None, label: str | None) -> None:
    assert derive_label(Position(None if job is None else JobState(job))) == label


def test_a_run_that_stopped_at_its_pull_request_is_not_done() -> None:
    at = Position(JobState.SUCCEEDED, Stage.PR, outcome=Outcome.PR_OPENED)
    assert (derive_label(at), needs_person(at)) == ("agentos:waiting", True)


def test_a_person_is_called_exactly_when_nothing_goes_on_without_one() -> None:
    called = {at.job for at in POSSIBLE if needs_person(at)}
    assert called == {JobState.WAITING, JobState.BLOCKED, JobState.FAILED, JobState.SUCCEEDED}
    assert {at.outcome for at in POSSIBLE if at.job is JobState.SUCCEEDED and needs_person(at)} == {Outcome.PR_OPENED}
    assert ATTENTION_LABEL not in LABELS


def test_an_ended_run_never_moves_again() -> None:
    assert {job for job in JobState if not ALLOWED[job]} == TERMINAL
    assert set(JobState) == TERMINAL | LIVE
    assert not TERMINAL & LIVE


def test_every_live_run_can_go_on_and_can_be_cancelled() -> None:
    for job in LIVE:
        assert {JobState.RUNNING, JobState.CANCELLED} <= ALLOWED[job]


def test_only_a_running_run_ends_waits_or_fails_and_none_goes_back_to_the_queue() -> None:
    for job in LIVE - {JobState.RUNNING}:
        assert ALLOWED[job] <= {JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED}
    assert all(JobState.QUEUED not in following for following in ALLOWED.values())


def test_one_label_of_ours_is_shown_and_several_show_nothing() -> None:
    for label in LABELS:
        assert shown_label(("bug", label, ATTENTION_LABEL)) == label
    assert shown_label(("bug", ATTENTION_LABEL)) is None
    assert shown_label(LABELS[:2]) is None
