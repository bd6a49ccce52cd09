from dataclasses import replace
from itertools import product

import pytest
from pydantic import ValidationError

from agentos.config.settings import MergeAuthority
from agentos.domain.budget import Spend
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind
from agentos.domain.document import FollowUp
from agentos.domain.issue import IssueRef
from agentos.domain.package import CloseOut, Fate, FiledFollowUp, JudgedFinding
from agentos.domain.pipeline import Stage
from agentos.domain.status import WaitKind
from agentos.workflows.finalize import rules
from agentos.workflows.finalize.reply import FollowUpsReply
from agentos.workflows.finalize.rules import Heads, Way
from agentos.workflows.kit.records import dump
from tests.stages.delivery import LATE, NOTE
from tests.unit.workflows.test_pr_rules import BASE, HEAD, PACKAGE, PR

AGREED = Heads(HEAD, HEAD, HEAD)
AUTHORITIES: tuple[MergeAuthority, ...] = ("none", "dossier", "on_approval", "auto")
RECORD = CloseOut(
    issue_number=1,
    run_number=2,
    title="Report division by zero",
    summary="It is refused.",
    place=PACKAGE.place,
    approved_sha=HEAD,
    merge_sha="d" * 40,
    criteria=PACKAGE.change.criteria,
    checks=PACKAGE.change.checks,
    follow_ups=(FiledFollowUp(5, "Floats"),),
    cycles=1,
    spend=Spend(),
)


@pytest.mark.parametrize(
    ("authority", "expected"),
    [("none", Way.ASK), ("dossier", Way.ASK), ("on_approval", Way.MERGE), ("auto", Way.MERGE)],
)
def test_who_may_merge_is_what_the_operator_set(authority: MergeAuthority, expected: Way) -> None:
    assert rules.way(authority, PR, AGREED) is expected


def test_what_is_merged_already_goes_on_whoever_may_merge_and_whatever_was_approved() -> None:
    merged = replace(PR, state="merged", merge_sha="d" * 40)
    for authority in AUTHORITIES:
        assert rules.way(authority, merged, Heads("", HEAD, "")) is Way.MERGED


def test_nobody_merges_anything_but_the_commit_that_passed_and_was_approved() -> None:
    """Every combination of three shas: only three equal, real ones pass."""
    for heads in (Heads(*shas) for shas in product(("", HEAD, BASE), repeat=3)):
        allowed = {rules.way(authority, PR, heads) is not Way.HALT for authority in AUTHORITIES}
        assert allowed == {heads.approved == heads.good == heads.forge != ""}


def test_the_three_commits_are_told_in_words() -> None:
    assert Heads("", HEAD, "").told() == (
        "approved: nothing",
        f"passed its checks: {HEAD[:12]}",
        "on the forge: no such branch",
    )


@pytest.mark.parametrize(
    ("kind", "subject", "merges"),
    [
        (DecisionKind.APPROVE, HEAD, True),
        (DecisionKind.APPROVE, BASE, False),
        (DecisionKind.APPROVE, "", False),
        (DecisionKind.RETRY, HEAD, False),
    ],
)
def test_only_an_approval_of_the_good_commit_lets_agentos_merge(kind: DecisionKind, subject: str, merges: bool) -> None:
    decision = Decision(kind, "ann", "cli", subject=subject)
    assert rules.lets_merge({"good_sha": HEAD, "decision": dump(decision)}) is merges


def test_the_dossier_asks_for_the_commit_and_says_both_ways() -> None:
    wait = rules.dossier_wait(PACKAGE)
    assert (wait.kind, wait.stage, wait.subject) == (WaitKind.DOSSIER, Stage.FINALIZE, HEAD)
    assert wait.accepts == ACCEPTED_BY[WaitKind.DOSSIER]
    assert wait.title.startswith("merge-ready: merge")
    text = rules.dossier_comment(PACKAGE)
    for part in ("agentos approve 1", "agentos retry 1", "agentos reject 1", "`main`"):
        assert part in text
    assert "approve 1" in rules.dossier_notice(PACKAGE).how


def test_the_merge_message_is_one_title_line_and_names_pull_request_and_commit() -> None:
    title, blank, body = rules.merge_message(replace(PACKAGE, title="two\nlines\x1b[31m")).splitlines()
    assert (title, blank) == ("two lines (#1)", "")
    assert HEAD in body
    assert "Pull request 4" in body


def test_a_second_visit_measures_what_the_person_made_of_the_base() -> None:
    assert rules.to_measure({"merge_sha": "m"}, "head") == "m"
    assert rules.to_measure({"merge_sha": "m", "stage_attempts": {"finalize": 1}}, "head") == "m"
    assert rules.to_measure({"merge_sha": "m", "stage_attempts": {"finalize": 2}}, "head") == "head"


def test_the_diagnosis_names_tests_first_and_then_what_the_failing_commands_said() -> None:
    results = (PACKAGE.change.checks[0], replace(PACKAGE.change.checks[0], name="lint", tail="fine"))
    many = tuple(f"test: t{number}" for number in range(12))
    evidence = rules.verify_evidence(many, results)
    assert evidence[:2] == ("test: t0", "test: t1")
    assert evidence[10:] == ("and 2 more", "test ended with:\n1 passed")
    assert rules.verify_evidence(("lint: it",), results) == ("lint: it", "lint ended with:\nfine")


def test_follow_ups_have_names_of_their_own_in_the_whole_tracker() -> None:
    keys = {rules.follow_up_key(IssueRef("demo", number), place) for number in (1, 11) for place in (1, 2)}
    assert len(keys) == 4
    draft = rules.follow_up_draft(FollowUp("two\nlines", "body <!-- x -->"), IssueRef("demo", 1))
    assert (draft.title, draft.related) == ("two lines", (1,))
    assert "<!--" not in draft.body
    assert draft.body.endswith("Follow-up of #1.")


def test_what_nobody_worked_in_is_left_open() -> None:
    findings = (JudgedFinding(LATE, "m", Fate.FIXED), JudgedFinding(NOTE, "m", Fate.LEFT))
    assert rules.left_open(replace(PACKAGE, findings=findings)) == (NOTE,)


def test_a_model_proposes_three_at_most_and_each_once() -> None:
    one = {"title": "a", "body": "b"}
    assert len(FollowUpsReply.model_validate({"follow_ups": [one, one]}).to_follow_ups()) == 1
    assert FollowUpsReply.model_validate({}).to_follow_ups() == ()
    with pytest.raises(ValidationError):
        FollowUpsReply.model_validate({"follow_ups": [one] * 4})
    with pytest.raises(ValidationError):
        FollowUpsReply.model_validate({"follow_ups": [{"title": "", "body": "b"}]})


def test_the_close_out_links_everything_and_says_what_was_proved() -> None:
    text = rules.close_out_markdown(RECORD)
    for part in ("local-pr:4", "d" * 40, "AC-1", "| test | pass |", "#5 Floats", "1 feedback cycle,"):
        assert part in text
    assert rules.resolution(RECORD).splitlines()[0] == f"Merged as {'d' * 40} (local-pr:4)."
    assert "None." in rules.close_out_markdown(replace(RECORD, follow_ups=()))
