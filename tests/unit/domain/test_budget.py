"""Ceilings hold for every kind, and an unknown price never counts as none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.budget import Budget, Spend, reached

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
    ("budget", "spend", "elapsed_s", "sentence"),
    [
        (Budget(), Spend(9, 9, 9, None), 9e9, None),
        (Budget(usd=1.0), Spend(usd=0.99), 0, None),
        (Budget(usd=1.0), Spend(usd=1.0), 0, "the cost reached $1.00 of $1.00"),
        (
            Budget(usd=1.0),
            Spend(usd=None),
            0,
            "the cost of a model call is unknown, so the money ceiling cannot be kept",
        ),
        (Budget(tokens=10), Spend(input_tokens=4, output_tokens=5), 0, None),
        (Budget(tokens=10), Spend(input_tokens=4, output_tokens=6), 0, "the tokens reached 10 of 10"),
        (Budget(calls=2), Spend(calls=1), 0, None),
        (Budget(calls=2), Spend(calls=3), 0, "the model calls reached 3 of 2"),
        (Budget(wall_s=60), Spend(), 59.9, None),
        (Budget(wall_s=60), Spend(), 60.0, "the time reached 60 s of 60 s"),
        (Budget(usd=1, calls=1), Spend(calls=1, usd=2.5), 0, "the cost reached $2.50 of $1.00"),
    ],
)
def test_the_first_ceiling_that_is_reached_is_named(
    budget: Budget, spend: Spend, elapsed_s: float, sentence: str | None
) -> None:
    assert reached(budget, spend, elapsed_s=elapsed_s) == sentence


@given(SPENDS, SPENDS, st.integers(1, 10**6))
def test_what_is_reached_stays_reached(spend: Spend, more: Spend, ceiling: int) -> None:
    for budget in (Budget(usd=ceiling), Budget(tokens=ceiling), Budget(calls=ceiling)):
        if reached(budget, spend, elapsed_s=0):
            assert reached(budget, spend + more, elapsed_s=0)
