"""The one table, held against DESIGN §2 written down a second time, and against random walks."""

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.pipeline import (
    ROWS,
    SKIPPED_WHEN_TRIVIAL,
    TABLE,
    WORST_CASE_CEILING,
    Gate,
    Lane,
    Move,
    Route,
    Row,
    Stage,
    Verdict,
    lane_of,
    limit_of,
    next_move,
    next_stage,
    problems,
    worst_case_calls,
)

BACK = {"finalize": "review"}
ORDER = ["triage", "lld", "spec", "impl", "pr", "review", "finalize"]
STEPS = {
    "triage": ("kickoff", "clarification"),
    "lld": ("design", "design-review"),
    "spec": ("plan", "plan-review"),
    "impl": ("workspace", "code", "test", "change-review"),
    "pr": ("publish", "deploy-review"),
    "review": ("review-intake", "feedback-implementation", "redeploy-review"),
    "finalize": ("merge", "post-merge-verify", "follow-up-capture", "closeout"),
}
VISITS = {"triage": 3, "lld": 1, "spec": 1, "impl": 1, "pr": 3, "review": 1, "finalize": 3}
LIMITS = {
    ("triage", "max_edits"): 3,
    ("lld", "max_revisions"): 5,
    ("spec", "max_revisions"): 3,
    ("impl", "max_test_retries"): 3,
    ("impl", "max_review_rounds"): 3,
    ("review", "max_feedback_cycles"): 10,
    ("finalize", "max_merge_syncs"): 2,
    ("finalize", "max_verify_retries"): 2,
}
GATES = {
    "triage": "after_triage",
    "lld": "after_lld",
    "spec": "after_spec",
    "impl": "before_pr",
    "pr": None,
    "review": "before_merge",
    "finalize": None,
}


def test_the_table_says_what_the_design_says() -> None:
    assert [str(row.stage) for row in TABLE] == ORDER == [str(stage) for stage in Stage]
    assert {str(row.stage): row.steps for row in TABLE} == STEPS
    assert {str(row.stage): row.retry_limit for row in TABLE} == VISITS
    assert {str(row.stage): row.gate for row in TABLE} == GATES
    assert {(str(row.stage), name): most for row in TABLE for name, most in row.limits} == LIMITS
    assert {str(row.stage): str(row.retry_to) for row in TABLE if row.retry_to} == {"finalize": "review"}
    assert VISITS["finalize"] == 1 + LIMITS["finalize", "max_merge_syncs"]
    assert [row.stage for row in TABLE if row.board_name] == [Stage.IMPL]
    assert ROWS[Stage.IMPL].board_name == "execution"
    assert all(row.hands_on for row in TABLE)


def test_every_gate_stands_behind_one_stage() -> None:
    assert sorted(row.gate for row in TABLE if row.gate) == sorted(Gate)


def test_the_table_is_sound() -> None:
    assert problems() == []


def _mutated(stage: Stage, **change: object) -> tuple[Row, ...]:
    return tuple(dataclasses.replace(row, **change) if row.stage is stage else row for row in TABLE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ((*TABLE, TABLE[0]), "a stage stands in the table twice"),
        (TABLE[:-1], "finalize has no row"),
        (_mutated(Stage.PR, retry_limit=0), "pr has a loop without a bound"),
        (_mutated(Stage.LLD, limits=(("max_revisions", 0),)), "lld has a loop without a bound"),
        (_mutated(Stage.IMPL, passes_to=Stage.LLD), "impl passes back to lld"),
        (_mutated(Stage.IMPL, passes_to=Stage.IMPL), "impl passes back to impl"),
        (_mutated(Stage.SPEC, steps=()), "spec has no step"),
        (_mutated(Stage.PR, retry_to=Stage.REVIEW), "pr retries at review, which is no earlier stage"),
        (_mutated(Stage.LLD, passes_to=Stage.IMPL), "nothing leads to spec"),
    ],
)
def test_a_broken_table_is_named(table: tuple[Row, ...], sentence: str) -> None:
    assert sentence in problems(table)


def test_an_empty_table_lacks_every_stage() -> None:
    assert problems(()) == [f"{stage} has no row" for stage in ORDER]


def test_a_trivial_change_passes_over_design_and_spec_only() -> None:
    assert {str(stage) for stage in SKIPPED_WHEN_TRIVIAL} == {"lld", "spec"}
    trivial = {"triage": "impl", "impl": "pr", "pr": "review", "review": "finalize", "finalize": None}
    assert {stage: next_stage(Stage(stage), route=Route.TRIVIAL) for stage in trivial} == trivial
    full = dict(zip(ORDER, [*ORDER[1:], None], strict=True))
    for route in (Route.FULL, Route.SPLIT):
        assert {stage: next_stage(Stage(stage), route=route) for stage in ORDER} == full


def test_a_trivial_run_that_was_told_to_design_goes_on_to_the_code() -> None:
    assert next_stage(Stage.LLD, route=Route.TRIVIAL) is Stage.IMPL


@pytest.mark.parametrize("stage", Stage)
def test_block_halts_and_retry_repeats_until_the_last_visit(stage: Stage) -> None:
    assert next_move(stage, Verdict.BLOCK) == Move("halt", stage)
    again = [next_move(stage, Verdict.RETRY, visits=visits) for visits in range(1, VISITS[stage] + 2)]
    assert [move.kind for move in again] == ["stage"] * (VISITS[stage] - 1) + ["halt", "halt"]
    assert {move.stage for move in again if move.kind == "stage"} <= {BACK.get(stage, str(stage))}
    assert next_move(stage, Verdict.RETRY, visits=5, limit=6).kind == "stage"
    assert next_move(stage, Verdict.RETRY, visits=1, limit=1).kind == "halt"


def test_a_pass_of_the_last_stage_ends_the_run() -> None:
    assert next_move(Stage.FINALIZE, Verdict.PASS) == Move("end")


LONGEST = sum(VISITS.values()) + VISITS["finalize"]
"""Each RETRY of finalize costs one more visit of review."""


@given(st.lists(st.sampled_from(Verdict), min_size=LONGEST, max_size=LONGEST), st.sampled_from(Route))
def test_every_walk_through_the_table_ends(verdicts: list[Verdict], route: Route) -> None:
    """Whatever the stages conclude, the run halts or ends within the visits the table grants, going back only where the
    table says so."""
    stage, visits, path = Stage.TRIAGE, dict.fromkeys(Stage, 0), []
    for verdict in verdicts:
        visits[stage] += 1
        path.append(stage)
        move = next_move(stage, verdict, route=route, visits=visits[stage])
        if move.kind != "stage":
            break
        assert move.stage is not None
        stage = move.stage
    else:
        pytest.fail(f"the walk goes on after {LONGEST} visits: {path}")
    back = [f"{one} {other}" for one, other in pairwise(path) if ORDER.index(one) > ORDER.index(other)]
    assert set(back) <= {"finalize review"}
    assert all(count <= VISITS[name] + len(back) * (name == "review") for name, count in visits.items())


def test_passing_everything_visits_every_stage_of_the_route_once() -> None:
    def passed(route: Route) -> list[str]:
        stage: Stage | None = Stage.TRIAGE
        path = []
        while stage is not None:
            path.append(str(stage))
            stage = next_move(stage, Verdict.PASS, route=route).stage
        return path

    assert passed(Route.FULL) == ORDER
    assert passed(Route.TRIVIAL) == ["triage", "impl", "pr", "review", "finalize"]


def test_lanes() -> None:
    lanes = {stage: lane_of(stage) for stage in Stage}
    assert [lanes[Stage(name)] for name in ORDER] == [Lane.BUILD] * 5 + [Lane.REVIEW_LOOP, Lane.FINALIZE]


def test_a_limit_is_found_by_stage_and_name() -> None:
    assert {key: limit_of(Stage(key[0]), key[1]) for key in LIMITS} == LIMITS


def test_the_worst_case_stays_under_its_ceiling() -> None:
    """Every loop to its bound, counted out by hand: one call a draft, a review, an agent session; all once again."""
    briefs = VISITS["triage"]
    documents = sum(2 * (1 + LIMITS[stage, "max_revisions"]) for stage in ("lld", "spec"))
    work = 0
    for _ in range(1 + LIMITS["impl", "max_review_rounds"]):
        work += 1 + LIMITS["impl", "max_test_retries"]  # sessions until the tests pass
        work += 1  # the review of what came of them
    cycles = 1 + LIMITS["review", "max_feedback_cycles"] + LIMITS["finalize", "max_merge_syncs"]
    follow_ups = 1
    edits = LIMITS["triage", "max_edits"] * (1 + 2 + 2 + 2)  # a brief; draft and review, twice; session and review
    foresights = 1 + LIMITS["triage", "max_edits"] + LIMITS["finalize", "max_merge_syncs"]  # a brief, a base: one
    assert worst_case_calls() == 2 * (briefs + edits + documents + foresights + cycles * work + follow_ups)
    assert worst_case_calls() <= WORST_CASE_CEILING
