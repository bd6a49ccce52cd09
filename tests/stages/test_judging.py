"""Who judges a change: fresh, forewarned by nobody, held to what is there. Control flow with scripted models."""

from dataclasses import replace
from typing import Any

import pytest

from agentos.adapters.agent.scripted import ScriptedAgent, ScriptedSession
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.cli.account_view import account_lines
from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import ChangeReport
from agentos.domain.document import Criterion, Evidence, Foresight
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage, Verdict
from agentos.runs.account import account_of
from agentos.workflows.implementation.graph import build
from agentos.workflows.kit.foresight import FORESIGHT
from agentos.workflows.kit.records import load_json
from agentos.workflows.kit.state import RunState
from tests.crash.toy import FILES, PROOF, SHOUT_LOUD, SHOUT_RIGHT, SHOUT_WRONG, TEST
from tests.stages import documents
from tests.stages.conftest import EXPECTED, Equip, HeardPrompts, Stand
from tests.stages.delivery import blocker

pytestmark = pytest.mark.slow
BRIEF = replace(documents.BRIEF, title="Shout", criteria=(Criterion("AC-1", "a greeting is shouted"),))
MUTE = SHOUT_RIGHT.replace("return greet(name).upper()", 'return "HELLO, ANN"')
REAL = {
    "severity": "blocker",
    "where": "greet.py:6",
    "quote": '    return "HELLO, ANN"',
    "problem": "whoever is greeted, Ann is shouted at: the code recognises its test",
}
INVENTED = {**REAL, "quote": "    os.system(name)", "problem": "a name is run as a command"}


def session(code: str, *, proofs: tuple[str, ...] = (PROOF,)) -> ScriptedSession:
    evidence = (Evidence("AC-1", proofs),)
    return ScriptedSession({"greet.py": code, "tests/test_shout.py": TEST}, evidence=evidence)


def judged(verdict: str, *findings: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": verdict, "summary": "as it is", "confidence": 80, "findings": list(findings)}


async def begun(
    equip: Equip, *sessions: ScriptedSession, reviews: tuple[dict[str, Any], ...], **more: Any
) -> tuple[Stand, HeardPrompts, RunState]:
    table = {(Stage.IMPL, number): each for number, each in enumerate(sessions, 1)}
    stand = await equip(
        answers={(Stage.IMPL, "reviewer", number): each for number, each in enumerate(reviews, 1)},
        files=FILES,
        ports={"agent": ScriptedAgent(sessions=table), "sandbox": ProcessSandbox()},
        commands={"test": "python3 run_tests.py {junit}", "focused": "python3 run_tests.py {junit} {tests}"},
        **more,
    )
    prompts = HeardPrompts()
    stand = stand.with_prompts(prompts)
    return stand, prompts, await stand.handed_over((ArtifactKind.BRIEF, BRIEF), current_stage=Stage.IMPL)


async def change_of(stand: Stand, state: RunState) -> ChangeReport:
    return load_json(ChangeReport, await stand.store.artifacts.get(state["artifacts"]["change"]))


async def calls_of(stand: Stand) -> list[tuple[str, str]]:
    return [(call.role, call.model) for call in await stand.store.exchanges.calls(stand.ctx.run.id)]


async def test_a_bad_patch_that_passes_its_tests_is_rejected_and_the_good_one_kept(equip: Equip) -> None:
    stand, prompts, state = await begun(
        equip, session(MUTE), session(SHOUT_RIGHT), reviews=(judged("revise", REAL), judged("approve"))
    )
    done = await stand.run_stage(build(), state)
    assert done["verdict"] == Verdict.PASS
    assert await stand.ctx.repo.read_file(done["good_sha"], "greet.py") == SHOUT_RIGHT.encode()
    [_, second] = prompts.given("impl/code")
    assert "greet.py:6" in second["findings"]
    assert "the code recognises its test" in second["findings"]
    account = await account_of(stand.store, await stand.store.runs.get(stand.ctx.run.id))
    assert [(item.finding.where, item.fate) for item in account.findings] == [("greet.py:6", "fixed")]


async def test_a_finding_the_reviewer_invented_sends_nothing_back_and_is_shown_as_dropped(equip: Equip) -> None:
    stand, _, state = await begun(equip, session(SHOUT_RIGHT), reviews=(judged("revise", INVENTED),))
    done = await stand.run_stage(build(), state)
    assert done["verdict"] == Verdict.PASS, "one session, one review: nobody works on what is not there"
    review = (await change_of(stand, done)).review
    assert review is not None
    assert (review.verdict, review.findings, len(review.dropped)) == ("approve", (), 1)
    account = await account_of(stand.store, await stand.store.runs.get(stand.ctx.run.id))
    [line] = [line for line in account_lines(account, full=False) if "run as a command" in line]
    assert line.split()[:2] == ["dropped", "impl"]
    assert "it quotes no changed line of that file" in line


async def test_a_gap_in_the_checklist_is_caught_before_a_reviewer_is_paid(equip: Equip) -> None:
    gap, closed = session(SHOUT_RIGHT, proofs=()), session(SHOUT_RIGHT + "\n")
    stand, prompts, state = await begun(equip, gap, closed, reviews=(judged("approve"),))
    done = await stand.run_stage(build(), state)
    assert done["verdict"] == Verdict.PASS
    assert "AC-1" in prompts.given("impl/code")[1]["findings"]
    assert len(prompts.given("impl/review")) == 1


async def test_what_the_reviewer_expects_is_written_before_it_sees_a_difference_and_once_for_all_rounds(
    equip: Equip,
) -> None:
    stand, prompts, state = await begun(
        equip, session(MUTE), session(SHOUT_RIGHT), reviews=(judged("revise", REAL), judged("approve"))
    )
    done = await stand.run_stage(build(), state)
    assert [role for role, _ in await calls_of(stand)] == [FORESIGHT, "reviewer", "reviewer"]
    assert len({model for _, model in await calls_of(stand)}) == 1, "the reviewer itself, and nobody else"
    [asked] = prompts.given("review/foresight")
    assert "HELLO" not in str(asked), "nothing of anybody's solution"
    assert FILES["greet.py"] in asked["file_texts"]
    first, second = prompts.given("impl/review")
    assert EXPECTED["cause"] in first["foresight"]
    assert first["foresight"] == second["foresight"]
    assert first["file_texts"].startswith(f"=== greet.py\n{MUTE}"), "the files as they are after the change"
    assert first["feedback"] == []
    assert first["findings"] == ""
    assert "the code recognises its test" in second["findings"], "what it found before, so that it says nothing twice"
    kept = load_json(Foresight, await stand.store.artifacts.get(done["artifacts"][FORESIGHT]))
    assert kept.cause == EXPECTED["cause"]


async def test_another_base_is_another_repository_and_foreseen_anew_and_a_later_run_takes_what_fits(
    equip: Equip,
) -> None:
    stand, _, state = await begun(equip, session(SHOUT_RIGHT), reviews=(judged("approve"),))
    await stand.run_stage(build(), state)
    later = await stand.next_run()
    handed = await later.handed_over((ArtifactKind.BRIEF, BRIEF), current_stage=Stage.IMPL)
    done = await later.run_stage(build(), handed)
    assert done["verdict"] == Verdict.PASS
    assert [role for role, _ in await calls_of(later)] == ["reviewer"], "what an earlier run wrote answers to the same"
    moved = await later.next_run()
    moved.commit({"other.txt": "x\n"})
    handed = await moved.handed_over((ArtifactKind.BRIEF, BRIEF), current_stage=Stage.IMPL)
    await moved.run_stage(build(), handed)
    assert [role for role, _ in await calls_of(moved)] == [FORESIGHT, "reviewer"]


async def test_a_worse_patch_is_never_judged_and_the_reviewer_is_asked_of_the_best_alone(equip: Equip) -> None:
    stand, prompts, state = await begun(
        equip,
        session(MUTE),
        session(SHOUT_WRONG),
        session(SHOUT_LOUD),
        reviews=(judged("revise", REAL), judged("approve")),
    )
    done = await stand.run_stage(build(), state)
    assert done["verdict"] == Verdict.PASS
    assert (await stand.kinds()).count(EventKind.ROUND_UNDONE) == 1
    assert len(prompts.given("impl/review")) == 2
    told = prompts.given("impl/code")[2]["findings"]
    assert "made it worse and was undone" in told
    assert "the code recognises its test" in told, "what stood against the best patch still does"
    assert await stand.ctx.repo.read_file(done["good_sha"], "greet.py") == SHOUT_LOUD.encode()


async def test_a_reviewer_who_never_likes_it_is_heard_three_times_and_the_patch_is_left_for_a_person(
    equip: Equip,
) -> None:
    loud = [session(SHOUT_RIGHT.replace("upper()", f'upper().replace("{n}", "{n}")')) for n in range(5)]
    findings = [
        {**REAL, "quote": f'    return greet(name).upper().replace("{n}", "{n}")', "problem": f"it is wrong in way {n}"}
        for n in range(5)
    ]
    stand, prompts, state = await begun(equip, *loud, reviews=tuple(judged("revise", each) for each in findings))
    stopped = await stand.run_stage(build(), state)
    assert blocker(stopped).code == "max_review_rounds"
    assert len(prompts.given("impl/code")) == 4, "three rounds after the first"
    assert (await change_of(stand, stopped)).head_sha == stopped["head_sha"]
