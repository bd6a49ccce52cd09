"""What counts of what people said: authority, wait, commit, order; every order of five signals at every kind of wait."""

from dataclasses import replace
from itertools import permutations, product
from typing import Any

import pytest

from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait
from agentos.domain.effect import EffectKey, marker
from agentos.domain.issue import Comment, IssueRef
from agentos.domain.pipeline import Gate, Stage
from agentos.domain.run import Run, RunRef
from agentos.domain.status import JobState, WaitKind
from agentos.ports.forge import ReviewNote
from agentos.runs.commands import Command, Misspelt, Verb
from agentos.runs.signals import (
    Answer,
    Refused,
    Scene,
    Signal,
    acknowledgement,
    answer_to,
    judged,
    signals_in,
)
from agentos.store.decisions import DecisionRow
from tests.figures import Figure

SHA, OTHER = "c0ffee" + "0" * 34, "badcafe" + "0" * 33
RUN = Run(
    ref=RunRef(5, IssueRef("demo", 7), 2),
    target="/srv/demo",
    profile="cli",
    job=JobState.WAITING,
    stage=Stage.REVIEW,
    step=None,
    wait_kind=WaitKind.REVIEW,
    outcome=None,
    epoch=1,
    owner=None,
    lease_until=None,
    due_at=None,
    error="",
    created_at="",
    started_at="2026-01-01T00:00:00+00:00",
    stage_started_at=None,
    completed_at=None,
)
HOLD = Decision(DecisionKind.HOLD, "bob", "cli:0", "until Monday")
AT = "2026-01-02T00:00:00Z"


def wait_at(kind: WaitKind, gate: Gate | None = None) -> Wait:
    return Wait(kind, Stage.REVIEW, "look at it", "", ACCEPTED_BY[kind], subject=SHA, gate=gate, id="interrupt-1")


def scene_at(kind: WaitKind) -> Scene:
    return Scene(replace(RUN, wait_kind=kind), wait_at(kind))


SCENES = {
    **{kind.value: scene_at(kind) for kind in WaitKind},
    "gate with a name": Scene(RUN, wait_at(WaitKind.GATE, Gate.AFTER_LLD)),
    "at work": Scene(replace(RUN, job=JobState.RUNNING), None),
    "on hold": replace(scene_at(WaitKind.REVIEW), hold=HOLD),
    "ended": Scene(replace(RUN, job=JobState.CANCELLED), None),
    "not begun": Scene(replace(RUN, job=JobState.QUEUED, started_at=None), None),
    "branch moved on": replace(scene_at(WaitKind.REVIEW), head=OTHER),
    "branch as shown": replace(scene_at(WaitKind.REVIEW), head=SHA),
}


def said(verb: Verb, name: str = "", **words: Any) -> Signal:
    command = Command(verb, **words)
    return Signal(f"comment:{name or verb}", "ann", "17", AT, command)


FIVE = {
    "approve the head": said(Verb.APPROVE, "head", sha=SHA[:7]),
    "approve another commit": said(Verb.APPROVE, "other", sha=OTHER[:7]),
    "feedback": said(Verb.FEEDBACK, text="Louder."),
    "answer": said(Verb.ANSWER, text="Yes."),
    "reject": said(Verb.REJECT, text="No."),
}
TAKEN = {
    "gate": {"approve the head", "feedback", "reject"},
    "gate with a name": {"approve the head", "feedback", "reject"},
    "review": {"approve the head", "feedback", "reject"},
    "branch as shown": {"approve the head", "feedback", "reject"},
    "branch moved on": {"feedback", "reject"},
    "question": {"answer", "reject"},
    "blocker": {"feedback", "reject"},
    "dossier": {"approve the head", "reject"},
}
"""Where the run waits -> which of the five count there; nowhere else any of them does."""


def rows_of(outcomes: list[Decision]) -> list[DecisionRow]:
    return [DecisionRow(number, 5, each, AT, None) for number, each in enumerate(outcomes)]


@pytest.mark.parametrize("where", SCENES)
def test_in_every_order_of_five_signals_the_last_that_counts_is_the_answer(where: str, figure: Figure) -> None:
    for order in permutations(FIVE):
        outcomes = {name: judged(FIVE[name], SCENES[where], may_decide=True) for name in order}
        counted = [name for name in order if isinstance(outcomes[name], Decision)]
        assert set(counted) == TAKEN.get(where, set())
        answer = answer_to("interrupt-1", rows_of([each for each in outcomes.values() if isinstance(each, Decision)]))
        assert (answer.source if answer else None) == (FIVE[counted[-1]].source if counted else None)
        assert answer is None or (answer.subject, answer.wait_id) == (SHA, "interrupt-1")
    figure("signals matrix", 120)


@pytest.mark.figure("signals matrix")
@pytest.mark.parametrize(("where", "name"), [*product(SCENES, FIVE)])
def test_nothing_a_stranger_says_or_anybody_edited_counts_anywhere(where: str, name: str) -> None:
    stranger = judged(FIVE[name], SCENES[where], may_decide=False)
    assert isinstance(stranger, Refused)
    assert stranger.stranger
    edited = judged(replace(FIVE[name], edited=True), SCENES[where], may_decide=True)
    assert isinstance(edited, Refused)
    assert "edited" in edited.why


@pytest.mark.figure("signals matrix")
@pytest.mark.parametrize("where", SCENES)
@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.RESUME, Verb.CANCEL])
def test_what_may_be_said_at_any_time_counts_where_the_command_line_takes_it(where: str, verb: Verb) -> None:
    counts = isinstance(judged(said(verb), SCENES[where], may_decide=True), Decision)
    held = where == "on hold"
    live = where not in ("ended", "not begun")
    assert counts is (live and held if verb is Verb.RESUME else live and (verb is Verb.CANCEL or not held))


def test_feedback_beats_an_approval_unless_that_came_later() -> None:
    approve, feedback = FIVE["approve the head"], FIVE["feedback"]
    more = said(Verb.FEEDBACK, "more", text="And faster.")

    def answer(*signals: Signal) -> Decision | None:
        outcomes = [judged(each, SCENES["review"], may_decide=True) for each in signals]
        return answer_to("interrupt-1", rows_of([each for each in outcomes if isinstance(each, Decision)]))

    assert (found := answer(approve, feedback)) is not None
    assert (found.kind, found.text) == (DecisionKind.FEEDBACK, "Louder.")
    assert (found := answer(feedback, approve)) is not None
    assert found.kind is DecisionKind.APPROVE
    assert (found := answer(feedback, FIVE["approve another commit"])) is not None
    assert found.kind is DecisionKind.FEEDBACK
    assert (found := answer(feedback, more)) is not None
    assert found.text == "Louder.\n\nAnd faster.", "no word of it is lost"
    assert answer_to("another wait", rows_of([found])) is None


def test_an_approval_may_name_the_gate_and_only_that_it_is_at() -> None:
    scene = SCENES["gate with a name"]
    assert isinstance(judged(said(Verb.APPROVE, gate=Gate.AFTER_LLD), scene, may_decide=True), Decision)
    refused = judged(said(Verb.APPROVE, gate=Gate.AFTER_SPEC), scene, may_decide=True)
    assert isinstance(refused, Refused)
    assert "after_spec" in refused.why


def test_a_retry_elsewhere_is_told_how_to_begin_a_new_run() -> None:
    assert isinstance(judged(said(Verb.RETRY), scene_at(WaitKind.BLOCKER), may_decide=True), Decision)
    refused = judged(said(Verb.RETRY, stage=Stage.SPEC), scene_at(WaitKind.BLOCKER), may_decide=True)
    assert isinstance(refused, Refused)
    assert "`agentos retry 7 spec`" in refused.why


def test_a_question_about_the_status_is_answered_and_decides_nothing() -> None:
    for verb in (Verb.STATUS, Verb.QUEUE):
        answer = judged(said(verb), SCENES["review"], may_decide=True)
        assert isinstance(answer, Answer)
        assert "run #2 is waiting in review at “look at it”, which takes approve, feedback, reject" in answer.text


def comment(body: str, name: str = "1", **facts: Any) -> Comment:
    return replace(Comment(name, "ann", body, AT, author_id="17"), **facts)


def review(state: str, body: str = "", name: str = "1", sha: str = SHA, **facts: Any) -> ReviewNote:
    return replace(ReviewNote(name, "ann", state, body, sha, AT, author_id="17"), **facts)


def test_bots_and_what_is_no_command_say_nothing() -> None:
    comments = [
        comment("/agentos approve", is_bot=True),
        comment("> /agentos approve"),
        comment("```\n/agentos approve\n```"),
        comment("Looks good to me."),
        comment(f"/agentos approve\n\n{marker(EffectKey('ack:1'))}"),
    ]
    reviews = [review("approved", is_bot=True), review("commented", "Nice."), review("dismissed"), review("pending")]
    assert signals_in(comments, reviews) == ()


def test_reviews_say_what_their_state_says_and_come_in_order_with_the_comments() -> None:
    reviews = [
        review("approved", at="2026-01-02T00:00:02Z"),
        review("changes_requested", "Louder.\n\ngreet.py:3: and faster", "2", at="2026-01-02T00:00:01Z"),
        review("changes_requested", " ", "3", at="2026-01-02T00:00:04Z"),
        review("commented", "/agentos hold", "4", at="2026-01-02T00:00:05Z"),
    ]
    found = signals_in([comment("/agentos status", at="2026-01-02T00:00:03Z")], reviews)
    assert [each.said for each in found] == [
        Command(Verb.FEEDBACK, "Louder.\n\ngreet.py:3: and faster"),
        Command(Verb.APPROVE, sha=SHA),
        Command(Verb.STATUS),
        Command(Verb.FEEDBACK, "Changes were requested, without a word of which."),
        Command(Verb.HOLD),
    ]
    assert len({each.source for each in found}) == 5


@pytest.mark.parametrize("sha", [OTHER, ""])
def test_a_review_of_another_commit_or_of_none_approves_nothing(sha: str) -> None:
    (signal,) = signals_in((), [review("approved", sha=sha)])
    refused = judged(signal, SCENES["review"], may_decide=True)
    assert isinstance(refused, Refused)
    assert "is not what run" in refused.why


def test_an_acknowledgement_says_what_became_of_it_and_repeats_nothing_that_could_command_or_call_anybody() -> None:
    signal = replace(FIVE["approve the head"], author="<!-- @ann -->\n/agentos approve `x`")
    taken = judged(signal, SCENES["review"], may_decide=True)
    text = acknowledgement(signal, taken)
    assert text == "`/agentos approve` by !-- ann -- /agentos approve x is recorded: **approve** at c0ffee000000."
    misspelt = replace(signal, author="ann", said=Misspelt("“aprove” is no command"))
    refused = judged(misspelt, SCENES["review"], may_decide=True)
    assert (
        acknowledgement(misspelt, refused) == "The line with `/agentos` by ann does not count: “aprove” is no command."
    )
    stranger = judged(misspelt, SCENES["review"], may_decide=False)
    assert acknowledgement(misspelt, stranger).endswith("Nothing more of theirs is answered here.")


def test_within_a_second_an_approval_comes_after_feedback_only_where_the_place_can_tell() -> None:
    feedback, approval = comment("/agentos feedback Louder.", "1"), comment("/agentos approve", "2")
    verbs = [each.said.verb for each in signals_in([feedback, approval], ()) if isinstance(each.said, Command)]
    assert verbs == [Verb.FEEDBACK, Verb.APPROVE]
    for found in (signals_in([feedback], [review("approved")]), signals_in([feedback], (), [approval])):
        assert [each.approves for each in found] == [True, False]
    reviews = [review("changes_requested", "No.", "1"), review("approved", "", "2")]
    assert not signals_in([feedback], reviews)[-1].approves
    assert signals_in([], reviews)[-1].approves
