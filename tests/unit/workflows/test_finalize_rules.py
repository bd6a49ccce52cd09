from dataclasses import replace
from itertools import product

import pytest
from pydantic import ValidationError

from agentos.config.settings import MergeAuthority
from agentos.domain.budget import Spend
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind
from agentos.domain.document import FollowUp, Severity
from agentos.domain.issue import IssueRef
from agentos.domain.package import CloseOut, Fate, FiledFollowUp, JudgedFinding
from agentos.domain.pipeline import Stage
from agentos.domain.status import WaitKind
from agentos.workflows.finalize import rules
from agentos.workflows.finalize.diagnosis import Diagnosis, evidence_of, first_words, revert_draft, revert_key
from agentos.workflows.finalize.reply import FollowUpsReply
from agentos.workflows.finalize.rules import Heads, Way
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState
from tests.stages.delivery import LATE, NOTE
from tests.unit.workflows.test_pr_rules import BASE, HEAD, LOCAL, PACKAGE, PR

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
    wait = rules.dossier_wait(PACKAGE, may_merge=True)
    assert (wait.kind, wait.stage, wait.subject) == (WaitKind.DOSSIER, Stage.FINALIZE, HEAD)
    assert wait.accepts == ACCEPTED_BY[WaitKind.DOSSIER]
    assert wait.title.startswith("merge-ready: merge")
    text = rules.dossier_comment(PACKAGE, may_merge=True)
    for part in ("agentos approve 1", "agentos run --issue 1", "agentos reject 1", "`main`"):
        assert part in text
    assert "approve 1" in rules.dossier_notice(PACKAGE, may_merge=True).how


def test_where_agentos_never_merges_nothing_offers_it() -> None:
    wait = rules.dossier_wait(PACKAGE, may_merge=False)
    assert wait.accepts == (DecisionKind.RETRY, DecisionKind.REJECT)
    notice = rules.dossier_notice(PACKAGE, may_merge=False)
    comment = rules.dossier_comment(PACKAGE, may_merge=False)
    assert not any(
        "approve" in text for text in (wait.title, wait.summary, comment, notice.title, notice.body, notice.how)
    )
    assert "agentos run --issue 1" in notice.how


def test_the_merge_message_is_one_title_line_and_names_pull_request_and_commit() -> None:
    title, blank, body = rules.merge_message(replace(PACKAGE, title="two\nlines\x1b[31m"), LOCAL).splitlines()
    assert (title, blank) == ("two lines (#1)", "")
    assert HEAD in body
    assert "Pull request 4" in body
    assert rules.merge_message(replace(PACKAGE, title="Say hello, fixes #9"), LOCAL).startswith(
        "Say hello, fixes 9 (#1)"
    )


def test_a_second_visit_measures_what_the_person_made_of_the_base() -> None:
    assert rules.to_measure({"merge_sha": "m"}, "head") == "m"
    assert rules.to_measure({"merge_sha": "m", "stage_attempts": {"finalize": 1}}, "head") == "m"
    assert rules.to_measure({"merge_sha": "m", "stage_attempts": {"finalize": 2}}, "head") == "head"


RED = replace(PACKAGE.change.checks[0], exit_code=1, tail="collected 9\n...\nE   assert 1 == 2\nmore\n")
FOUND = Diagnosis(
    merge_sha="d" * 40,
    base_branch="main",
    before_sha=BASE,
    undone_by="git revert -m 1 dddddddddddd",
    failures=("test: t0",),
    results=(RED, replace(RED, name="lint", tail="ugly")),
    since=(),
    touched=("a.py", "b.py"),
    both=(),
)


def test_the_diagnosis_says_what_fails_what_it_said_first_and_whom_to_suspect() -> None:
    assert evidence_of(FOUND) == (
        "test: t0",
        "test ended with exit code 1:\nE   assert 1 == 2\nmore",
        f"main without the change ({BASE[:12]}) passes what fails now",
        "it fails lint, too, which does not count",
        "nothing else came in meanwhile, so suspect the change itself: a.py, b.py",
    )
    many = replace(FOUND, failures=tuple(f"test: t{number}" for number in range(12)))
    assert evidence_of(many)[9:11] == ("test: t9", "and 2 more")


@pytest.mark.parametrize(("both", "how"), [(("a.py",), "both touch a.py"), ((), "other files than the change")])
def test_what_came_in_meanwhile_is_suspected_with_the_change(both: tuple[str, ...], how: str) -> None:
    last = evidence_of(replace(FOUND, since=("1a2b3c4 Rename \x1b[31mall", "2b3c4d5 Fix"), both=both))[-1]
    assert how in last
    assert last.splitlines()[1:] == ["1a2b3c4 Rename all", "2b3c4d5 Fix"]


@pytest.mark.parametrize(
    ("output", "first", "count"),
    [
        ("", "it said nothing", 1),
        ("one\ntwo\n", "one", 2),
        ("\n".join(map(str, range(40))), "28", 12),
        ("fine\nFAILED tests/test_a.py\n" + "x\n" * 40, "FAILED tests/test_a.py", 12),
    ],
)
def test_the_first_words_about_a_failure_are_shown_and_not_all_the_rest(output: str, first: str, count: int) -> None:
    said = first_words(output)
    assert (said[0], len(said)) == (first, count)


def test_a_revert_is_one_ticket_for_each_merge_and_says_how_one_sees_that_it_is_done() -> None:
    one, other = (revert_key(IssueRef("demo", 1), sha * 40) for sha in "de")
    assert one != other
    draft = revert_draft(FOUND, "two\nlines <!-- x -->", IssueRef("demo", 1))
    assert (draft.title, draft.related) == ("Revert “two lines <!-- x -->” (#1)", (1,))
    assert "- `main` passes test: t0" in draft.body
    assert "E   assert 1 == 2" in draft.body
    assert "<!--" not in draft.body


def test_a_revert_has_one_branch_for_each_merge_and_a_title_that_closes_nothing() -> None:
    assert rules.revert_branch("d" * 40) == "agentos/revert-dddddddddddd"
    assert rules.revert_title("Say hello, fixes #9", 1, LOCAL) == "Revert “Say hello, fixes 9 (#1)”"


def test_a_person_may_have_the_revert_filed_once() -> None:
    assert any("approve, which files the revert of dddddddddddd" in need for need in rules.mending(FOUND, {}))
    assert rules.mending(FOUND, {"revert_ticket": 7})[0].startswith("issue 7, which takes the merge back; or mend")
    pull: RunState = {"revert_ticket": 7, "revert_pr": "https://github.com/acme/todo/pull/9"}
    assert "or merge https://github.com/acme/todo/pull/9" in rules.mending(FOUND, pull)[0]


def test_a_change_that_goes_round_once_more_is_approved_by_nobody_and_measured_anew() -> None:
    state: RunState = {
        "feedback": ["before"],
        "cycle": 1,
        "rounds": {"impl.tests": 3, "finalize.syncs": 1},
        "approved_sha": HEAD,
        "artifacts": {"baseline": "b", "best": "c", "lld": "d"},
    }
    update = rules.opened_again(state, "again")
    assert (update["feedback"], update["cycle"], update["approved_sha"]) == (["before", "again"], 2, "")
    assert (update["rounds"], update["artifacts"]) == ({"finalize.syncs": 1}, {"lld": "d"})


def test_every_reason_not_to_merge_is_a_finding_that_stops() -> None:
    for findings in (
        rules.conflicting(("a\x1b[31m.py",), "main"),
        rules.breaking(("test: t0",), "main"),
        rules.other_than_approved("main"),
    ):
        assert [item.severity for item in findings] == [Severity.BLOCKER]
        assert "\x1b" not in findings[0].where
        comment = rules.not_merged("main", HEAD, findings)
        assert comment.startswith(f"**Not merged**: `main` moved on. The approval of `{HEAD[:12]}` counts no more")
        assert findings[0].problem in comment
    assert "passes" in rules.synced("main", BASE, clean=True)
    assert "cannot be merged" in rules.synced("main", BASE, clean=False)


def test_what_is_to_be_worked_in_again_is_shown_only_where_it_is_gone() -> None:
    assert "```" not in rules.asked_again("main", BASE, "")
    assert "```diff\n+mine\n```" in rules.asked_again("main", BASE, "+mine")


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
