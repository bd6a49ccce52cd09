"""What was asked is added up, each count for itself."""

from agentos.domain.requests import Requests


def test_each_count_is_added_up_for_itself() -> None:
    assert Requests(1, 2, 3, 4) + Requests(10, 20, 30, 40) == Requests(11, 22, 33, 44)
    assert sum([], Requests()) == Requests(made=0, unchanged=0, changes=0, points=0)
