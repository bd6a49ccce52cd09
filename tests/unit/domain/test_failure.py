"""One failure kind, one owner; and how long that owner waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.error import AgentOSError, BugError, FenceLost, OutsideError, UsageError
from agentos.domain.failure import RETRY, WORKER_DEATHS, FailureKind, Owner, backoff_s

OWNERS = {
    "transient": ("adapter", 5),
    "capacity": ("run", 6),
    "crash": ("step", 2),
    "denied": ("nobody", 1),
    "gone": ("nobody", 1),
    "conflict": ("nobody", 1),
    "invalid": ("nobody", 1),
    "permanent": ("nobody", 1),
}


def test_every_kind_of_failure_has_the_owner_the_design_gives_it() -> None:
    assert {str(kind): (str(rule.owner), rule.limit) for kind, rule in RETRY.items()} == OWNERS
    assert set(RETRY) == set(FailureKind)
    assert all(rule.limit == 1 for rule in RETRY.values() if rule.owner is Owner.NOBODY)
    assert WORKER_DEATHS == 3


def test_the_waits_of_an_api_call_double_to_a_minute() -> None:
    rule = RETRY[FailureKind.TRANSIENT]
    assert [backoff_s(n, first_s=rule.first_s, most_s=rule.most_s) for n in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


@given(st.integers(1, 10**6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_wait_never_shrinks_and_never_passes_its_ceiling(tries: int, first_s: float, most_s: float) -> None:
    wait_s = backoff_s(tries, first_s=first_s, most_s=most_s)
    assert 0 <= wait_s <= most_s
    assert wait_s <= backoff_s(tries + 1, first_s=first_s, most_s=most_s)


@pytest.mark.parametrize("tries", [0, -1])
def test_tries_are_counted_from_one(tries: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        backoff_s(tries)


def test_an_error_of_the_world_says_its_kind_and_when_to_come_back() -> None:
    plain, limited = OutsideError("no"), OutsideError("later", kind=FailureKind.TRANSIENT, retry_after_s=3.0)
    assert (plain.kind, plain.retry_after_s) == (FailureKind.PERMANENT, None)
    assert (str(limited), limited.kind, limited.retry_after_s) == ("later", FailureKind.TRANSIENT, 3.0)


def test_everything_raised_on_purpose_has_one_root() -> None:
    assert {kind.__name__ for kind in AgentOSError.__subclasses__()} >= {"UsageError", "OutsideError", "BugError"}
    assert all(issubclass(kind, AgentOSError) for kind in (UsageError, OutsideError, BugError, FenceLost))
