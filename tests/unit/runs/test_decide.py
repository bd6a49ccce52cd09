"""A decision counts only for the wait it answers and for what that wait showed."""

from dataclasses import replace
from itertools import product

import pytest

from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait
from agentos.domain.error import UsageError
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Outcome, Stage
from agentos.domain.run import Run, RunRef
from agentos.domain.status import LIVE, TERMINAL, JobState, WaitKind
from agentos.runs.decide import bind

SHA = "c0ffee" + "0" * 34
RUN = Run(
    ref=RunRef(5, IssueRef("demo", 7), 2),
    target="/srv/demo",
    profile="cli",
    job=JobState.WAITING,
    stage=Stage.IMPL,
    step=None,
    wait_kind=WaitKind.GATE,
    outcome=None,
    epoch=1,
    owner=None,
    lease_until=None,
    due_at=None,
    error="",
    created_at="",
    started_at=None,
    stage_started_at=None,
    completed_at=None,
)


def _wait(kind: WaitKind) -> Wait:
    return Wait(kind, Stage.IMPL, "open a pull request?", "", ACCEPTED_BY[kind], subject=SHA, id="interrupt-1")


def _decision(kind: DecisionKind, *, text: str = "because", subject: str = "") -> Decision:
    return Decision(kind, "ann", "cli:1", text, subject)


TAKEN = {
    WaitKind.GATE: {"approve", "feedback", "reject"},
    WaitKind.REVIEW: {"approve", "feedback", "reject"},
    WaitKind.QUESTION: {"answer", "reject"},
    WaitKind.BLOCKER: {"retry", "feedback", "reject"},
    WaitKind.DOSSIER: {"approve", "retry", "reject"},
}
ANY_TIME = {DecisionKind.HOLD, DecisionKind.RESUME, DecisionKind.CANCEL}
ANSWERS = sorted(set(DecisionKind) - ANY_TIME - {DecisionKind.SKIP})
HOLD = Decision(DecisionKind.HOLD, "bob", "cli:0", "until Monday")


@pytest.mark.parametrize(("wait", "kind"), [*product(WaitKind, ANSWERS)])
def test_a_wait_takes_its_own_words_and_refuses_the_others_by_name(wait: WaitKind, kind: DecisionKind) -> None:
    decision = _decision(kind)
    if kind in TAKEN[wait]:
        bound = bind(RUN, _wait(wait), decision)
        assert (bound.subject, bound.wait_id) == (SHA, "interrupt-1")
        assert replace(bound, subject="", wait_id="") == decision
    else:
        with pytest.raises(UsageError, match=f"which takes .*, not {kind}$"):
            bind(RUN, _wait(wait), decision)


@pytest.mark.parametrize("job", sorted(LIVE))
@pytest.mark.parametrize("wait", [None, _wait(WaitKind.GATE)])
@pytest.mark.parametrize("held", [None, HOLD])
def test_a_live_run_can_be_cancelled_whatever_it_does(job: JobState, wait: Wait | None, held: Decision | None) -> None:
    decision = _decision(DecisionKind.CANCEL)
    assert bind(replace(RUN, job=job), wait, decision, held=held) == decision


@pytest.mark.parametrize("job", sorted(LIVE))
def test_a_live_run_is_held_once_and_resumed_once(job: JobState) -> None:
    run, hold, resume = replace(RUN, job=job), _decision(DecisionKind.HOLD), _decision(DecisionKind.RESUME)
    assert bind(run, None, hold) == hold
    with pytest.raises(UsageError, match=r"on hold already \(by bob: until Monday\); `agentos resume 7` goes on"):
        bind(run, None, hold, held=HOLD)
    assert bind(run, None, resume, held=HOLD) == resume
    if job is JobState.PAUSED:
        assert bind(run, None, resume) == resume
    else:
        with pytest.raises(UsageError, match=f"is not on hold, it is {job}"):
            bind(run, None, resume)


@pytest.mark.parametrize("kind", [*ANSWERS, DecisionKind.SKIP])
def test_a_run_on_hold_takes_no_answer(kind: DecisionKind) -> None:
    with pytest.raises(UsageError, match=r"`agentos resume 7` first"):
        bind(RUN, _wait(WaitKind.GATE), _decision(kind), held=HOLD)


@pytest.mark.parametrize("job", JobState)
def test_a_retry_from_a_stage_needs_no_wait(job: JobState) -> None:
    decision = replace(_decision(DecisionKind.RETRY), stage=Stage.SPEC)
    assert bind(replace(RUN, job=job), None, decision) == decision


def _skip(stage: Stage | None, *, text: str = "the issue says it all") -> Decision:
    return replace(_decision(DecisionKind.SKIP, text=text), stage=stage)


@pytest.mark.parametrize("stage", Stage)
def test_only_a_document_can_be_skipped_and_only_where_it_waits(stage: Stage) -> None:
    wait = replace(_wait(WaitKind.BLOCKER), stage=stage)
    if stage in (Stage.LLD, Stage.SPEC):
        bound = bind(RUN, wait, _skip(stage))
        assert (bound.stage, bound.subject, bound.wait_id) == (stage, SHA, "interrupt-1")
        with pytest.raises(UsageError, match=f"in impl, so {stage} cannot be skipped now"):
            bind(RUN, _wait(WaitKind.GATE), _skip(stage))
    else:
        with pytest.raises(UsageError, match=f"^only lld and spec can be skipped, not {stage}$"):
            bind(RUN, wait, _skip(stage))


def test_a_skip_needs_a_reason_and_a_question_that_can_be_answered() -> None:
    wait = replace(_wait(WaitKind.BLOCKER), stage=Stage.LLD)
    with pytest.raises(UsageError, match=r"^skip needs a reason, for example: `agentos skip 7 lld -- "):
        bind(RUN, wait, _skip(Stage.LLD, text=" "))
    with pytest.raises(UsageError, match="cannot be skipped now"):
        bind(RUN, replace(wait, id=""), _skip(Stage.LLD))


@pytest.mark.parametrize("subject", ["", SHA, SHA[:12], SHA[:7]])
def test_an_approval_is_bound_to_the_whole_commit_that_was_shown(subject: str) -> None:
    assert bind(RUN, _wait(WaitKind.GATE), _decision(DecisionKind.APPROVE, subject=subject)).subject == SHA


@pytest.mark.parametrize("subject", ["deadbeef", SHA + "0", SHA[1:]])
def test_an_approval_of_another_commit_is_refused_with_the_one_that_waits(subject: str) -> None:
    with pytest.raises(UsageError, match=f"^{subject} is not what run #2 of demo#7 waits with: that is {SHA[:12]};"):
        bind(RUN, _wait(WaitKind.REVIEW), _decision(DecisionKind.APPROVE, subject=subject))


def test_a_sha_too_short_to_name_one_commit_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^c0ffee is too short"):
        bind(RUN, _wait(WaitKind.REVIEW), _decision(DecisionKind.APPROVE, subject="c0ffee"))


def test_a_commit_named_where_none_was_shown_is_refused() -> None:
    with pytest.raises(UsageError, match="is not what run"):
        bind(RUN, replace(_wait(WaitKind.BLOCKER), subject=""), _decision(DecisionKind.RETRY, subject=SHA[:7]))


@pytest.mark.parametrize("text", ["", "  \n"])
def test_feedback_and_answers_need_words_and_the_others_do_not(text: str) -> None:
    for wait, kind in ((WaitKind.GATE, DecisionKind.FEEDBACK), (WaitKind.QUESTION, DecisionKind.ANSWER)):
        with pytest.raises(UsageError, match=f"^{kind} needs a text, for example: `agentos {kind} 7 "):
            bind(RUN, _wait(wait), _decision(kind, text=text))
    for wait, kind in ((WaitKind.GATE, DecisionKind.APPROVE), (WaitKind.BLOCKER, DecisionKind.RETRY)):
        assert bind(RUN, _wait(wait), _decision(kind, text=text)).wait_id == "interrupt-1"


@pytest.mark.parametrize(("job", "kind"), [*product(sorted(TERMINAL), DecisionKind)])
def test_nothing_can_be_decided_about_a_run_that_has_ended(job: JobState, kind: DecisionKind) -> None:
    with pytest.raises(UsageError, match=f"has ended .*; there is nothing to {kind}$"):
        bind(replace(RUN, job=job, outcome=Outcome.MERGED), _wait(WaitKind.GATE), _decision(kind))


@pytest.mark.parametrize("job", sorted(LIVE))
def test_nothing_can_be_decided_about_a_run_that_waits_for_nobody(job: JobState) -> None:
    with pytest.raises(UsageError, match=f"is {job} and waits for nobody"):
        bind(replace(RUN, job=job), None, _decision(DecisionKind.APPROVE))
