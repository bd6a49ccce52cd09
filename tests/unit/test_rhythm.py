"""How long the service rests: short while there is something to do, then twice as long each time up to a bound."""

from agentos.service.rhythm import Rhythm


def test_it_doubles_from_thirty_seconds_to_five_minutes_and_is_back_when_work_appears() -> None:
    rhythm = Rhythm(30, 300)
    assert [rhythm.after(busy=False) for _ in range(6)] == [30, 60, 120, 240, 300, 300]
    assert rhythm.is_slow
    assert [rhythm.after(busy=busy) for busy in (True, True, False, False)] == [30, 30, 60, 120]


def test_an_idle_bound_below_the_active_one_changes_nothing_for_the_worse() -> None:
    rhythm = Rhythm(30, 10)
    assert [rhythm.after(busy=False) for _ in range(3)] == [30, 30, 30]
