"""Where the outer graph goes, over every case there is; and what a new run takes over from an earlier one."""

from itertools import product
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait
from agentos.domain.error import UsageError
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import TABLE, Gate, Outcome, Route, Stage, Verdict
from agentos.domain.run import RunRef
from agentos.domain.status import WaitKind
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import GRAPH_VERSION, RunState
from agentos.workflows.orchestrator import rules
from agentos.workflows.orchestrator import state as states
from agentos.workflows.orchestrator.config import require_known_version, thread_config
from agentos.workflows.orchestrator.graph import TARGETS, stage_graphs
from agentos.workflows.orchestrator.state import OrchestrationState, initial, resumed
from tests.stages.delivery import NOTE, report_of
from tests.stages.documents import BRIEF

ORDER = ["triage", "lld", "spec", "impl", "pr", "review", "finalize"]
TRIVIAL = ["triage", "impl", "pr", "review", "finalize"]
VISITS = {"triage": 3, "pr": 3, "finalize": 3}
BACK = {"finalize": "review"}
ASKED_OUTSIDE = {"triage": "after_triage", "lld": "after_lld", "spec": "after_spec", "impl": "before_pr"}
NO_GATES: frozenset[Gate] = frozenset()


def _state(stage: str, verdict: str, **more: Any) -> RunState:
    made: Any = {"current_stage": stage, "verdict": verdict, **more}
    result: RunState = made
    return result


def _following(stage: str, route: str) -> str:
    """The stage after `stage`, as DESIGN §2 says it; `finished` behind the last."""
    path = TRIVIAL if route == "trivial" else ORDER
    rest = [name for name in path if ORDER.index(name) > ORDER.index(stage)]
    return rest[0] if rest else "finished"


def _expected(stage: str, verdict: str, visits: int, route: str, gates: frozenset[Gate], *, skipped: bool) -> str:
    if verdict == "BLOCK":
        return "announce"
    if verdict == "RETRY":
        return BACK.get(stage, stage) if visits < VISITS.get(stage, 1) else "announce"
    if ASKED_OUTSIDE.get(stage) in gates and not skipped:
        return "announce"
    return _following(stage, route)


GATE_SETS = [NO_GATES, *(frozenset({gate}) for gate in Gate), frozenset(Gate)]


@pytest.mark.parametrize("stage", ORDER)
def test_after_a_stage_the_run_goes_where_the_table_says(stage: str) -> None:
    cases = product(Verdict, (1, 2, 3), ("", "full", "trivial", "split"), GATE_SETS, (False, True))
    for verdict, visits, route, gates, skipped in cases:
        state = _state(stage, verdict, stage_attempts={stage: visits}, route=route)
        if skipped:
            state["skipped"] = {stage: "approved before"}
        found = rules.after_stage(state, gates, None)
        assert found == _expected(stage, verdict, visits, route, gates, skipped=skipped), (state, gates)
        assert found in TARGETS


@pytest.mark.parametrize("stage", ORDER)
def test_a_run_told_to_go_up_to_a_stage_pauses_behind_it_and_ends_behind_the_pull_request(stage: str) -> None:
    until = Stage(stage)
    passed = {"pr": "stop_here", "finalize": "finished"}.get(stage, "announce")
    for skipped in ({}, {stage: "approved before"}):
        assert rules.after_stage(_state(stage, "PASS", skipped=skipped), NO_GATES, until) == passed
    assert rules.after_stage(_state(stage, "BLOCK"), frozenset(Gate), until) == "announce"


@pytest.mark.parametrize(("stage", "route", "until"), [*product(ORDER, ("full", "trivial"), Stage)])
def test_a_run_pauses_once_and_never_behind_what_it_was_told_to_reach(stage: str, route: str, until: Stage) -> None:
    """Also where the route passes over the very stage: the run pauses before what follows it."""
    path = TRIVIAL if route == "trivial" else ORDER
    if stage not in path or until in (Stage.PR, Stage.FINALIZE):
        return
    last = [name for name in path if ORDER.index(name) <= ORDER.index(until)][-1]
    found = rules.after_stage(_state(stage, "PASS", route=route), NO_GATES, until)
    assert found == ("announce" if stage == last else _following(stage, route))


@pytest.mark.parametrize("stage", [stage for stage in ORDER if stage != "triage"])
def test_an_edited_issue_goes_to_triage_from_every_stage_and_from_triage_on(stage: str) -> None:
    edited = {"stage": stage, "brief": "b", "feedback": [], "diff": "d"}
    assert rules.after_stage(_state(stage, "RETRY", edited=edited), frozenset(Gate), None) == "triage"
    assert rules.after_stage(_state("triage", "BLOCK", edited=edited), frozenset(Gate), None) == "announce"
    back = _state("triage", "PASS", return_to=stage)
    assert rules.after_stage(back, frozenset(Gate), Stage.TRIAGE) == stage


def test_an_edit_ends_a_wait_without_lifting_a_limit() -> None:
    decision = Decision(DecisionKind.RETRY, "agentos", "issue-edit:0123")
    assert rules.settled(_waiting("lld"), decision) == {"wait": {}}


def test_a_persons_word_lets_the_issue_be_edited_as_often_again() -> None:
    state = {**_waiting("lld"), "rounds": {"edits": 3}}
    assert rules.settled(state, _decision(DecisionKind.RETRY))["rounds"] == {}  # type: ignore[arg-type]


def test_only_an_approval_at_triage_files_the_parts_of_what_is_too_large() -> None:
    for kind, stage in product(DecisionKind, ORDER):
        state = _waiting(stage, decision=dump(_decision(kind)), route="split")
        after = {**state, **rules.settled(state, _decision(kind))}
        found = rules.after_decision(after)  # type: ignore[arg-type]
        assert (found == "decompose") is (kind is DecisionKind.APPROVE and stage == "triage")


@pytest.mark.parametrize("outcome", Outcome)
def test_an_outcome_ends_the_run_whatever_the_verdict(outcome: Outcome) -> None:
    """Only a merged change was cleaned up by its own stage."""
    expected = "finished" if outcome is Outcome.MERGED else "wind_up"
    for stage, verdict in product(ORDER, ("", *Verdict)):
        assert rules.after_stage(_state(stage, verdict, outcome=outcome), frozenset(Gate), None) == expected


def test_before_merge_is_asked_inside_review_and_never_twice() -> None:
    assert rules.gate_behind(Stage.REVIEW, frozenset(Gate)) is None
    assert {rules.gate_behind(stage, NO_GATES) for stage in Stage} == {None}
    behind = {str(stage): rules.gate_behind(stage, frozenset(Gate)) for stage in Stage}
    assert {stage: gate for stage, gate in behind.items() if gate} == ASKED_OUTSIDE


ROUNDS = {f"{stage}.loop": 3 for stage in ORDER} | {"draft.lld": 2, "code.impl": 4, "waits": 1, "judged.review": 1}
LEFT_AFTER = {stage: {name for name in ROUNDS if not name.startswith(f"{stage}.")} for stage in ORDER}
LEFT_AFTER["review"] -= {"impl.loop"}
AGAIN = (DecisionKind.FEEDBACK, DecisionKind.ANSWER, DecisionKind.RETRY, DecisionKind.HOLD, DecisionKind.RESUME)


def _decision(kind: DecisionKind, text: str = "why") -> Decision:
    return Decision(kind, "ann", "cli", text)


def _waiting(stage: str, **more: Any) -> RunState:
    attempts = {stage: 3, "other": 2}
    return _state(stage, "BLOCK", wait={"title": "t"}, rounds=ROUNDS, stage_attempts=attempts, seen=["d"], **more)


@pytest.mark.parametrize(("stage", "kind"), [*product(ORDER, AGAIN)])
def test_going_on_gives_the_stage_fresh_limits_and_forgets_no_other_ones(stage: str, kind: DecisionKind) -> None:
    update = rules.settled(_waiting(stage, findings=[{}]), _decision(kind))
    assert set(update["rounds"]) == LEFT_AFTER[stage]
    assert all(ROUNDS[name] == count for name, count in update["rounds"].items())
    assert update["stage_attempts"] == {stage: 0, "other": 2}
    assert (update["seen"], update["wait"]) == ([], {})
    assert not {"outcome", "findings"} & set(update), "what was found is where the next round begins"


def test_what_was_drafted_of_a_skipped_document_counts_for_nothing() -> None:
    made = {"issue-brief": "b", "lld": "d", "lld-review": "r", "spec": "s"}
    state = _waiting("lld", artifacts=made, lld_path="lld.md", findings=[{"problem": "open"}])
    after = rules.settled(state, _decision(DecisionKind.SKIP))
    assert after["artifacts"] == {"issue-brief": "b", "spec": "s"}
    assert (after["lld_path"], after["findings"], after["seen"]) == ("", [], [])


@pytest.mark.parametrize("stage", ORDER)
def test_ending_passing_and_skipping_touch_no_limits(stage: str) -> None:
    def settled(kind: DecisionKind) -> RunState:
        return rules.settled(_waiting(stage, skipped={"lld": "before"}), _decision(kind))

    for kind in (DecisionKind.REJECT, DecisionKind.CANCEL):
        assert settled(kind) == {"wait": {}, "outcome": Outcome.CANCELLED}
    assert settled(DecisionKind.APPROVE) == {"wait": {}}
    assert settled(DecisionKind.SKIP)["skipped"] == {"lld": "before", stage: "why"}
    assert "rounds" not in settled(DecisionKind.SKIP)


def test_agreeing_where_a_merge_fails_its_checks_asks_for_its_revert_as_a_ticket() -> None:
    after = rules.settled(_waiting("finalize", merge_sha="m"), _decision(DecisionKind.APPROVE))
    assert after == {"wait": {}, "revert_of": "m"}
    assert rules.settled(_waiting("impl", merge_sha="m"), _decision(DecisionKind.APPROVE)) == {"wait": {}}


def test_what_people_wrote_is_added_to_what_they_wrote_before() -> None:
    state = _waiting("lld", feedback=["first"], answers=["one"])
    assert rules.settled(state, _decision(DecisionKind.FEEDBACK, "second"))["feedback"] == ["first", "second"]
    assert rules.settled(state, _decision(DecisionKind.ANSWER, "two"))["answers"] == ["one", "two"]
    assert "answers" not in rules.settled(state, _decision(DecisionKind.FEEDBACK))


@pytest.mark.parametrize(("stage", "kind", "route"), [*product(ORDER, DecisionKind, ("full", "trivial"))])
def test_after_a_decision_the_run_goes_on_goes_back_or_winds_up(stage: str, kind: DecisionKind, route: str) -> None:
    state = _waiting(stage, decision=dump(_decision(kind)), route=route)
    after = {**state, **rules.settled(state, _decision(kind))}
    found = rules.after_decision(after)  # type: ignore[arg-type]  # merged as LangGraph does it
    if kind in (DecisionKind.REJECT, DecisionKind.CANCEL):
        assert found == "wind_up"
    elif kind is DecisionKind.APPROVE and stage in ("pr", "review"):
        assert found == stage, "it was asked before it publishes, and does that now"
    elif kind in (DecisionKind.APPROVE, DecisionKind.SKIP):
        following = _following(stage, route)
        assert found == (stage if following == "finished" else following)
    else:
        assert found == stage
    assert found in TARGETS


@pytest.mark.parametrize("stage", ["pr", "review"])
def test_an_approval_where_nothing_blocked_goes_on_with_the_next_stage(stage: str) -> None:
    state = _state(stage, "PASS", decision=dump(_decision(DecisionKind.APPROVE)))
    assert rules.after_decision(state) == _following(stage, "full")


PROTECTED = {"digest": "d1", "files": ["uv.lock changed"]}


@pytest.mark.parametrize("skipped", [{}, {"impl": "why"}])
def test_protected_files_are_asked_about_behind_impl_whatever_gates_are_on(skipped: dict[str, str]) -> None:
    state = _state("impl", "PASS", protected=PROTECTED, skipped=skipped)
    assert rules.after_stage(state, NO_GATES, None) == "announce"
    assert rules.after_stage({**state, "permitted": ["d1"]}, NO_GATES, None) == "pr"
    assert rules.after_stage({**state, "permitted": ["d0"]}, NO_GATES, None) == "announce"
    assert rules.after_stage({**state, "protected": {}}, NO_GATES, None) == "pr"
    assert rules.after_stage(_state("pr", "PASS", protected=PROTECTED), NO_GATES, None) == "review"


@pytest.mark.parametrize(("stage", "kind"), [*product(ORDER, DecisionKind)])
def test_an_approval_alone_lets_protected_files_through(stage: str, kind: DecisionKind) -> None:
    state = _waiting(stage, protected=PROTECTED, permitted=["d0"])
    said = rules.settled(state, _decision(kind)).get("permitted")
    assert said == (["d0", "d1"] if kind is DecisionKind.APPROVE and stage != "finalize" else None)


WAIT = Wait(WaitKind.BLOCKER, Stage.IMPL, "It does not pass", "- AC-1", ACCEPTED_BY[WaitKind.BLOCKER], needs=("a", "b"))


def test_the_comment_of_a_wait_says_what_is_wrong_what_helps_and_what_to_type() -> None:
    assert rules.wait_comment(WAIT, 7) == (
        "**It does not pass**\n\n- AC-1\n\nWhat would let it go on: a; b.\n\nAnswer with one of:\n\n"
        '- `agentos retry 7`\n- `agentos feedback 7 "…"`\n- `agentos reject 7`\n\nOr write it in a comment, as its first line: `/agentos retry`, `/agentos feedback …`, '
        "`/agentos reject …`. It is heard when the run is taken up next."
    )


def test_a_wait_that_needs_nothing_more_is_told_in_its_title_and_commands_alone() -> None:
    wait = Wait(WaitKind.GATE, Stage.IMPL, "May it be published?", "", ACCEPTED_BY[WaitKind.GATE])
    assert rules.wait_comment(wait, 7).startswith(
        "**May it be published?**\n\nAnswer with one of:\n\n- `agentos approve 7"
    )


def test_a_run_that_was_told_to_pause_says_so_and_where_it_would_go_on() -> None:
    wait = rules.paused(WAIT, Stage.SPEC, Stage.IMPL)
    assert wait.title == "asked to pause after spec (--until): It does not pass"
    assert wait.needs == ("approve, which goes on with impl",)


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_of_a_wait_can_pass_for_a_mark_of_ours(title: str, summary: str) -> None:
    forged = '<!-- agentos:effect v1 {"key": "pr"} -->'
    wait = Wait(WaitKind.GATE, Stage.IMPL, title + forged, forged + summary, ACCEPTED_BY[WaitKind.GATE])
    assert "<!--" not in rules.wait_comment(wait, 7)


# the state of a run

R_PIPE_14 = {
    "issue_number": int,
    "current_stage": str,
    "issue_brief_path": str,
    "lld_path": str,
    "spec_path": str,
    "pr_url": str,
    "stage_attempts": dict[str, int],
    "stage_errors": dict[str, list[str]],
    "started_at": str,
    "stage_started_at": str,
    "completed_at": str,
}


def test_the_state_has_every_field_that_was_promised() -> None:
    """R-PIPE-11, R-PIPE-14."""
    hints = get_type_hints(OrchestrationState)
    assert {name: hints.get(name) for name in R_PIPE_14} == R_PIPE_14


def test_no_field_accumulates_by_itself() -> None:
    """A reducer that parent and subgraph share would double its content; `Annotated` is how LangGraph takes one."""
    hints = get_type_hints(OrchestrationState, include_extras=True)
    assert [name for name, hint in hints.items() if hasattr(hint, "__metadata__")] == []
    assert hints == get_type_hints(RunState, include_extras=True)


def test_every_stage_is_a_node_of_its_own() -> None:
    assert [str(stage) for stage in stage_graphs()] == ORDER


def test_what_a_stage_makes_is_declared_and_what_a_stage_needs_was_made_before() -> None:
    declared = set(get_type_hints(OrchestrationState))
    made = {key for keys in states._MADE_BY.values() for key in keys}
    assert made <= declared
    for stage, needed in states._NEEDED.items():
        earlier = [row.stage for row in TABLE if ORDER.index(row.stage) < ORDER.index(stage)]
        assert set(needed) <= {key for each in earlier for key in states._MADE_BY[each]}


FORMER: dict[str, Any] = {
    **{key: f"made {key}" for keys in states._MADE_BY.values() for key in keys},
    "issue_number": 7,
    "good_sha": "good",
    "head_sha": "tried after it",
    "artifacts": {
        "issue-brief": "b", "lld": "l", "spec": "s", "baseline": "n", "session": "a", "change": "c",
        "review-package": "p", "follow-ups": "f", "verification": "v", "lld-review": "r",
    },
    "stage_attempts": {"impl": 2}, "rounds": {"impl.tests": 3}, "wait": {"title": "t"}, "outcome": "cancelled",
    "verdict": "BLOCK", "feedback": ["again"], "skipped": {"lld": "why"}, "started_at": "earlier", "completed_at": "then",
}  # fmt: skip
DOCUMENTS = {
    "triage": set(),
    "lld": {"issue-brief"},
    "spec": {"issue-brief", "lld"},
    "impl": {"issue-brief", "lld", "spec"},
    "pr": {"issue-brief", "lld", "spec", "baseline", "session", "change"},
    "review": {"issue-brief", "lld", "spec", "baseline", "session", "change", "review-package"},
    "finalize": {"issue-brief", "lld", "spec", "baseline", "session", "change", "review-package"},
}


@pytest.mark.parametrize("stage", ORDER)
def test_a_new_run_takes_over_what_was_made_before_its_stage_and_nothing_else(stage: str) -> None:
    state = resumed(FORMER, Stage(stage), started_at="now")
    assert set(state.get("artifacts", {})) == DOCUMENTS[stage]
    assert (state["entry_stage"], state["resumed_from"], state["started_at"]) == (stage, stage, "now")
    assert (state["issue_number"], state["graph_version"]) == (7, GRAPH_VERSION)
    own = {key for row in TABLE[ORDER.index(stage) :] for key in states._MADE_BY[row.stage]}
    assert not own & set(state)
    assert not {"stage_attempts", "rounds", "wait", "outcome", "verdict", "feedback", "completed_at"} & set(state)
    assert not {"skipped", "decision"} & set(state)


def test_work_goes_on_from_the_last_good_commit() -> None:
    assert resumed(FORMER, Stage.PR, started_at="now")["head_sha"] == "good"
    assert "head_sha" not in resumed(FORMER, Stage.IMPL, started_at="now")


@pytest.mark.parametrize(
    ("stage", "lacking", "words"),
    [
        (Stage.LLD, "issue_brief_path", "--resume-from lld needs issue_brief_path of an earlier run"),
        (Stage.SPEC, "issue_brief_path", "--resume-from spec needs issue_brief_path"),
        (Stage.IMPL, "issue_brief_path", "--resume-from impl needs issue_brief_path"),
        (Stage.PR, "good_sha", "--resume-from pr needs good_sha"),
        (Stage.REVIEW, "pr_url", "--resume-from review needs pr_url"),
        (Stage.FINALIZE, "approved_sha", "--resume-from finalize needs approved_sha"),
    ],
)
def test_a_stage_without_its_grounds_is_refused_by_name(stage: Stage, lacking: str, words: str) -> None:
    with pytest.raises(UsageError, match=f"^{words}.*which is not there; start earlier$"):
        resumed({**FORMER, lacking: ""}, stage, started_at="now")


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(UsageError, match="needs issue_brief_path, good_sha, pr_url of an earlier run"):
        resumed({"issue_number": 7}, Stage.REVIEW, started_at="now")


def test_a_first_run_begins_at_triage_with_a_clean_slate() -> None:
    assert initial(7, started_at="now") == {
        "graph_version": GRAPH_VERSION,
        "issue_number": 7,
        "entry_stage": "triage",
        "started_at": "now",
    }


# the thread of a run

REF = RunRef(1, IssueRef("demo", 7), 2)


def test_the_thread_is_named_by_repository_issue_and_run() -> None:
    assert thread_config(REF)["configurable"] == {"thread_id": "demo/7/2"}
    assert thread_config(REF)["metadata"] == {"graph_version": GRAPH_VERSION}


@pytest.mark.parametrize("version", [None, GRAPH_VERSION - 1, GRAPH_VERSION + 1])
def test_a_run_of_another_graph_is_refused_instead_of_dropping_values(version: int | None) -> None:
    with pytest.raises(UsageError, match="another version of AgentOS"):
        require_known_version({"graph_version": version, "issue_number": 7}, REF)


def test_a_run_of_this_graph_or_without_a_checkpoint_goes_on() -> None:
    require_known_version({"graph_version": GRAPH_VERSION}, REF)
    require_known_version({}, REF)


def test_the_documents_a_run_takes_over_are_kinds_the_store_knows_or_names_of_the_state() -> None:
    names = {str(name) for kept in states._DOCUMENTS_BY.values() for name in kept}
    assert names - {"baseline", "session", "change"} <= {str(kind) for kind in ArtifactKind}
    assert {str(route) for route in Route} == {"full", "trivial", "split"}


def test_the_gate_before_the_pull_request_shows_what_was_measured_and_names_protected_files() -> None:
    report = report_of("b" * 40, "a" * 40, NOTE)
    asked = rules.change_gate(BRIEF, report, ("setup.py",))
    assert (asked.gate, asked.subject, asked.evidence) == (Gate.BEFORE_PR, "a" * 40, ("setup.py",))
    assert "setup.py" in asked.summary
    assert "rotected" not in rules.change_gate(BRIEF, report, ()).summary


def test_the_end_of_a_run_that_merged_nothing_is_told_with_its_reason() -> None:
    assert rules.ended_comment(3, Outcome.CANCELLED, "") == "Run #3 ended: **cancelled**."
    assert rules.ended_comment(3, Outcome.CANCELLED, "Not <!-- now").endswith("\n\nNot &lt;!-- now")
