"""Every control of a run by the program alone: pausing, gates, skipping, a brief of one's own, an edited issue, parts."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.crash.conftest import Called
from tests.crash.toy import BRIEF, LLD, SPEC, TICKET, replies
from tests.e2e.conftest import Desk

pytestmark = pytest.mark.timeout(400)
TICKET_PATH = "tickets/001-shout.md"
APPROVE = {"json": {"verdict": "approve", "summary": "Right.", "confidence": 95, "findings": []}}
BEFORE_PR = "before_pr"


def _at(done: Called) -> tuple[str, str | None]:
    """What the program says it waits for: kind and gate."""
    assert done.code in (3, 4), done.err
    wait: dict[str, Any] = done.result["wait"]
    return wait["kind"], wait.get("gate")


def _stages(desk: Desk, run: int = 1) -> list[tuple[str, str]]:
    return [(item["stage"], item["skipped"] or item["verdict"]) for item in desk.record(run)["stages"]]


@pytest.mark.parametrize(
    ("stage", "gate", "following"),
    [
        ("triage", "after_triage", "lld"),
        ("lld", "after_lld", "spec"),
        ("spec", "after_spec", "impl"),
        ("impl", BEFORE_PR, "pr"),
    ],
)
def test_until_a_stage_pauses_behind_it_and_says_how_to_go_on(
    desk: Desk, stage: str, gate: str, following: str
) -> None:
    paused = desk.agentos("--issue", "1", "--until", stage)
    assert paused.code == 4, paused.err
    assert gate in paused.out
    assert "approve 1" in paused.out
    if stage != "impl":
        assert f"asked to pause after {stage}" in paused.out
        assert f"goes on with {following}" in paused.out
    assert [name for name, _ in _stages(desk)][-1] == stage
    went_on = _at(desk.agentos("approve", "1", "--json"))
    assert went_on == (("review", "before_merge") if stage == "impl" else ("gate", BEFORE_PR))


def test_until_pr_ends_with_the_pull_request_open(desk: Desk) -> None:
    done = desk.agentos("--issue", "1", "--until", "pr", "--no-gate-before-pr", "--gate-before-merge", "--json")
    assert done.code == 0, done.err
    assert (done.result["outcome"], done.result["wait"]) == ("pr_opened", None)


def test_until_review_pauses_before_the_merge(desk: Desk) -> None:
    desk.agentos("--issue", "1", "--until", "review")
    desk.agentos("approve", "1")
    asked = desk.agentos("approve", "1", "--json")
    assert _at(asked) == ("gate", "before_merge")
    assert asked.result["wait"]["title"].startswith("asked to pause after review")
    merged = desk.agentos("approve", "1", "--json")
    assert (merged.code, merged.result["outcome"]) == (0, "merged"), merged.err


def test_until_a_stage_that_the_route_passes_over_pauses_before_what_follows(desk: Desk) -> None:
    said = replies()
    said["triage", "drafter", 1] = [{"json": {**BRIEF, "complexity": 1}}]
    desk.says(said)
    assert _at(desk.agentos("--issue", "1", "--until", "lld", "--json")) == ("gate", "after_triage")
    assert _at(desk.agentos("approve", "1", "--json")) == ("gate", BEFORE_PR)


def test_every_gate_asks_where_it_is_on_and_not_where_it_is_off(desk: Desk) -> None:
    gates = ["after-triage", "after-lld", "after-spec", "before-pr"]
    words = [f"--gate-{gate}" for gate in gates]
    asked = [_at(desk.agentos("--issue", "1", *words, "--json"))]
    asked += [_at(desk.agentos("approve", "1", "--json")) for _ in range(4)]
    assert asked == [*(("gate", gate.replace("-", "_")) for gate in gates), ("review", "before_merge")]


def test_gates_that_are_off_are_passed_without_asking(desk: Desk) -> None:
    words = [f"--no-gate-{gate}" for gate in ("after-triage", "after-lld", "after-spec", "before-pr")]
    done = desk.agentos("--issue", "1", *words, "--gate-before-merge", "--json")
    assert _at(done) == ("review", "before_merge")
    refused = desk.agentos("--issue", "1", *words, "--no-gate-before-merge")
    assert refused.code == 2
    assert "every gate is off" in refused.err


def test_skipped_documents_are_seen_with_who_wanted_it_so(desk: Desk) -> None:
    done = desk.agentos("--issue", "1", "--skip-lld", "--skip-spec", "--json")
    assert _at(done) == ("gate", BEFORE_PR)
    skipped = dict(_stages(desk))
    assert skipped["lld"] == skipped["spec"] == "asked for on the command line"
    assert "lld.md" not in done.result["paths"]
    assert "asked for on the command line" in done.err


def test_a_spec_is_made_from_the_brief_where_no_design_is_wanted(desk: Desk) -> None:
    said = replies()
    proof = {"scenario": "AC-1", "test": SPEC["tests"][0]["test"]}  # type: ignore[index]
    mapped = {**SPEC, "tests": [proof], "checklist": ["AC-1 proved"]}
    said["spec", "drafter", 1] = [{"json": mapped}]
    desk.says(said)
    done = desk.agentos("--issue", "1", "--skip-lld", "--json")
    assert _at(done) == ("gate", BEFORE_PR)
    assert "spec.md" in done.result["paths"]


def test_a_design_kept_in_the_repository_is_taken(desk: Desk) -> None:
    done = desk.agentos("--issue", "1", "--until", "lld", "--json")
    kept = desk.target / "docs" / "lld" / "LLD-1.md"
    kept.parent.mkdir(parents=True)
    kept.write_text((desk.home / done.result["paths"]["lld.md"]).read_text("utf-8"), "utf-8")
    desk.git("add", "docs")
    desk.git("-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "-q", "-m", "design")
    with psycopg.connect(desk.environment["AGENTOS_DATABASE_URL"]) as conn:
        conn.execute("DELETE FROM artifacts")  # as on a machine that knows nothing of the first run
    again = desk.agentos("--issue", "1", "--resume-from", "triage", "--skip-lld", "--json")
    assert _at(again) == ("gate", BEFORE_PR)
    assert dict(_stages(desk, 2))["lld"] == "docs/lld/LLD-1.md is approved and current"
    assert "lld.md" in again.result["paths"]


@pytest.mark.parametrize("suffix", ["md", "json"])
def test_a_brief_of_ones_own_takes_triages_place(desk: Desk, tmp_path: Path, suffix: str) -> None:
    said = replies()
    del said["triage", "drafter", 1]
    desk.says(said)
    text = f"# {BRIEF['title']}\n\n## Objective\n{BRIEF['objective']}\n\n## Acceptance criteria\n- {BRIEF['criteria'][0]}\n"  # type: ignore[index]
    file = tmp_path / f"brief.{suffix}"
    file.write_text(text if suffix == "md" else json.dumps(BRIEF), "utf-8")
    done = desk.agentos("--issue", "1", "--from-brief", str(file), "--json")
    assert _at(done) == ("gate", BEFORE_PR)
    assert "the brief was given" in dict(_stages(desk))["triage"]
    file.unlink()  # the run has it
    assert _at(desk.agentos("--issue", "1", "--json")) == ("gate", BEFORE_PR)
    file.write_text(text.replace("shout", "whisper"), "utf-8")
    other = desk.agentos("--issue", "1", "--from-brief", str(file))
    assert other.code == 2
    assert "--resume-from triage" in other.err


@pytest.mark.parametrize(
    ("text", "reason"), [("# Shout\n", "no objective"), ("{}", "objective"), (None, "cannot be read")]
)
def test_a_file_that_is_no_brief_starts_nothing(desk: Desk, tmp_path: Path, text: str | None, reason: str) -> None:
    file = tmp_path / "brief.md"
    if text is not None:
        file.write_text(text, "utf-8")
    done = desk.agentos("--issue", "1", "--from-brief", str(file))
    assert done.code == 2
    assert reason in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not desk.home.exists()


def test_an_issue_edited_while_its_run_waits_is_made_anew_from_the_brief_on(desk: Desk) -> None:
    said = replies()
    loud = {**BRIEF, "criteria": ['shout("Ann") gives the greeting in capitals, with an exclamation mark']}
    said["triage", "drafter", 2] = [{"json": loud}]
    said["lld", "drafter", 2] = [{"json": {**LLD, "logic": "The greeting, in capitals, loudly."}}]
    said["spec", "drafter", 2] = [{"json": {**SPEC, "overview": "Add a loud shout."}}]
    said["lld", "reviewer", 2] = said["spec", "reviewer", 2] = [APPROVE]
    said["impl", "implementer", 3] = said.pop(("review", "implementer", 1))
    said["impl", "reviewer", 2] = said.pop(("review", "reviewer", 1))
    desk.says(said)
    first = desk.agentos("--issue", "1", "--json")
    assert _at(first) == ("gate", BEFORE_PR)
    ticket = desk.target / TICKET_PATH
    ticket.write_text(
        ticket.read_text("utf-8").replace("in capitals.", "in capitals, with an exclamation mark."), "utf-8"
    )
    second = desk.agentos("--issue", "1", "--json")
    assert _at(second) == ("gate", BEFORE_PR)
    assert second.result["wait"]["subject"] != first.result["wait"]["subject"]
    visits = [name for name, _ in _stages(desk)]
    assert visits == ["triage", "lld", "spec", "impl", "impl", "triage", "lld", "spec", "impl"]
    thread = (desk.target / "tickets" / "001-shout.thread.md").read_text("utf-8")
    assert '+- `shout("Ann")` gives the greeting in capitals, with an exclamation mark.' in thread
    desk.agentos("approve", "1")
    assert desk.agentos("approve", "1", "--json").result["outcome"] == "merged"


def test_an_edit_that_means_the_same_costs_one_reading(desk: Desk) -> None:
    said = replies()
    said["triage", "drafter", 2] = [{"json": BRIEF}]
    desk.says(said)
    first = desk.agentos("--issue", "1", "--json")
    (desk.target / TICKET_PATH).write_text(TICKET.replace("can shout", "can now shout"), "utf-8")
    review = desk.agentos("approve", "1", "--json")
    assert _at(review) == ("review", "before_merge")
    assert review.result["wait"]["subject"] == first.result["wait"]["subject"]
    assert [name for name, _ in _stages(desk)] == ["triage", "lld", "spec", "impl", "pr", "triage", "pr", "review"]


def test_too_large_an_issue_is_split_once_that_is_accepted(desk: Desk) -> None:
    said = replies()
    parts = ["Shout in English", "Shout in German"]
    said["triage", "drafter", 1] = [{"json": {**BRIEF, "complexity": 9, "parts": parts}}]
    desk.says(said)
    blocked = desk.agentos("--issue", "1")
    assert blocked.code == 3, blocked.err
    assert "Shout in German" in blocked.out
    assert "approve 1" in blocked.out
    done = desk.agentos("approve", "1", "--json")
    assert (done.code, done.result["outcome"]) == (0, "decomposed"), done.err
    filed = sorted((desk.target / "tickets").glob("00[23]-*.md"))
    assert ["English" in filed[0].read_text("utf-8"), "German" in filed[1].read_text("utf-8")] == [True, True]
    assert all("related: [1]" in path.read_text("utf-8") for path in filed)
    assert all("objective: " in path.read_text("utf-8") for path in filed)
    ticket = (desk.target / TICKET_PATH).read_text("utf-8")
    assert "status: done" in ticket
    assert "Decomposed into parts" in ticket
    assert desk.git("branch", "--list", "agentos/*") == ""


def test_an_issue_is_not_started_before_what_its_relations_name(desk: Desk) -> None:
    first, second = desk.target / TICKET_PATH, desk.target / "tickets" / "002-whisper.md"
    body = first.read_text("utf-8").partition("---\n## ")[2]

    def relate(relation: str) -> None:
        second.write_text(f"---\nid: 2\ntitle: Whisper\nstatus: planned\n{relation}\n---\n## {body}", "utf-8")

    def refusals() -> list[str]:
        calls = [desk.agentos("--issue", "2", *words) for words in ([], ["--dry-run"])]
        assert [done.code for done in calls] == [2, 2], [done.err for done in calls]
        return [" ".join((done.out + done.err).split()) for done in calls]

    relate("depends_on: [1]")
    said = ("waits for issue 1 “Add a shout function” (queued): finish that first (`", "run --issue 1`)")
    found = refusals()
    assert all(part in refusal for refusal in found for part in said), found
    desk.agentos("--issue", "1", "--until", "triage")
    relate("conflicts_with: [1]")
    found = refusals()
    assert all("whose run #1 is waiting" in refusal for refusal in found), found
    assert "tickets/002-whisper.thread.md" not in desk.git("status", "--porcelain", "--untracked-files=all")


def test_what_is_rehearsed_shows_pauses_and_skips(desk: Desk) -> None:
    done = desk.agentos("--issue", "1", "--dry-run", "--json", "--until", "spec", "--skip-lld")
    stages = {stage["stage"]: stage for stage in done.result["stages"]}
    assert (stages["lld"]["action"], stages["spec"]["gate"]) == ("skip", "after_spec")
    assert stages["impl"]["action"] == "not_reached"
