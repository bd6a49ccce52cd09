"""The implementation stage alone: what is measured sends the change back, and every bound of that ends in a block."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from agentos.adapters.agent.scripted import ScriptedAgent, ScriptedSession
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import ChangeReport
from agentos.domain.decision import DecisionKind, Wait, answers_to
from agentos.domain.document import (
    Criterion,
    Evidence,
    FileAction,
    FileChange,
    IssueBrief,
    Lld,
    Requirement,
    Scenario,
    Spec,
    TestMapping,
)
from agentos.domain.pipeline import Gate, Stage
from agentos.ports.agent import AgentStatus
from agentos.workflows.kit.records import load_json
from agentos.workflows.kit.state import RunState
from tests.crash.toy import FILES, PROOF, SHOUT_RIGHT, SHOUT_WRONG, TEST
from tests.stages import documents
from tests.stages.conftest import Equip, Stand
from tests.stages.whole import Whole, entry

pytestmark = pytest.mark.slow
COMMANDS = {"test": "python3 run_tests.py {junit}", "focused": "python3 run_tests.py {junit} {tests}"}
BRIEF = replace(documents.BRIEF, title="Shout", criteria=(Criterion("AC-1", "a greeting is shouted"),))
FINDING = {"severity": "major", "where": "greet.py:6", "quote": "    return greet(name).upper()"}


def session(code: str, *, test: str = TEST, proofs: tuple[str, ...] = (PROOF,)) -> ScriptedSession:
    files = {"greet.py": code, "tests/test_shout.py": test}
    return ScriptedSession(files, evidence=(Evidence("AC-1", proofs),))


def wrong(number: int) -> ScriptedSession:
    """A change that is red in a way of its own."""
    return session(f"{SHOUT_WRONG}\n\nTRY = {number}\n")


def judged(verdict: str, *problems: str) -> dict[str, Any]:
    findings = [{**FINDING, "problem": problem} for problem in problems]
    return {"verdict": verdict, "summary": "as it is", "confidence": 80, "findings": findings}


async def begun(
    equip: Equip,
    *sessions: ScriptedSession,
    reviews: tuple[dict[str, Any], ...] = (),
    brief: IssueBrief = BRIEF,
    lld_and_spec: tuple[Lld, Spec] | None = None,
    files: Mapping[str, str] = FILES,
    **limits: int,
) -> tuple[Stand, Whole, Wait]:
    """A run that enters at impl, and what it waits for first."""
    table = {(Stage.IMPL, number): each for number, each in enumerate(sessions, 1)}
    stand = await equip(
        answers={(Stage.IMPL, "reviewer", number): each for number, each in enumerate(reviews, 1)},
        files=files,
        ports={"agent": ScriptedAgent(sessions=table), "sandbox": ProcessSandbox()},
        commands=COMMANDS,
        orchestrator={"stages": {"implementation": limits}},
    )
    more = ((ArtifactKind.LLD, lld_and_spec[0]), (ArtifactKind.SPEC, lld_and_spec[1])) if lld_and_spec else ()
    run = Whole(stand)
    handed = await stand.handed_over((ArtifactKind.BRIEF, brief), *more)
    wait = await run.begin(**handed | entry(Stage.IMPL))
    assert wait is not None
    return stand, run, wait


async def report(stand: Stand, state: RunState) -> ChangeReport:
    return load_json(ChangeReport, await stand.store.artifacts.get(state["artifacts"]["change"]))


async def test_tests_that_stay_red_block_at_their_bound_with_what_was_red_and_a_retry_goes_on(equip: Equip) -> None:
    sessions = (wrong(1), wrong(2), wrong(3), session(SHOUT_RIGHT))
    stand, run, wait = await begun(equip, *sessions, reviews=(judged("approve"),), max_test_retries=2)
    assert (wait.code, wait.stage) == ("max_test_retries", Stage.IMPL)
    assert wait.title == "the change does not pass after 2 more rounds (max_test_retries)"
    assert wait.evidence == (
        f"blocker: test: {PROOF}: fails now and did not fail at the base commit",
        f"blocker: AC-1: {PROOF} failed at the head",
    )
    assert "agentos retry 1" in answers_to(wait, 1)
    assert run.state["rounds"]["code.impl"] == 3
    assert await stand.asked() == [], "no reviewer is paid for a change that is red"
    gate = await run.says(DecisionKind.RETRY)
    assert gate is not None
    assert (gate.gate, gate.subject) == (Gate.BEFORE_PR, run.state["good_sha"])


async def test_findings_that_never_end_block_at_their_bound_and_a_retry_goes_on(equip: Equip) -> None:
    loud = [session(f"{SHOUT_RIGHT}\n\nTRY = {number}\n") for number in range(3)]
    reviews = (judged("revise", "it shouts at nobody"), judged("revise", "it shouts twice"), judged("approve"))
    stand, run, wait = await begun(equip, *loud, reviews=reviews, max_review_rounds=1)
    assert (wait.code, wait.stage) == ("max_review_rounds", Stage.IMPL)
    assert wait.evidence == ("major: greet.py:6: it shouts twice",)
    assert "agentos retry 1" in answers_to(wait, 1)
    assert await stand.asked() == [("reviewer", 1), ("reviewer", 2)]
    gate = await run.says(DecisionKind.RETRY)
    assert gate is not None
    assert gate.gate is Gate.BEFORE_PR


@pytest.mark.parametrize(
    ("sessions", "reviews", "repeated"),
    [
        ((wrong(1), wrong(1)), (), f"blocker: AC-1: {PROOF} failed at the head"),
        (
            (session(SHOUT_RIGHT), session(f"{SHOUT_RIGHT}\n\nTRY = 2\n")),
            (judged("revise", "it shouts at nobody"), judged("revise", "it shouts at nobody")),
            "major: greet.py:6: it shouts at nobody",
        ),
    ],
    ids=["the same files, red as before", "the same finding again"],
)
async def test_a_round_that_repeats_an_earlier_one_stops_at_once(
    equip: Equip, sessions: tuple[ScriptedSession, ...], reviews: tuple[dict[str, Any], ...], repeated: str
) -> None:
    _, run, wait = await begun(equip, *sessions, reviews=reviews, max_test_retries=9, max_review_rounds=9)
    assert wait.code == "stagnation"
    assert repeated in wait.evidence
    assert run.state["rounds"]["code.impl"] == 2


@pytest.mark.parametrize(
    ("work", "flaw"),
    [
        (
            session(SHOUT_RIGHT, test="def test_shout():\n    assert True\n"),
            "its tests passed before the change too, so they prove nothing",
        ),
        (session(SHOUT_RIGHT, proofs=("tests/test_shout.py::test_no",)), "tests/test_shout.py::test_no was not run"),
        (session(SHOUT_RIGHT, proofs=()), "no test or check is named for it"),
        (ScriptedSession({"greet.py": SHOUT_RIGHT}, evidence=(Evidence("AC-2", ("test",)),)), "no test or check is"),
    ],
    ids=["passes without the change", "was never run", "names nothing", "proves another criterion"],
)
async def test_a_criterion_without_a_measured_proof_blocks_by_name(
    equip: Equip, work: ScriptedSession, flaw: str
) -> None:
    stand, run, wait = await begun(equip, work, work, max_test_retries=1)
    assert [line for line in wait.evidence if line.startswith("blocker: AC-1: ") and flaw in line]
    [criterion] = (await report(stand, run.state)).criteria
    assert (criterion.criterion, criterion.passed) == ("AC-1", False)


async def test_criterion_requirement_scenario_and_test_are_followed_by_code_whatever_the_agent_claims(
    equip: Equip,
) -> None:
    brief = replace(BRIEF, criteria=(*BRIEF.criteria, Criterion("AC-2", "nobody is shouted at")))
    lld = replace(
        documents.LLD,
        files=(FileChange("greet.py", FileAction.MODIFY, "the function"),),
        requirements=(Requirement("REQ-1", "capitals", ("AC-1",)), Requirement("REQ-2", "nobody", ("AC-2",))),
        scenarios=(Scenario("S-1", "Ann", "HELLO, ANN", "REQ-1"), Scenario("S-2", "", "nothing", "REQ-2")),
    )
    spec = Spec("shout", lld.files, (), (), ("write it",), (TestMapping("S-1", PROOF),), ())
    claims = ScriptedSession(
        {"greet.py": SHOUT_RIGHT, "tests/test_shout.py": TEST},
        evidence=(Evidence("AC-1", ("test",)), Evidence("AC-2", (PROOF,))),
    )
    stand, run, wait = await begun(equip, claims, claims, brief=brief, lld_and_spec=(lld, spec), max_test_retries=1)
    assert wait.evidence == ("blocker: AC-2: no test or check is named for it",)
    first, second = (await report(stand, run.state)).criteria
    assert (first.passed, first.proofs, first.reason) == (True, (PROOF,), "failed before, passes after")
    assert (second.passed, second.proofs) == (False, ())


async def test_what_failed_before_the_change_does_not_block_it_and_what_it_breaks_does(equip: Equip) -> None:
    red = FILES["tests/test_greet.py"] + "\n\ndef test_old():\n    assert greet('') == ''\n"
    files = {**FILES, "tests/test_greet.py": red}
    broken = session(SHOUT_RIGHT.replace("Hello", "Hullo").replace("upper()", 'upper().replace("U", "E")'))
    stand, run, wait = await begun(
        equip, broken, session(SHOUT_RIGHT), reviews=(judged("approve"),), files=files, max_test_retries=3
    )
    assert wait.gate is Gate.BEFORE_PR
    final = await report(stand, run.state)
    assert (final.regressions, [check.passed for check in final.checks]) == ((), [False])
    assert run.state["rounds"]["code.impl"] == 2, "the greeting it broke on its way was held against it"


async def test_an_agent_that_ends_without_a_result_blocks_and_says_why(equip: Equip) -> None:
    stuck = ScriptedSession(status=AgentStatus.STALLED, reason="no word for 600 s")
    _, _, wait = await begun(equip, stuck)
    assert (wait.code, wait.title) == ("agent_failed", "the coding agent ended without a result: no word for 600 s")
