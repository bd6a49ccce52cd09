"""Ceilings hold for every kind, and an unknown price never counts as none."""

from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.budget import (
    AT_REST,
    AT_WORK,
    Budget,
    Budgets,
    BudgetSpent,
    Ceiling,
    Scope,
    Spend,
    Used,
    reached,
    refused,
    unpriced,
    worked_s,
)
from agentos.domain.event import Event, EventKind
from agentos.domain.pipeline import Stage

SPENDS = st.builds(
    Spend,
    st.integers(0, 10**6),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.none() | st.integers(0, 10**6).map(float),  # whole dollars: sums stay exact
)


@given(SPENDS, SPENDS, SPENDS)
def test_spends_add_up_in_any_order(one: Spend, two: Spend, three: Spend) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Spend() == one


@given(SPENDS)
def test_an_unknown_price_stays_unknown(spend: Spend) -> None:
    assert (spend + Spend(calls=1, usd=None)).usd is None


@given(SPENDS, st.integers(0, 5))
def test_so_many_times_is_added_so_often(spend: Spend, number: int) -> None:
    assert spend.times(number + 1) == sum([spend] * number, spend)


UNKNOWN = "the cost of a model call is unknown, so the money ceiling cannot be kept"


@pytest.mark.parametrize(
    ("budget", "used", "expected"),
    [
        (Budget(), Used(9, 9, 9, 9, 9e9), None),
        (Budget(usd=1.0), Used(usd=0.99), None),
        (Budget(usd=1.0), Used(usd=1.0), ("the cost reached $1.00 of $1.00", "budget.usd=2.00")),
        (Budget(usd=1.0), Used(usd=0.5, tokens=9, unpriced=1), (UNKNOWN, "budget.tokens=1000000")),
        (Budget(usd=1.0), Used(tokens=700_000, unpriced=1), (UNKNOWN, "budget.tokens=1400000")),
        (Budget(usd=1.0, tokens=10), Used(usd=0.5, tokens=9, unpriced=1), None),
        (
            Budget(usd=1.0, tokens=10),
            Used(usd=1.5, tokens=9, unpriced=1),
            ("the cost reached $1.50 of $1.00", "budget.usd=3.00"),
        ),
        (Budget(usd=0.001), Used(usd=0.001), ("the cost reached $0.00 of $0.00", "budget.usd=0.01")),
        (Budget(tokens=10), Used(tokens=9), None),
        (Budget(tokens=10), Used(tokens=10), ("the tokens reached 10 of 10", "budget.tokens=20")),
        (Budget(calls=2), Used(calls=1), None),
        (Budget(calls=2), Used(calls=3), ("the model calls reached 3 of 2", "budget.calls=6")),
        (Budget(wall_s=60), Used(elapsed_s=59.9), None),
        (Budget(wall_s=60), Used(elapsed_s=60.2), ("the time at work reached 60 s of 60 s", "budget.wall_s=121")),
        (Budget(usd=1, calls=1), Used(calls=1, usd=2.5), ("the cost reached $2.50 of $1.00", "budget.usd=5.00")),
    ],
)
def test_the_first_ceiling_that_is_reached_is_named_with_what_raises_it(
    budget: Budget, used: Used, expected: tuple[str, str] | None
) -> None:
    found = reached(Budgets(issue=budget), {Scope.ISSUE: used})
    assert (None if found is None else (found.sentence, found.raised)) == expected


@pytest.mark.parametrize(
    ("scope", "sentence", "raised"),
    [
        (Scope.ISSUE, "the model calls reached 3 of 2", "budget.calls=6"),
        (Scope.STAGE, "the model calls of this stage reached 3 of 2", "budget.stage.calls=6"),
        (Scope.DAY, "the model calls of this day reached 3 of 2", "budget.day.calls=6"),
    ],
)
def test_a_ceiling_counts_what_its_scope_used_and_names_it(scope: Scope, sentence: str, raised: str) -> None:
    budgets = _budgets(scope, Budget(calls=2))
    elsewhere = {other: Used(calls=9) for other in Scope if other is not scope}
    assert reached(budgets, {**elsewhere, scope: Used(calls=1)}) is None
    found = reached(budgets, {**elsewhere, scope: Used(calls=3)})
    assert found is not None
    assert (found.sentence, found.raised) == (sentence, raised)
    assert ("once the day is over" in found.otherwise) is (scope is Scope.DAY)


def test_what_has_to_be_looked_up_is_known_from_the_ceilings() -> None:
    assert not Budgets(call=Budget(usd=1)).hold
    assert all(_budgets(scope, Budget(calls=1)).hold for scope in Scope)
    assert [_budgets(Scope.DAY, Budget(calls=1)).hold_time, _budgets(Scope.DAY, Budget(wall_s=1)).hold_time] == [0, 1]


USES = st.builds(
    Used, st.integers(0, 10**6), st.integers(0, 10**9), st.floats(0, 10**6), st.integers(0, 3), st.floats(0, 10**6)
)
KINDS = ("usd", "tokens", "calls", "wall_s")


def _budgets(scope: Scope, budget: Budget) -> Budgets:
    return Budgets(**{scope.value: budget})


@given(USES, st.sampled_from(Scope), st.sampled_from(KINDS), st.integers(1, 10**6))
def test_the_ceiling_that_is_proposed_lets_the_work_go_on(used: Used, scope: Scope, kind: str, ceiling: int) -> None:
    budget = Budget(**{kind: ceiling})
    found = reached(_budgets(scope, budget), {scope: used})
    while found is not None:
        setting, _, value = found.raised.partition("=")
        name = setting.rpartition(".")[2]
        budget = replace(budget, **{name: float(value)})  # type: ignore[arg-type]
        again = reached(_budgets(scope, budget), {scope: used})
        assert again != found
        found = again


@given(USES, USES, st.sampled_from(KINDS), st.integers(1, 10**6))
def test_what_is_reached_stays_reached(used: Used, more: Used, kind: str, ceiling: int) -> None:
    budgets = Budgets(issue=Budget(**{kind: ceiling}))
    if reached(budgets, {Scope.ISSUE: used}):
        together = Used(*(one + two for one, two in zip(astuple(used), astuple(more), strict=True)))
        assert reached(budgets, {Scope.ISSUE: together})


@given(
    st.lists(st.tuples(st.floats(0.01, 5), st.floats(0, 1), st.integers(0, 3)), max_size=30),
    st.integers(1, 20),
)
def test_whatever_runs_do_in_turn_they_pass_a_ceiling_by_one_call_together(
    calls: list[tuple[float, float, int]], ceiling: int
) -> None:
    """Each call may come to its worst, takes a part of it, and is settled some calls later; until then it counts as worst."""
    budgets, settled = Budgets(day=Budget(usd=ceiling)), 0.0
    under_way: list[tuple[float, float, int]] = []
    largest = max((worst for worst, _, _ in calls), default=0)
    for worst, part, later in calls:
        used = Used(usd=settled + sum(each for each, _, _ in under_way))
        if reached(budgets, {Scope.DAY: used}) is None:
            under_way.append((worst, worst * part, later))
        settled += sum(real for _, real, wait in under_way if wait == 0)
        under_way = [(most, real, wait - 1) for most, real, wait in under_way if wait]
    assert settled + sum(most for most, _, _ in under_way) <= ceiling + largest + 1e-6


@pytest.mark.parametrize(
    ("budgets", "worst", "expected"),
    [
        (Budgets(), Spend(1, 10, 10, 0.0), None),
        (Budgets(), Spend(1, 10, 10, None), (unpriced("a:b"), "budget.tokens=1000000")),
        (Budgets(day=Budget(tokens=5)), Spend(1, 10, 10, None), None),
        (Budgets(call=Budget(usd=1)), Spend(1, 10, 10, 1.0), None),
        (
            Budgets(call=Budget(usd=1)),
            Spend(1, 10, 10, 1.001),
            ("a call of a:b could cost $1.00, and one call may cost $1.00", "budget.call.usd=1.01"),
        ),
        (
            Budgets(call=Budget(tokens=19)),
            Spend(1, 10, 10, 0.0),
            ("a call of a:b could take 20 tokens, and one call may take 19", "budget.call.tokens=20"),
        ),
    ],
)
def test_a_call_without_a_price_or_too_large_is_refused_before_it_is_made(
    budgets: Budgets, worst: Spend, expected: tuple[str, str] | None
) -> None:
    found = refused(budgets, "a:b", worst)
    assert (None if found is None else (found.sentence, found.raised)) == expected


START = datetime(2026, 1, 1, tzinfo=UTC)


def _told(*told: tuple[float, EventKind]) -> list[Event]:
    return [
        Event(1, seq, (START + timedelta(seconds=at)).isoformat(), kind, None, None, {})
        for seq, (at, kind) in enumerate(told)
    ]


@pytest.mark.parametrize(
    ("told", "now", "expected"),
    [
        ((), 50, 0),
        (((0, EventKind.RUN_QUEUED), (5, EventKind.RUN_ACCEPTED), (7, EventKind.STEP_STARTED)), 15, 10),
        (((0, EventKind.RUN_ACCEPTED), (10, EventKind.RUN_WAITING)), 900_000, 10),
        (((0, EventKind.RUN_ACCEPTED), (10, EventKind.RUN_WAITING), (900_000, EventKind.RUN_RESUMED)), 900_005, 15),
        (((0, EventKind.RUN_ACCEPTED), (4, EventKind.STEP_STARTED), (900, EventKind.RUN_RESUMED)), 901, 5),
        (((0, EventKind.RUN_ACCEPTED),), -5, 0),
    ],
    ids=["nothing", "at-work", "waits", "went-on", "killed", "clock-behind"],
)
def test_only_time_at_work_counts(told: tuple[tuple[float, EventKind], ...], now: float, expected: float) -> None:
    assert worked_s(_told(*told), START + timedelta(seconds=now)) == expected


def test_time_at_work_is_told_apart_by_stage_and_day() -> None:
    told = [
        (0, EventKind.RUN_ACCEPTED, None),
        (2, EventKind.STAGE_STARTED, Stage.LLD),
        (7, EventKind.STAGE_STARTED, Stage.SPEC),
        (10, EventKind.RUN_WAITING, Stage.SPEC),
        (90, EventKind.RUN_RESUMED, Stage.LLD),
        (94, EventKind.RUN_WAITING, Stage.LLD),
    ]
    events = [
        Event(1, seq, (START + timedelta(seconds=at)).isoformat(), kind, stage, None, {})
        for seq, (at, kind, stage) in enumerate(told)
    ]
    now = START + timedelta(seconds=500)
    assert worked_s(events, now) == 14
    assert [worked_s(events, now, stage=stage) for stage in (Stage.LLD, Stage.SPEC, Stage.IMPL)] == [9, 3, 0]
    assert worked_s(events, now, since=START + timedelta(seconds=8)) == 6


@given(st.lists(st.tuples(st.floats(0, 10**6), st.sampled_from(sorted(AT_WORK | AT_REST | {EventKind.NOTE})))))
def test_time_at_work_is_never_more_than_all_the_time(told: list[tuple[float, EventKind]]) -> None:
    told.sort(key=lambda each: each[0])
    worked = worked_s(_told(*told), START + timedelta(seconds=10**6))
    assert 0 <= worked <= (10**6 - told[0][0] if told else 0) + 1e-3


def test_a_spent_budget_is_told_in_its_sentence_and_carries_the_setting_that_goes_on() -> None:
    ceiling = Ceiling("the model calls reached 1 of 1", "budget.calls=2")
    spent = BudgetSpent(ceiling)
    assert (str(spent), spent.ceiling) == (ceiling.sentence, ceiling)
