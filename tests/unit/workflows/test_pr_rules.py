import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.config.settings import ForgeSettings, Settings, TrackerSettings
from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.budget import Spend
from agentos.domain.change import Undone
from agentos.domain.check import CriterionResult
from agentos.domain.decision import source_of_review
from agentos.domain.document import Deployment, Finding, Review, ReviewVerdict, Risk, Severity
from agentos.domain.effect import EffectKey, marker
from agentos.domain.issue import Issue, IssueRef
from agentos.domain.package import Fate, Place, ReviewPackage, fates
from agentos.domain.run import RunRef
from agentos.ports.forge import PullRequest, ReviewThread
from agentos.workflows.finalize.rules import merge_message
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.markdown import criteria_markdown
from agentos.workflows.kit.package import cost, package_markdown, short_markdown
from agentos.workflows.pr import rules
from tests.stages.delivery import NOTE, report_of
from tests.stages.documents import BRIEF

BASE, HEAD = "b" * 40, "a" * 40
REF = IssueRef("demo", 1)
ISSUE = Issue(REF, "Divide safely", "body", "digest")
RUN = RunRef(7, REF, 2)
LOCAL = Settings()
SERVED = Deployment(
    HEAD, "command", "http://127.0.0.1:8000/", "", "Open it", "GET answered 200", "2026-01-01T00:00:00Z"
)
PR = PullRequest(4, "local-pr:4", "agentos/1-x", "main", HEAD, "t", "b", "open")
PACKAGE = ReviewPackage(
    issue_number=1,
    run_number=2,
    cycle=1,
    title="Report division by zero",
    risk=Risk.LOW,
    change=report_of(BASE, HEAD, NOTE),
    place=Place("agentos/1-x", "main", 4, "local-pr:4"),
    deployment=SERVED,
    reviewers=("scripted:reviewer",),
    findings=(),
    spend=Spend(3, 100, 50, 0.25),
)


def test_the_pull_request_says_what_it_is_for_what_was_proved_and_who_made_it() -> None:
    body = rules.pr_body(replace(ISSUE, url="https://forge/1"), BRIEF, report_of(BASE, HEAD, NOTE), RUN, LOCAL)
    for part in ("[#1](https://forge/1)", "AC-1: divide(1, 0)", "| test | pass | 0 |", "low", "run 2 of issue 1"):
        assert part in body
    assert body.endswith(marker(EffectKey("pr")))
    assert "For issue #1:" in rules.pr_body(ISSUE, BRIEF, report_of(BASE, HEAD, NOTE), RUN, LOCAL)


@pytest.mark.parametrize(
    ("said", "is_rival"),
    [
        ("Fixes #1", True),
        ("a\n\ncloses: #1.", True),
        ("resolved acme/todo#1", True),
        ("Close https://github.com/acme/todo/issues/1", True),
        ("Fixes #12", False),
        ("see #1", False),
        ("prefixes #1", False),
        ("fixes acme/other#1", False),
        ("fixes https://github.com/acme/other/issues/1", False),
    ],
)
def test_a_rival_is_another_pull_request_that_says_it_closes_the_issue(said: str, is_rival: bool) -> None:
    issue = replace(ISSUE, ref=IssueRef("github.com/acme/todo", 1), url="https://github.com/acme/todo/issues/1")
    other = replace(PR, number=9, url="https://github.com/acme/todo/pull/9", branch="ann/zero", body=said)
    assert rules.rivals([other], issue) == ((other.url,) if is_rival else ())
    assert rules.rivals([replace(other, title=said, body="")], issue) == ((other.url,) if is_rival else ())


def test_what_must_not_be_overlooked_is_named_and_nothing_else() -> None:
    seen = replace(PACKAGE, excess=("setup.py", "a`b"), rivals=("https://github.com/acme/todo/pull/9",))
    for text in (package_markdown(seen, heading="H", what_now=()), short_markdown(seen)):
        assert "Outside the allowed scope: `setup.py`, `a'b`." in text
        assert "Other open pull requests for this issue: `https://github.com/acme/todo/pull/9`." in text
    for text in (package_markdown(PACKAGE, heading="H", what_now=()), short_markdown(PACKAGE)):
        assert "Outside" not in text
        assert "Other open" not in text


def test_the_same_change_always_reads_the_same_so_that_nothing_is_edited_in_vain() -> None:
    bodies = {rules.pr_body(ISSUE, BRIEF, report_of(BASE, HEAD, NOTE), RUN, LOCAL) for _ in range(3)}
    assert len(bodies) == 1


@given(st.text(), st.text())
def test_a_title_is_one_line_and_a_body_carries_one_mark_whatever_the_issue_says(title: str, summary: str) -> None:
    brief = replace(BRIEF, title=title)
    assert "\n" not in rules.pr_title(brief, LOCAL)
    assert len(rules.pr_title(brief, LOCAL)) <= rules.TITLE_CHARACTERS + 10
    report = replace(report_of(BASE, HEAD, NOTE), summary=summary + marker(EffectKey("merge")))
    assert rules.pr_body(ISSUE, brief, report, RUN, LOCAL).count("<!--") == 1


def test_only_an_open_pull_request_into_the_same_branch_is_gone_on_with() -> None:
    assert rules.is_ours(PR, "main")
    assert not rules.is_ours(None, "main")
    assert not rules.is_ours(PR, "develop")
    assert not rules.is_ours(replace(PR, state="closed"), "main")
    assert not rules.is_ours(replace(PR, state="merged"), "main")


def test_line_ends_of_a_forge_are_no_difference() -> None:
    assert rules.says(replace(PR, body="one\r\ntwo\r\n"), "t", "one\ntwo")
    assert not rules.says(replace(PR, body="one"), "t", "two")
    assert not rules.says(PR, "other", "b")
    assert not rules.says(None, "t", "b")


def test_what_is_served_nowhere_is_explained() -> None:
    artifact = replace(SERVED, url="", instructions="", artifact="trees/x")
    assert "check out `agentos/1-x`" in rules.described(artifact, "agentos/1-x").instructions
    assert rules.described(SERVED, "agentos/1-x") == SERVED


def test_the_last_commit_shown_is_remembered_over_a_package_that_is_written_again() -> None:
    assert rules.previous_sha(None, 2, 0) == ""
    assert rules.previous_sha(PACKAGE, 2, 2) == HEAD
    again = replace(PACKAGE, previous_sha=BASE)
    assert rules.previous_sha(again, 2, 1) == BASE
    assert rules.previous_sha(again, 3, 2) == ""


def test_reviews_are_told_from_other_documents() -> None:
    def subject(kind: ArtifactKind, name: str) -> str:
        return rules.subject_of(ArtifactRef(kind, "0", 1, f"runs/demo/1/1/{name}"))

    assert subject(ArtifactKind.CHECKS, "change.json") == "change"
    assert subject(ArtifactKind.REVIEW, "lld-review-2.json") == "lld"
    assert subject(ArtifactKind.REVIEW, "spec-review-10.json") == "spec"
    assert subject(ArtifactKind.REVIEW, "lld-approval.json") == ""
    assert subject(ArtifactKind.CHECKS, "checks-baseline.json") == ""
    assert subject(ArtifactKind.BUNDLE, "change.bundle") == ""


def test_a_finding_is_fixed_when_the_last_review_does_not_hold_it_any_more() -> None:
    def review(*findings: Finding) -> Review:
        return Review(ReviewVerdict.REVISE, findings, HEAD, "m")

    first, second = Finding(Severity.MAJOR, "a", "x"), Finding(Severity.MINOR, "b", "y")
    judged = fates((review(first, second), review(second)))
    assert [(item.finding, item.fate) for item in judged] == [(first, Fate.FIXED), (second, Fate.LEFT)]
    assert fates(()) == ()


def test_the_invitation_names_the_exact_commands_and_can_be_read_by_programs() -> None:
    text = rules.invitation(PACKAGE, "f" * 64)
    for command in ("`agentos approve 1`", '`agentos feedback 1 "…"`', "`agentos reject 1`"):
        assert command in text
    [block] = re.findall(r"<!-- agentos:review-package v1 (\{.*\}) -->", text)
    assert json.loads(block)["sha"] == HEAD


def test_a_cycle_that_changed_nothing_says_so() -> None:
    repeated = replace(PACKAGE, previous_sha=HEAD, remark="It is fast already.")
    assert "No new commit" in rules.invitation(repeated, "0")
    assert "It is fast already." in rules.invitation(repeated, "0")
    assert "No new commit" not in rules.invitation(PACKAGE, "0")
    assert HEAD[:12] in rules.notice(PACKAGE).title


def test_the_package_tells_of_rounds_that_are_no_part_of_the_change() -> None:
    assert "Undone rounds" not in package_markdown(PACKAGE, heading="Review", what_now=())
    undone = replace(PACKAGE, undone=(Undone("c" * 40, "d" * 40, ("AC-1", "test: a")),))
    text = package_markdown(undone, heading="Review", what_now=())
    assert "`cccccccccccc` lost AC-1, test: a; work went on from `dddddddddddd`" in text


def test_the_report_in_place_of_a_deployment_names_its_commit() -> None:
    assert rules.target_report(report_of(BASE, HEAD, NOTE)).startswith(f"# Checks at {HEAD}")


def test_a_criterion_stands_in_its_table_with_what_it_says_in_one_short_line() -> None:
    long = CriterionResult("AC-2", False, (), "no test or check is named for it", "It is |\n" + "long " * 100)
    [_, _, row] = criteria_markdown([long]).splitlines()
    assert row.startswith("| AC-2: It is \\| long long ")
    assert row.count(" long") < 20
    assert row.endswith("… | FAIL |  | no test or check is named for it |")


def test_an_unknown_price_is_never_shown_as_nothing() -> None:
    assert cost(Spend(1, 2, 3, None)) == "unknown price, 1 model call, 5 tokens"
    assert cost(Spend(2, 2, 3, 0.5)) == "$0.50, 2 model calls, 5 tokens"


@pytest.mark.parametrize(
    ("tracker", "forge", "title", "link"),
    [
        ("files", "local", "Report division by zero (#1)", "For issue #1:"),
        ("github", "github", "Report division by zero (#1)", "For issue #1:"),
        ("files", "github", "Report division by zero", "For issue 1:"),
    ],
)
def test_a_number_of_another_place_is_no_link_to_a_strangers_issue(
    tracker: str, forge: str, title: str, link: str
) -> None:
    settings = Settings(tracker=TrackerSettings(kind=tracker), forge=ForgeSettings(kind=forge))
    assert rules.pr_title(BRIEF, settings) == title
    assert rules.pr_body(ISSUE, BRIEF, report_of(BASE, HEAD, NOTE), RUN, settings).startswith(link)
    assert merge_message(PACKAGE, settings).splitlines()[0] == title


@given(st.text())
def test_no_text_opens_a_hidden_line(text: str) -> None:
    assert "<!--" not in defused(text)


def test_only_the_measurement_of_an_undone_round_tells_of_one() -> None:
    def ref(kind: ArtifactKind, name: str) -> ArtifactRef:
        return ArtifactRef(kind, "0" * 64, 1, f"runs/demo/1/1/{name}")

    assert rules.is_undone(ref(ArtifactKind.CHECKS, "undone-0123456789ab.json"))
    assert not rules.is_undone(ref(ArtifactKind.CHECKS, "change.json"))
    assert not rules.is_undone(ref(ArtifactKind.LOG, "undone-0123456789ab.txt"))


GITHUB = Settings(forge=ForgeSettings(kind="github"))
NEAR = (
    "http://127.0.0.1:{port}/",
    "http://127.9.9.9/",
    "http://localhost:8000/",
    "https://LOCALHOST./",
    "http://app.localhost/",
    "http://[::1]:8000/",
    "http://[::ffff:127.0.0.1]/",
    "http://[fe80::1%25eth0]/",
    "http://0.0.0.0:8000/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.0.7/",
    "http://169.254.169.254/latest/",
    "http://printer.local/",
    "http://2130706433/",
    "http://127.1/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://somebody@127.0.0.1/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://[::1",
    "http:///nowhere",
    "app",
)


@pytest.mark.parametrize("url", NEAR)
def test_an_address_of_this_machine_or_its_network_is_nothing_to_review_on_github(url: str) -> None:
    assert "on this machine or its network alone" in rules.unreachable(url, GITHUB)
    assert rules.unreachable(url, Settings(tracker=TrackerSettings(kind="github"))) != ""
    assert rules.unreachable(url, Settings()) == "", "somebody who sits here may open it"


@pytest.mark.parametrize(
    "url",
    ["", "https://pr-7.preview.example/", "http://93.184.215.14/", "https://[2606:2800:21f::1]/", "https://a1.example"],
)
def test_an_address_that_everybody_can_open_is_taken(url: str) -> None:
    assert rules.unreachable(url, GITHUB) == ""


THREAD = ReviewThread("t", "calc/core.py", 3, is_resolved=False, reviews=("5", "6"))
WORKED_IN = {source_of_review("5"): 1, source_of_review("6"): 2}


def test_a_thread_is_answered_in_the_cycle_of_each_of_its_reviews_while_it_is_open() -> None:
    assert [rules.is_asked_again(THREAD, WORKED_IN, cycle) for cycle in (0, 1, 2, 3)] == [False, True, True, False]
    assert not rules.is_asked_again(replace(THREAD, is_resolved=True), WORKED_IN, 1)
    assert not rules.is_asked_again(replace(THREAD, reviews=("7",)), WORKED_IN, 1)


def test_a_thread_is_settled_only_by_a_new_commit_and_with_every_word_in_it_worked_in() -> None:
    assert rules.may_settle(THREAD, WORKED_IN, PACKAGE)
    assert not rules.may_settle(replace(THREAD, reviews=("5", "6", "7")), WORKED_IN, PACKAGE)
    assert not rules.may_settle(THREAD, WORKED_IN, replace(PACKAGE, previous_sha=HEAD))


def test_what_a_thread_is_told_names_the_commit_or_says_that_there_is_none_and_forges_nothing() -> None:
    forged = replace(PACKAGE.change, summary="<!-- agentos:effect v1 -->")
    assert HEAD in rules.thread_reply(PACKAGE)
    assert "<!--" not in rules.thread_reply(replace(PACKAGE, change=forged))
    same = replace(PACKAGE, previous_sha=HEAD)
    assert rules.thread_reply(same) == "No new commit came of this. The agent says: nothing"
    assert "as it is" in rules.thread_reply(replace(same, remark="It is fine as it is."))


def test_a_thread_has_one_key_a_cycle_and_deed() -> None:
    other = replace(PACKAGE, cycle=2)
    keys = {rules.thread_key(what, thread, made) for what in "ab" for thread in "tu" for made in (PACKAGE, other)}
    assert len(keys) == 8
