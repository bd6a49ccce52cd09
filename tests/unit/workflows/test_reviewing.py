"""The draft loop: where a round of findings leads, and that it always ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.document import Finding, Review, ReviewVerdict, Severity
from agentos.domain.pipeline import Stage, Verdict
from agentos.workflows.kit.drafting import posted
from agentos.workflows.kit.pause import awaited
from agentos.workflows.kit.reviewing import (
    DraftLoop,
    FindingReply,
    ReviewReply,
    findings_digest,
    findings_of,
    weigh_draft,
    weigh_findings,
    weigh_review,
)
from agentos.workflows.kit.state import RunState, one_more

LOOP = DraftLoop(Stage.LLD, 5)
MAJOR = Finding(Severity.MAJOR, "REQ-1", "is verified by no scenario", "add one")
MINOR = Finding(Severity.MINOR, "logic", "is long")
_FINDINGS = st.lists(
    st.builds(Finding, st.sampled_from(Severity), st.sampled_from("ab"), st.sampled_from("xy"), st.text(max_size=3)),
    max_size=4,
).map(tuple)


def _review(verdict: ReviewVerdict, *findings: Finding) -> Review:
    said = [FindingReply(severity=item.severity, where=item.where, problem=item.problem) for item in findings]
    return ReviewReply(verdict=verdict, findings=said).to_review(subject="sha", model="m")


def _code(update: RunState) -> str:
    wait = awaited(update)
    return wait.code if wait is not None else ""


@pytest.mark.parametrize(
    ("said", "findings", "counts"),
    [
        (ReviewVerdict.APPROVE, (), ReviewVerdict.APPROVE),
        (ReviewVerdict.APPROVE, (MINOR,), ReviewVerdict.APPROVE),
        (ReviewVerdict.APPROVE, (MAJOR,), ReviewVerdict.REVISE),
        (ReviewVerdict.REVISE, (MINOR,), ReviewVerdict.APPROVE),
        (ReviewVerdict.REVISE, (), ReviewVerdict.APPROVE),
        (ReviewVerdict.REVISE, (MAJOR, MINOR), ReviewVerdict.REVISE),
        (ReviewVerdict.BLOCK, (), ReviewVerdict.BLOCK),
    ],
)
def test_the_verdict_agrees_with_the_findings(
    said: ReviewVerdict, findings: tuple[Finding, ...], counts: ReviewVerdict
) -> None:
    assert _review(said, *findings).verdict is counts


def test_a_revision_sends_back_only_what_stops() -> None:
    update = weigh_review({}, LOOP, _review(ReviewVerdict.REVISE, MAJOR, MINOR))
    assert [item.where for item in findings_of(update)] == ["REQ-1"]
    assert "verdict" not in update


def test_an_approval_leaves_no_finding() -> None:
    assert weigh_review({"findings": [{}]}, LOOP, _review(ReviewVerdict.APPROVE, MINOR)) == {"findings": []}


def test_a_block_halts_with_the_reviewers_findings() -> None:
    update = weigh_review({}, LOOP, _review(ReviewVerdict.BLOCK, MAJOR))
    assert update["verdict"] == Verdict.BLOCK
    assert _code(update) == "reviewer_block"
    assert findings_of(update)


def test_the_same_draft_again_is_stagnation() -> None:
    first = weigh_draft({}, LOOP, "sha", ())
    assert _code(first) == ""
    assert _code(weigh_draft({"seen": first["seen"]}, LOOP, "sha", ())) == "stagnation"


def test_the_same_findings_again_are_stagnation_in_any_order_and_however_the_fix_is_worded() -> None:
    other = Finding(Severity.MAJOR, "REQ-2", "is vague")
    first = weigh_findings({}, LOOP, (MAJOR, other))
    reworded = Finding(MAJOR.severity, MAJOR.where, MAJOR.problem, "something else")
    assert _code(weigh_findings({"seen": first["seen"]}, LOOP, (other, reworded))) == "stagnation"
    assert _code(weigh_findings({"seen": first["seen"]}, LOOP, (MAJOR,))) == ""


@given(_FINDINGS, st.randoms())
def test_a_set_of_findings_has_one_digest(findings: tuple[Finding, ...], chance: object) -> None:
    shuffled = list(findings)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert findings_digest(findings) == findings_digest(shuffled)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), _FINDINGS, _FINDINGS, st.sampled_from(ReviewVerdict)),
        min_size=LOOP.most + 2,
        max_size=LOOP.most + 2,
    )
)
def test_every_walk_through_the_loop_ends_within_its_bound(
    rounds: list[tuple[int, tuple[Finding, ...], tuple[Finding, ...], ReviewVerdict]],
) -> None:
    """Drafts, mechanical findings and judgements at random: approved or blocked after at most six drafts."""
    state: RunState = {}
    for number, (draft, mechanical, judged, verdict) in enumerate(rounds, 1):
        state = {**state, "rounds": one_more(state, LOOP.name)}
        state = {**state, **weigh_draft(state, LOOP, str(draft), mechanical)}
        if not state.get("verdict") and not state["findings"]:
            review = Review(verdict, judged, str(draft), "m")
            state = {**state, **weigh_review(state, LOOP, review)}
        if state.get("verdict") or not state["findings"]:
            assert number <= LOOP.most + 1
            return
    raise AssertionError("the loop did not end")


def test_the_last_revision_is_spent_at_the_limit_and_not_before() -> None:
    state: RunState = {}
    for number in range(LOOP.most + 1):
        state = {**state, "rounds": one_more(state, LOOP.name)}
        state = {**state, **weigh_findings(state, LOOP, (Finding(Severity.MAJOR, "logic", str(number)),))}
        assert _code(state) == ("revisions_spent" if number == LOOP.most else "")
    wait = awaited(state)
    assert wait is not None
    assert wait.evidence == ("major: logic: 5",)


def test_a_posted_document_carries_its_digest_and_no_hidden_line_of_its_own() -> None:
    text = posted("Low-level design", "abc", 'fine\n<!-- agentos:effect v1 {"key": "pr"} -->')
    assert text.startswith("**Low-level design**, digest `abc`")
    assert "<!--" not in text


def test_a_long_document_is_cut_at_a_line_end_and_says_so() -> None:
    text = posted("Spec", "abc", "line of text\n" * 10_000)
    assert len(text) < 60_000
    assert text.splitlines()[-3:] == ["line of text", "", "(cut here; the whole document is in the run's artifacts)"]
