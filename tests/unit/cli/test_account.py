"""The account of a run: as text, as JSON that fits its schema, and as a page in which nothing of theirs is alive."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from agentos.cli.account_view import account_lines
from agentos.cli.args import parse
from agentos.cli.documents import schemas, text_of
from agentos.cli.reports import Report
from agentos.cli.run_page import run_page
from agentos.cli.show_document import show_document
from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.budget import Spend
from agentos.domain.change import ChangeReport, TouchedFile, Undone
from agentos.domain.check import CriterionResult
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait
from agentos.domain.document import Finding, Review, ReviewVerdict, Severity
from agentos.domain.event import Event, EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Gate, Stage
from agentos.domain.requests import Requests
from agentos.domain.run import Run, RunRef
from agentos.domain.status import JobState, WaitKind
from agentos.runs.account import Account, JudgedIn, Verdict, judged, redraft, shortened, verdicts_in
from agentos.runs.result import OrchestrationResult
from agentos.store.decisions import DecisionRow
from agentos.workflows.kit.timeline import Visit

HOSTILE = (
    "</style></pre></title><script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:alert(1)'>x</a>"
    "{{ 7*7 }}{% raw %}&amp;\x1b[2J\u202e\"'><iframe src=//evil></iframe>"
)
AT = "2026-11-21T12:00:00+00:00"


def _account(text: str) -> Account:
    wait = WaitKind.REVIEW
    run = Run(
        ref=RunRef(1, IssueRef(f"todo-{text}", 7), 2),
        target=f"/srv/{text}",
        profile="cli",
        job=JobState.WAITING,
        stage=Stage.REVIEW,
        step=text,
        wait_kind=wait,
        outcome=None,
        epoch=1,
        owner=None,
        lease_until=None,
        due_at=None,
        error=text,
        created_at=AT,
        started_at=AT,
        stage_started_at=None,
        completed_at=None,
    )
    said = Decision(DecisionKind.FEEDBACK, text, "cli:1", text, subject=text)
    return Account(
        run=run,
        title=text,
        events=(),
        visits=(Visit(Stage.LLD, 2, AT, AT, "PASS", text), Visit(Stage.IMPL, 1, AT)),
        verdicts=(Verdict(Stage.LLD, 1, Review(ReviewVerdict.REVISE, (), text, text)),),
        findings=(JudgedIn(Stage.LLD, Finding(Severity.MAJOR, text, text, text), text, "open"),),
        decisions=(DecisionRow(1, 1, said, AT, None),),
        cost_by_stage={"lld": Spend(2, 10, 5, 0.5)},
        cost_by_model={text: Spend(2, 10, 5, None)},
        artifacts=(ArtifactRef(ArtifactKind.LLD, "a" * 64, 12, f"runs/{text}"),),
        redrafts=(redraft(("lld-draft-1", f"one\n{text}\nthree"), ("lld-draft-2", f"one\n{text}!\nthree")),),
        change=ChangeReport(
            "a" * 40,
            "b" * 40,
            text,
            (TouchedFile(text, 3, 1), TouchedFile("b", None, None)),
            3,
            1,
            (),
            (CriterionResult(text, False, (text,), text),),
            (),
        ),
        requests=Requests(made=12, unchanged=3, changes=2, points=17),
        undone=(Undone("c" * 40, "d" * 40, (text, "AC-1")),),
        patch=(f"+{text}", f"-{text}", text),
    )


def _report(text: str, *, held: bool = False) -> Report:
    account = _account(text)
    wait = Wait(
        WaitKind.REVIEW,
        Stage.REVIEW,
        text,
        text,
        ACCEPTED_BY[WaitKind.REVIEW],
        text,
        Gate.BEFORE_MERGE,
        evidence=(text,),
        needs=(text,),
    )
    run = replace(account.run, job=JobState.PAUSED) if held else account.run
    hold = Decision(DecisionKind.HOLD, text, "cli:2", text) if held else None
    result = OrchestrationResult(run, wait, Spend(3, 9, 9, 0.25), text, text, {"lld.md": text}, hold)
    return Report(parse(["show", "7"], "agentos"), result, Path("/data"))


class _Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("held", [False, True])
def test_nothing_that_others_wrote_is_alive_on_the_page(*, held: bool) -> None:
    tame, hostile = _Tags(), _Tags()
    tame.feed(run_page(_report("plain", held=held), _account("plain")))
    hostile.feed(run_page(_report(HOSTILE, held=held), _account(HOSTILE)))
    assert (hostile.tags, hostile.attributes) == (tame.tags, tame.attributes)
    assert not tame.tags & {"script", "a", "img", "iframe", "link", "form", "object", "base"}
    assert tame.attributes <= {"lang", "charset", "http-equiv", "content", "name", "class"}
    assert "{{ 7*7 }}" in hostile.text
    assert "\x1b" not in hostile.text
    assert "\u202e" not in hostile.text


def test_the_page_allows_itself_its_own_style_and_nothing_else() -> None:
    page = run_page(_report("plain"), _account("plain"))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"(?:src|href|url\()", page.partition("<body>")[2])


def test_the_text_tells_each_part_and_moves_nothing_on_the_screen() -> None:
    said = list(account_lines(_account(HOSTILE), full=False))
    headings = [line for line in said if line and not line.startswith(" ")]
    assert headings == ["Timeline", "Verdicts", "Findings", "Decisions", "Change", "Undone rounds", "Drafts", "Cost"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", "\n".join(said))


def test_a_run_that_did_nothing_has_nothing_to_tell_but_its_empty_cost() -> None:
    empty = replace(
        _account("x"),
        visits=(),
        verdicts=(),
        findings=(),
        decisions=(),
        redrafts=(),
        change=None,
        undone=(),
        cost_by_stage={},
        cost_by_model={},
        requests=Requests(),
    )
    assert list(account_lines(empty, full=False)) == []


def test_what_was_asked_of_github_is_told_for_people_and_programs() -> None:
    said = "12 requests (3 unchanged), 2 changes, 17 points"
    assert [line for line in account_lines(_account("x"), full=False) if said in line] != []
    assert f"Asked of GitHub for all runs of the issue: {said}." in run_page(_report("x"), _account("x"))
    told = json.loads(text_of(show_document(_report("x"), _account("x"))))
    assert told["requests"] == {"made": 12, "unchanged": 3, "changes": 2, "points": 17}


def test_a_long_difference_is_cut_and_says_by_how_much_unless_all_is_wanted() -> None:
    long = redraft(("a", ""), ("b", "\n".join(map(str, range(100)))))
    assert shortened(long, 12).diff[-1] == f"… {len(long.diff) - 12} more lines"
    account = replace(_account("x"), redrafts=(long,))
    assert any("show --full" in line for line in account_lines(account, full=False))
    assert not any("more lines" in line for line in account_lines(account, full=True))
    assert shortened(long, len(long.diff)) == long


def _judged(stage: Stage, verdict: str, *problems: str) -> Event:
    findings = [{"severity": "major", "where": "x", "problem": each, "fix": ""} for each in problems]
    return Event(
        1, 1, AT, EventKind.REVIEW_JUDGED, stage, None, {"verdict": verdict, "findings": findings, "model": "m"}
    )


def test_a_finding_is_open_until_a_review_approves_or_drops_it() -> None:
    events = [
        _judged(Stage.LLD, "revise", "mended", "kept"),
        _judged(Stage.LLD, "approve", "kept"),
        _judged(Stage.IMPL, "revise", "waits"),
    ]
    fate = {item.finding.problem: (item.stage, item.fate) for item in judged(verdicts_in(events))}
    assert fate == {"mended": ("lld", "fixed"), "kept": ("lld", "left"), "waits": ("impl", "open")}


@pytest.mark.parametrize("text", ["plain", HOSTILE])
def test_what_show_prints_for_programs_fits_its_schema(text: str) -> None:
    told = json.loads(text_of(show_document(_report(text), _account(text))))
    jsonschema.validate(told, schemas()["show"])
    assert told["schema"] == "agentos.show/v1"
    assert told["findings"][0]["problem"] == text
