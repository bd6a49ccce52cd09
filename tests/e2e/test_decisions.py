"""What people say to a waiting run, from wherever they are."""

from pathlib import Path

import pytest

from tests.crash.toy import BRIEF, replies
from tests.e2e.conftest import Desk

pytestmark = pytest.mark.timeout(400)


def test_feedback_at_the_gate_sends_the_change_back(desk: Desk) -> None:
    said = replies()
    said["impl", "implementer", 3] = said.pop(("review", "implementer", 1))
    said["impl", "reviewer", 2] = said.pop(("review", "reviewer", 1))
    desk.says(said)
    first = desk.agentos("--issue", "1", "--json").result["wait"]
    done = desk.agentos("feedback", "1", "End it with an exclamation mark.", "--json")
    assert done.code == 4, done.err
    assert done.result["wait"]["gate"] == "before_pr"
    assert done.result["wait"]["subject"] != first["subject"]


def test_rejecting_at_the_gate_leaves_nothing_behind(desk: Desk) -> None:
    before, refs = desk.code(), desk.git("for-each-ref")
    desk.agentos("--issue", "1")
    done = desk.agentos("reject", "1", "--json")
    assert done.code == 0, done.err
    assert done.result["outcome"] == "cancelled"
    assert desk.code() == before
    assert desk.git("for-each-ref") == refs
    assert all(line.split()[-1].startswith("tickets/") for line in desk.git("status", "--porcelain").splitlines())
    assert desk.worktrees() == []
    assert not list(desk.home.glob("scratch/*"))


def test_a_question_is_answered_later_from_another_folder(desk: Desk, tmp_path: Path) -> None:
    said = replies()
    said["triage", "drafter", 1] = [{"json": {**BRIEF, "open_questions": ["Which language?"]}}]
    said["triage", "drafter", 2] = [{"json": BRIEF}]
    desk.says(said)
    asked = desk.agentos("--issue", "1")
    assert asked.code == 4, asked.err
    assert "Which language?" in asked.out
    assert 'answer 1 "…"' in asked.out
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = desk.agentos("answer", "1", "English.", "--json", cwd=elsewhere)
    assert done.code == 4, done.err
    assert done.result["wait"]["gate"] == "before_pr"
    assert done.result["wait"]["commands"][0].endswith(f"approve 1 --repo {desk.target}")


def test_an_approval_of_another_commit_is_refused_and_changes_nothing(desk: Desk) -> None:
    desk.agentos("--issue", "1")
    refused = desk.agentos("approve", "1", "0123456789ab")
    assert refused.code == 2
    assert "is not what run" in refused.err
    assert desk.agentos("show", "1", "--json").result["wait"]["gate"] == "before_pr"


def test_no_wait_only_records_and_the_next_run_goes_on(desk: Desk) -> None:
    desk.agentos("--issue", "1")
    recorded = desk.agentos("approve", "1", "--no-wait")
    assert (recorded.code, recorded.out) == (0, "")
    assert "--issue 1" in recorded.err
    assert desk.agentos("show", "1", "--json").result["wait"]["gate"] == "before_pr"
    for words in (("status",), ("show", "1")):
        told = desk.agentos(*words).out
        assert "approve by " in told
        assert "--issue 1" in told.splitlines()[-1]
        assert "Waiting for you\n" not in told
        assert "Answer with" not in told
    done = desk.agentos("--issue", "1", "--json")
    assert done.result["wait"]["kind"] == "review"


def test_asking_again_at_a_wait_says_the_same_and_moves_nothing(desk: Desk) -> None:
    first = desk.agentos("--issue", "1", "--json")
    again = desk.agentos("--issue", "1", "--json")
    assert (again.code, again.result["wait"]) == (4, first.result["wait"])


def test_a_decision_about_nothing_says_so(desk: Desk) -> None:
    done = desk.agentos("approve", "7")
    assert done.code == 2
    assert "there is no run of issue 7" in done.err
    assert len(done.err.strip().splitlines()) == 1
