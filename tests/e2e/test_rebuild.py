"""The database is lost, and the run is found again: nothing is paid twice, doubled, or taken on trust."""

import json
from typing import Any

import pytest

from tests.crash.toy import replies
from tests.e2e.conftest import Desk

pytestmark = pytest.mark.timeout(400)
DATABASE = "AGENTOS_DATABASE_URL"


def _left_to_say(*stages: str) -> dict[Any, Any]:
    return {key: turns for key, turns in replies().items() if key[0] in stages}


def _keys(desk: Desk) -> list[str]:
    """The effect keys of our entries in the issue's thread."""
    thread = (desk.target / "tickets" / "001-shout.thread.md").read_text("utf-8")
    return [
        json.loads(line.split("v1 ")[1].removesuffix(" -->"))["key"]
        for line in thread.splitlines()
        if "agentos:effect" in line
    ]


def _prs(desk: Desk) -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in sorted(desk.home.glob("forge/*/*.json"))]


def test_a_run_lost_at_its_gate_is_found_and_merged_without_paying_again(desk: Desk, empty_database_url: str) -> None:
    asked = desk.agentos("--issue", "1", "--gate-after-lld", "--json")
    asked = desk.agentos("approve", "1", "--json")
    desk.environment[DATABASE] = empty_database_url
    refused = desk.agentos("--issue", "1")
    assert refused.code == 2
    assert "rebuild 1" in refused.err
    assert any("rebuild 1" in each for each in desk.agentos("--issue", "1", "--dry-run", "--json").result["refusals"])
    desk.says(_left_to_say("finalize"))
    looked = desk.agentos("rebuild", "1", "--dry-run", "--json").result
    assert [each["stage"] for each in looked["found"]] == ["triage", "lld", "spec", "impl"]
    assert looked["missing"] == []
    again = desk.agentos("rebuild", "1", "--json")
    assert again.code == 4, again.err
    assert (again.result["run"], again.result["wait"]["gate"]) == (2, "before_pr")
    assert again.result["wait"]["subject"] == asked.result["wait"]["subject"]
    assert {"lld.md", "spec.md", "diff.patch"} <= set(again.result["paths"])
    desk.agentos("approve", "1")
    merged = desk.agentos("approve", "1", "--json")
    assert (merged.code, merged.result["outcome"]) == (0, "merged"), merged.err
    assert merged.result["cost"]["calls"] == 1, "the follow-ups alone"
    assert [pr["state"] for pr in _prs(desk)] == ["merged"]
    keys = _keys(desk)
    assert len(keys) == len(set(keys))
    assert keys.count("status-comment") == 1
    assert desk.git("branch", "--list", "agentos/*") == ""
    assert desk.worktrees() == []
    assert [each["skipped"].partition(":")[0] for each in desk.record(2)["stages"][:4]] == ["found again"] * 4


def test_a_run_lost_while_it_waits_for_review_goes_on_there(desk: Desk, empty_database_url: str) -> None:
    desk.agentos("--issue", "1")
    shown = desk.agentos("approve", "1", "--json")
    assert shown.result["wait"]["kind"] == "review"
    desk.environment[DATABASE] = empty_database_url
    desk.says(_left_to_say("review", "finalize"))
    again = desk.agentos("rebuild", "1", "--json")
    assert again.code == 4, again.err
    assert (again.result["wait"]["kind"], again.result["wait"]["subject"]) == (
        "review",
        shown.result["wait"]["subject"],
    )
    assert again.result["pr_url"] == shown.result["pr_url"]
    desk.agentos("feedback", "1", "End it with an exclamation mark.")
    merged = desk.agentos("approve", "1", "--json")
    assert merged.result["outcome"] == "merged", merged.err
    assert [pr["state"] for pr in _prs(desk)] == ["merged"]
    assert _keys(desk).count("status-comment") == 1
    assert "def shout" in (desk.target / "greet.py").read_text("utf-8")
