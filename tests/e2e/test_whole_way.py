"""An issue becomes a merged change, by the program alone."""

import json
from typing import Any

import jsonschema
import pytest

from tests.crash.toy import FOLLOW_UPS, replies
from tests.e2e.conftest import ROOT, Desk

pytestmark = pytest.mark.timeout(400)


def test_an_issue_becomes_a_merged_change_once_with_red_tests_and_feedback_on_the_way(desk: Desk) -> None:
    begun = desk.agentos("--issue", "1")
    assert begun.code == 4, begun.err
    assert "before_pr" in begun.out
    assert "AC-1" in begun.out
    assert "approve 1" in begun.out
    asked = desk.agentos("approve", "1", "--json")
    assert asked.code == 4, asked.err
    assert f"Recorded: approve {asked.result['wait']['subject'][:12]} for run #1" in asked.err
    assert asked.result["wait"]["kind"] == "review"
    again = desk.agentos("feedback", "1", "End it with an exclamation mark.")
    assert again.code == 4, again.err
    merged = desk.agentos("approve", "1", "--json")
    assert merged.code == 0, merged.err
    assert merged.result["outcome"] == "merged"
    assert desk.git("rev-parse", "main") == merged.result["merge_sha"]
    assert "def shout" in (desk.target / "greet.py").read_text("utf-8")
    assert desk.git("branch", "--list", "agentos/*") == ""
    assert desk.worktrees() == []
    assert "status: done" in (desk.target / "tickets" / "001-shout.md").read_text("utf-8")
    filed = [path.read_text("utf-8") for path in (desk.target / "tickets").glob("002-*.md")]
    assert any(FOLLOW_UPS["follow_ups"][0]["title"] in text for text in filed)
    left = [line for line in merged.err.splitlines() if "nobody asked" in line]
    assert [line for line in left if "impl foresight" not in line] == [], "that one is for runs without a design"
    record = desk.record()
    jsonschema.validate(record, json.loads((ROOT / "docs" / "reference" / "run.schema.json").read_text("utf-8")))
    assert record["schema"] == "agentos.run/v1"
    assert str(desk.home.parent) not in json.dumps(record)
    # Red tests went back to the code until they were green: at the base, at the first commit, at the second, …
    checks = [check["passed"] for check in record["checks"] if check["name"] == "test"]
    assert checks[:3] == [True, False, True]
    again = desk.agentos("--issue", "1", "--json")
    assert (again.code, again.result["run"], again.result["outcome"]) == (0, 1, "merged")
    assert desk.git("rev-parse", "main") == merged.result["merge_sha"], "what is done is not done again"


def test_review_findings_go_back_to_the_code_until_they_are_fixed(desk: Desk) -> None:
    finding = {
        "severity": "major",
        "where": "greet.py:6",
        "quote": "    return greet(name).upper()",
        "problem": "An empty name shouts at nobody.",
    }
    verdict = {"verdict": "revise", "summary": "One case is open.", "confidence": 80, "findings": [finding]}
    said = replies()
    said["impl", "reviewer", 1] = [{"json": verdict}]
    said["impl", "implementer", 3] = said.pop(("review", "implementer", 1))
    said["impl", "reviewer", 2] = said.pop(("review", "reviewer", 1))
    desk.says(said)
    done = desk.agentos("--issue", "1", "--json")
    assert done.code == 4, done.err
    assert "An empty name shouts at nobody." in done.err
    reviews = [name for name in done.result["paths"] if name.startswith("agent-impl")]
    assert len(reviews) == 3


def test_each_stage_can_be_entered_again_with_what_was_made_before(desk: Desk) -> None:
    dossier = ("--set", "merge_authority=dossier")
    for words in (("--issue", "1", *dossier), ("approve", "1"), ("feedback", "1", "Louder."), ("approve", "1")):
        done = desk.agentos(*words)
        assert done.code == 4, done.err
    where: dict[str, Any] = {}
    for stage in ("finalize", "review", "pr", "impl", "spec", "lld", "triage"):
        entered = desk.agentos("--issue", "1", "--resume-from", stage, "--json", *dossier)
        assert entered.code == 4, f"{stage}: {entered.err}"
        where[stage] = (entered.result["run"], entered.result["wait"]["kind"], desk.record(entered.result["run"]))
    assert [number for number, _, _ in where.values()] == [2, 3, 4, 5, 6, 7, 8]
    assert [kind for _, kind, _ in where.values()] == ["dossier", "review", "review", "gate", "gate", "gate", "gate"]
    for stage, (_, _, record) in where.items():
        assert record["stages"][0]["stage"] == stage, "nothing before it ran again"
