"""LLD and spec that need no drafting: kept in the repository, or not wanted at all; each reason is seen."""

from dataclasses import replace
from typing import Any

import pytest

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import Lld
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage, Verdict
from agentos.workflows.kit.markdown import lld_markdown
from agentos.workflows.kit.records import load_json
from agentos.workflows.kit.state import RunState
from agentos.workflows.lld.graph import build as build_lld
from agentos.workflows.spec.graph import build as build_spec
from tests.stages.conftest import Answers, Equip, Stand
from tests.stages.documents import BRIEF, LLD
from tests.stages.documents import SPEC_REPLY as SPEC
from tests.stages.test_edited_issue import APPROVE
from tests.stages.test_lld import DRAFT

EXISTING = {"skip_existing_lld": True, "skip_existing_spec": True}
WITHOUT = {"skip_lld": True, "skip_spec": True}
PATH, SPEC_PATH = "docs/lld/LLD-1.md", "docs/lld/spec-1.md"


def _answers(stage: Stage, draft: dict[str, Any]) -> Answers:
    return {(stage, "drafter", 1): draft, (stage, "reviewer", 1): APPROVE}


async def _front(stand: Stand, **change: Any) -> str:
    issue = await stand.tracker.get(1)
    front = {"schema": "agentos.lld/v1", "issue": 1, "status": "approved", "digest_of_issue": f'"{issue.digest}"'}
    return "\n".join(["---", *(f"{key}: {value}" for key, value in {**front, **change}.items()), "---", ""])


async def _visit_lld(stand: Stand, **state: Any) -> RunState:
    return await stand.run_stage(build_lld(), await stand.handed_over((ArtifactKind.BRIEF, BRIEF), **state))


async def _notes(stand: Stand) -> list[str]:
    events = await stand.store.ledger.read(stand.ctx.run.id)
    return [event.data["text"] for event in events if event.kind is EventKind.NOTE]


async def test_an_approved_design_in_the_repository_is_taken_and_nothing_is_paid(equip: Equip) -> None:
    stand = await equip(orchestrator=EXISTING)
    stand.commit({PATH: await _front(stand) + lld_markdown(LLD)})
    state = await _visit_lld(stand)
    assert state["verdict"] == Verdict.PASS
    assert state["skipped"][Stage.LLD] == f"{PATH} is approved and current"
    assert load_json(Lld, await stand.store.artifacts.get(state["artifacts"][ArtifactKind.LLD])) == LLD
    assert (stand.ctx.home / state["lld_path"]).exists()
    assert await stand.asked() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "draft"}, "status is draft"),
        ({"digest_of_issue": "'0'"}, "the issue was changed since"),
        ({"issue": 2}, "it is for issue 2"),
        ({"schema": "agentos.lld/v9"}, "schema is agentos.lld/v9"),
    ],
)
async def test_one_that_is_not_approved_and_current_is_drafted_anew_and_the_reason_is_told(
    equip: Equip, change: dict[str, Any], reason: str
) -> None:
    stand = await equip(answers=_answers(Stage.LLD, DRAFT), orchestrator=EXISTING)
    stand.commit({PATH: await _front(stand, **change) + lld_markdown(LLD)})
    state = await _visit_lld(stand)
    assert state["verdict"] == Verdict.PASS
    assert Stage.LLD not in state["skipped"]
    [note] = await _notes(stand)
    assert note.startswith(f"{PATH} does not count: ")
    assert reason in note
    assert len(await stand.asked()) == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (lld_markdown(replace(LLD, open_questions=("Which?",))), "does not fit the base commit: major: open questions"),
        (lld_markdown(replace(LLD, files=(replace(LLD.files[0], path="calc/gone.py"),))), "calc/gone.py"),
        ("## Files changed\nall of them", "should be a table"),
    ],
)
async def test_one_that_fails_the_checks_at_the_base_does_not_count(equip: Equip, body: str, reason: str) -> None:
    stand = await equip(answers=_answers(Stage.LLD, DRAFT), orchestrator=EXISTING)
    stand.commit({PATH: await _front(stand) + body})
    await _visit_lld(stand)
    [note] = await _notes(stand)
    assert reason in note


@pytest.mark.parametrize("text", ["no front matter", "---\nstatus: [", "---\nnever closed", "---\n- a\n---\n"])
async def test_a_file_that_is_no_such_document_stops_nothing(equip: Equip, text: str) -> None:
    stand = await equip(answers=_answers(Stage.LLD, DRAFT), orchestrator=EXISTING)
    stand.commit({PATH: text})
    assert (await _visit_lld(stand))["verdict"] == Verdict.PASS
    assert len(await _notes(stand)) == 1


async def test_what_a_run_approved_can_be_kept_in_the_repository_and_counts_there(equip: Equip) -> None:
    """The run's `lld.md` and `spec.md` are in the very form that is taken: another database knows nothing of them."""
    stand = await equip(answers={**_answers(Stage.LLD, DRAFT), **_answers(Stage.SPEC, SPEC)}, orchestrator=EXISTING)
    designed = await _visit_lld(stand)
    planned = await stand.run_stage(build_spec(), designed)
    kept = {PATH: designed["lld_path"], SPEC_PATH: planned["spec_path"]}
    stand.commit({path: (stand.ctx.home / made).read_text("utf-8") for path, made in kept.items()})
    async with stand.store.db.transaction() as conn:
        await conn.execute("DELETE FROM artifacts")
    again = await stand.next_run()
    second = await _visit_lld(again)
    assert second["skipped"] == {Stage.LLD: f"{PATH} is approved and current"}
    assert second["artifacts"][ArtifactKind.LLD] == designed["artifacts"][ArtifactKind.LLD]
    third = await again.run_stage(build_spec(), second)
    assert third["skipped"][Stage.SPEC] == f"{SPEC_PATH} is approved and current"
    assert third["artifacts"][ArtifactKind.SPEC] == planned["artifacts"][ArtifactKind.SPEC]
    assert await again.asked() == []


async def test_what_was_changed_after_its_approval_counts_only_where_a_person_stands_for_it(equip: Equip) -> None:
    stand = await equip(answers=_answers(Stage.LLD, DRAFT), orchestrator=EXISTING)
    designed = await _visit_lld(stand)
    approved = (stand.ctx.home / designed["lld_path"]).read_text("utf-8")
    changed = approved.replace("Look at b first.", "Look at b last.")
    stand.commit({PATH: changed})
    async with stand.store.db.transaction() as conn:
        await conn.execute("DELETE FROM artifacts")
    again = await stand.next_run()
    assert Stage.LLD not in (await _visit_lld(again)).get("skipped", {})
    assert any("it was changed since it was approved" in note for note in await _notes(again))
    own = "".join(line for line in changed.splitlines(keepends=True) if not line.startswith("digest:"))
    again.commit({PATH: own})
    async with stand.store.db.transaction() as conn:
        await conn.execute("DELETE FROM artifacts")
    state = await _visit_lld(await again.next_run())
    assert state["skipped"][Stage.LLD] == f"{PATH} is approved and current"


async def test_a_spec_for_another_design_does_not_count(equip: Equip) -> None:
    stand = await equip(answers=_answers(Stage.SPEC, SPEC), orchestrator=EXISTING)
    stand.commit({SPEC_PATH: await _front(stand, schema="agentos.spec/v1", lld_digest="'0'") + "x"})
    state = await stand.handed_over((ArtifactKind.BRIEF, BRIEF), (ArtifactKind.LLD, LLD))
    await stand.run_stage(build_spec(), state)
    [note] = await _notes(stand)
    assert "it answers to another LLD" in note


async def test_a_design_nobody_wants_is_skipped_and_the_spec_comes_from_the_brief(equip: Equip) -> None:
    mapped = {**SPEC, "tests": [{"scenario": "AC-1", "test": "tests/test_zero.py::test_zero"}]}
    stand = await equip(answers=_answers(Stage.SPEC, mapped), orchestrator={"skip_lld": True})
    designed = await _visit_lld(stand)
    assert designed["skipped"] == {Stage.LLD: "asked for by the setting orchestrator.skip_lld"}
    assert ArtifactKind.LLD not in designed["artifacts"]
    planned = await stand.run_stage(build_spec(), designed)
    assert planned["verdict"] == Verdict.PASS
    assert ArtifactKind.SPEC in planned["artifacts"]


async def test_what_the_command_line_asked_for_is_recorded_as_that(equip: Equip) -> None:
    stand = await equip(orchestrator=WITHOUT)
    await stand.store.runs.add_options(
        stand.ctx.run.id, {"orchestrator.skip_lld": True, "orchestrator.skip_spec": True}
    )
    state = await stand.run_stage(build_spec(), await _visit_lld(stand))
    assert set(state["skipped"].values()) == {"asked for on the command line"}
    assert set(state["artifacts"]) == {ArtifactKind.BRIEF}


async def test_skipping_prefers_an_approved_design_and_says_why_one_was_not_taken(equip: Equip) -> None:
    stand = await equip(orchestrator=WITHOUT)
    stand.commit({PATH: await _front(stand) + lld_markdown(LLD)})
    assert ArtifactKind.LLD in (await _visit_lld(stand))["artifacts"]
    stand.commit({PATH: await _front(stand, status="draft") + lld_markdown(LLD)})
    refused = await _visit_lld(await stand.next_run())
    assert "its status is draft" in refused["skipped"][Stage.LLD]
    assert ArtifactKind.LLD not in refused["artifacts"]


async def test_a_draft_of_this_run_does_not_outlive_the_word_that_none_is_wanted(equip: Equip) -> None:
    stand = await equip(orchestrator=WITHOUT)
    state = await stand.handed_over((ArtifactKind.BRIEF, BRIEF), (ArtifactKind.LLD, LLD))
    assert ArtifactKind.LLD not in (await stand.run_stage(build_lld(), state))["artifacts"]
