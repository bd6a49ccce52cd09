"""The real spec subgraph, one test for each way it ends."""

import dataclasses
from typing import Any

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import Wait
from agentos.domain.document import Excerpt, Spec
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage, Verdict
from agentos.workflows.kit.pause import awaited
from agentos.workflows.kit.records import load_json
from agentos.workflows.kit.state import RunState
from agentos.workflows.spec.graph import build
from tests.stages.conftest import FILES, Answers, Equip, HeardPrompts, Stand
from tests.stages.documents import BRIEF, LLD, SPEC_REPLY, TEST

DRAFT = SPEC_REPLY
APPROVE: dict[str, Any] = {"verdict": "approve"}


def _revise(problem: str) -> dict[str, Any]:
    return {"verdict": "revise", "findings": [{"severity": "blocker", "where": "tests", "problem": problem}]}


def _rounds(drafts: list[dict[str, Any]], reviews: dict[int, dict[str, Any]]) -> Answers:
    answers = {(Stage.SPEC, "drafter", n): draft for n, draft in enumerate(drafts, 1)}
    return {**answers, **{(Stage.SPEC, "reviewer", n): review for n, review in reviews.items()}}


async def _start(stand: Stand, **state: Any) -> RunState:
    return await stand.handed_over((ArtifactKind.BRIEF, BRIEF), (ArtifactKind.LLD, LLD), **state)


async def _spec(stand: Stand, state: RunState) -> Spec:
    return load_json(Spec, await stand.store.artifacts.get(state["artifacts"][ArtifactKind.SPEC]))


def _blocked(state: RunState) -> Wait:
    wait = awaited(state)
    assert state["verdict"] == Verdict.BLOCK
    assert wait is not None
    return wait


async def test_an_approved_spec_passes_and_is_posted_with_its_digest(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}))
    state = await stand.run_stage(build(), await _start(stand))
    assert state["verdict"] == Verdict.PASS
    assert (await _spec(stand, state)).excerpts == (Excerpt("calc/core.py", "    return a // b"),)
    [comment] = await stand.comments()
    assert state["artifacts"][ArtifactKind.SPEC] in comment
    assert TEST in (stand.ctx.home / state["spec_path"]).read_text("utf-8")


async def test_without_a_design_every_criterion_needs_a_test(equip: Equip) -> None:
    mapped = {**DRAFT, "tests": [{"scenario": "AC-1", "test": TEST}]}
    stand = await equip(answers=_rounds([DRAFT, mapped], {2: APPROVE}))
    state = await stand.run_stage(build(), await stand.handed_over((ArtifactKind.BRIEF, BRIEF)))
    assert state["verdict"] == Verdict.PASS
    assert await stand.asked() == [("drafter", 1), ("drafter", 2), ("reviewer", 2)]


async def test_a_reviewers_findings_send_the_draft_back_and_the_next_one_passes(equip: Equip) -> None:
    answers = _rounds([DRAFT, {**DRAFT, "overview": "Raise."}], {1: _revise("asserts nothing"), 2: APPROVE})
    stand = await equip(answers=answers)
    state = await stand.run_stage(build(), await _start(stand))
    assert (state["verdict"], (await _spec(stand, state)).overview) == (Verdict.PASS, "Raise.")


async def test_a_misquoted_excerpt_goes_back_without_paying_the_reviewer(equip: Equip) -> None:
    misquoted = {**DRAFT, "excerpts": [{"path": "calc/core.py", "text": "    return a / b"}]}
    stand = await equip(answers=_rounds([misquoted, DRAFT], {2: APPROVE}))
    state = await stand.run_stage(build(), await _start(stand))
    assert state["verdict"] == Verdict.PASS
    assert await stand.asked() == [("drafter", 1), ("drafter", 2), ("reviewer", 2)]


async def test_an_excerpt_of_a_file_with_other_line_ends_is_verbatim_too(equip: Equip) -> None:
    core = "def divide(a: int, b: int) -> int:\r\n    return a // b\r\n"
    quoted = {
        **DRAFT,
        "excerpts": [{"path": "calc/core.py", "text": "def divide(a: int, b: int) -> int:\n    return a // b"}],
    }
    stand = await equip(answers=_rounds([quoted], {1: APPROVE}))
    stand.target.joinpath("calc/core.py").write_bytes(core.encode())
    stand.commit({})
    assert (await stand.run_stage(build(), await _start(stand)))["verdict"] == Verdict.PASS
    assert await stand.asked() == [("drafter", 1), ("reviewer", 1)]


async def test_a_block_halts_with_the_reviewers_reason(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: {"verdict": "block", "summary": "The design cannot work."}}))
    assert _blocked(await stand.run_stage(build(), await _start(stand))).code == "reviewer_block"


async def test_spent_revisions_block_with_the_last_findings(equip: Equip) -> None:
    drafts = [{**DRAFT, "overview": f"Try {n}."} for n in range(1, 5)]
    stand = await equip(answers=_rounds(drafts, {n: _revise(str(n)) for n in range(1, 5)}))
    wait = _blocked(await stand.run_stage(build(), await _start(stand)))
    assert (wait.code, wait.evidence) == ("revisions_spent", ("blocker: tests: 4",))


async def test_findings_that_come_back_are_stagnation(equip: Equip) -> None:
    answers = _rounds([DRAFT, {**DRAFT, "overview": "Else."}], {1: _revise("a"), 2: _revise("a")})
    stand = await equip(answers=answers)
    assert _blocked(await stand.run_stage(build(), await _start(stand))).code == "stagnation"


async def test_an_approved_spec_is_reused_only_for_the_same_design(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}), orchestrator={"skip_existing_spec": True})
    first = await stand.run_stage(build(), await _start(stand))
    again = await stand.next_run()
    state = await again.run_stage(build(), await _start(again))
    assert "approved spec" in state["skipped"][Stage.SPEC]
    assert state["spec_path"] == first["spec_path"]
    assert await again.asked() == []
    other = dataclasses.replace(LLD, logic="Another way.")
    state = await again.run_stage(
        build(), await again.handed_over((ArtifactKind.BRIEF, BRIEF), (ArtifactKind.LLD, other))
    )
    assert Stage.SPEC not in state.get("skipped", {})
    assert len(await again.asked()) == 2


async def test_an_approved_spec_whose_excerpts_are_gone_from_the_base_is_drafted_anew(equip: Equip) -> None:
    stand = await equip(answers=_rounds([DRAFT], {1: APPROVE}), orchestrator={"skip_existing_spec": True})
    await stand.run_stage(build(), await _start(stand))
    again = await stand.next_run()
    again.commit({"calc/core.py": "def divide(a: int, b: int) -> int:\n    return int(a / b)\n"})
    again.will_answer(_rounds([{**DRAFT, "excerpts": [{"path": "calc/core.py", "text": "    return int(a / b)"}]}], {}))
    state = await again.run_stage(build(), await _start(again))
    assert Stage.SPEC not in state.get("skipped", {})
    assert (await _spec(again, state)).excerpts[0].text == "    return int(a / b)"


async def test_what_code_cannot_check_is_said_and_handed_to_the_reviewer(equip: Equip) -> None:
    script = {"path": "calc/run.sh", "action": "Add", "why": "a command for it"}
    function = {**DRAFT["functions"][0], "path": "calc/run.sh", "signature": "divide() {"}
    draft = {**DRAFT, "files": [*DRAFT["files"], script], "functions": [*DRAFT["functions"], function]}
    prompts = HeardPrompts()
    stand = (await equip(answers=_rounds([draft], {1: APPROVE}))).with_prompts(prompts)
    assert (await stand.run_stage(build(), await _start(stand)))["verdict"] == Verdict.PASS
    assert prompts.given("spec/review")[0]["unchecked"] == "- divide() { in calc/run.sh"
    events = await stand.store.ledger.read(stand.ctx.run.id)
    [note] = [event.data["text"] for event in events if event.kind is EventKind.NOTE]
    assert note.startswith("not checked by code")
    assert "calc/run.sh" in note


async def test_a_large_file_that_is_to_be_changed_is_shown_from_its_beginning(equip: Equip) -> None:
    core = FILES["calc/core.py"] + "".join(f"\n\ndef step_{n}() -> int:\n    return {n}\n" for n in range(3000))
    prompts = HeardPrompts()
    made = await equip(answers=_rounds([DRAFT], {1: APPROVE}), files={**FILES, "calc/core.py": core})
    stand = made.with_prompts(prompts)
    assert (await stand.run_stage(build(), await _start(stand)))["verdict"] == Verdict.PASS
    shown = prompts.given("spec/draft")[0]["file_texts"]
    assert "    return a // b" in shown
    assert "cut here: the file goes on" in shown
    assert "=== README.md" in shown
    assert len(shown) < 62_000
