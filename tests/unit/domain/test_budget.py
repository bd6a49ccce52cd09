"""Ceilings hold for every kind, and an unknown price never counts as none."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.budget import AT_REST, AT_WORK, Budget, BudgetSpent, Spend, reached, worked_s
from agentos.domain.event import Event, EventKind

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


@pytest.mark.parametrize(
    ("budget", "spend", "elapsed_s", "expected"),
    [
        (Budget(), Spend(9, 9, 9, None), 9e9, None),
        (Budget(usd=1.0), Spend(usd=0.99), 0, None),
        (Budget(usd=1.0), Spend(usd=1.0), 0, ("the cost reached $1.00 of $1.00", "budget.usd=2.00")),
        (
            Budget(usd=1.0),
            Spend(usd=None),
            0,
            ("the cost of a model call is unknown, so the money ceiling cannot be kept", "budget.usd=none"),
        ),
        (Budget(usd=0.001), Spend(usd=0.001), 0, ("the cost reached $0.00 of $0.00", "budget.usd=0.01")),
        (Budget(tokens=10), Spend(input_tokens=4, output_tokens=5), 0, None),
        (
            Budget(tokens=10),
            Spend(input_tokens=4, output_tokens=6),
            0,
            ("the tokens reached 10 of 10", "budget.tokens=20"),
        ),
        (Budget(calls=2), Spend(calls=1), 0, None),
        (Budget(calls=2), Spend(calls=3), 0, ("the model calls reached 3 of 2", "budget.calls=6")),
        (Budget(wall_s=60), Spend(), 59.9, None),
        (Budget(wall_s=60), Spend(), 60.2, ("the time at work reached 60 s of 60 s", "budget.wall_s=121")),
        (Budget(usd=1, calls=1), Spend(calls=1, usd=2.5), 0, ("the cost reached $2.50 of $1.00", "budget.usd=5.00")),
    ],
)
def test_the_first_ceiling_that_is_reached_is_named_with_what_raises_it(
    budget: Budget, spend: Spend, elapsed_s: float, expected: tuple[str, str] | None
) -> None:
    found = reached(budget, spend, elapsed_s=elapsed_s)
    assert (None if found is None else (found.sentence, found.raised)) == expected


@given(SPENDS, st.floats(0, 10**6), st.integers(1, 10**6))
def test_the_ceiling_that_is_proposed_lets_the_work_go_on(spend: Spend, elapsed_s: float, ceiling: int) -> None:
    budgets = [Budget(usd=ceiling), Budget(tokens=ceiling), Budget(calls=ceiling), Budget(wall_s=ceiling)]
    for budget in budgets:
        found = reached(budget, spend, elapsed_s=elapsed_s)
        if found is not None:
            name, _, value = found.raised.removeprefix("budget.").partition("=")
            raised = Budget(**{name: None if value == "none" else float(value)})  # type: ignore[arg-type]
            assert reached(raised, spend, elapsed_s=elapsed_s) is None


@given(SPENDS, SPENDS, st.integers(1, 10**6))
def test_what_is_reached_stays_reached(spend: Spend, more: Spend, ceiling: int) -> None:
    for budget in (Budget(usd=ceiling), Budget(tokens=ceiling), Budget(calls=ceiling)):
        if reached(budget, spend, elapsed_s=0):
            assert reached(budget, spend + more, elapsed_s=0)


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


@given(st.lists(st.tuples(st.floats(0, 10**6), st.sampled_from(sorted(AT_WORK | AT_REST | {EventKind.NOTE})))))
def test_time_at_work_is_never_more_than_all_the_time(told: list[tuple[float, EventKind]]) -> None:
    told.sort(key=lambda each: each[0])
    worked = worked_s(_told(*told), START + timedelta(seconds=10**6))
    assert 0 <= worked <= (10**6 - told[0][0] if told else 0) + 1e-3


def test_a_spent_budget_is_told_in_its_sentence_and_carries_the_setting_that_goes_on() -> None:
    ceiling = reached(Budget(calls=1), Spend(calls=1), elapsed_s=0)
    assert ceiling is not None
    spent = BudgetSpent(ceiling)
    assert str(spent) == ceiling.sentence
    assert spent.ceiling.raised.startswith("budget.calls=")
