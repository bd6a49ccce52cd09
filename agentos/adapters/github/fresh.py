"""What this process just wrote and GitHub's list does not show yet: it lags behind its own changes by seconds."""

from collections.abc import Iterable

from agentos.adapters.github.wire import CommentAnswer
from agentos.ports.clock import Clock

LAG_S = 60.0
"""So long we know better than the list; what is not in it afterwards was deleted."""


class Fresh:
    """Comments as GitHub confirmed them, by issue."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: dict[int, tuple[int, float, CommentAnswer]] = {}

    def add(self, issue: int, comment: CommentAnswer) -> None:
        """Effect: for a while, `comment` is there whether or not the list shows it."""
        self._made[comment.id] = (issue, self._clock.monotonic_s() + LAG_S, comment)

    def edited(self, comment: int, body: str) -> None:
        """Effect: a comment that is still known here says `body`."""
        if comment in self._made:
            issue, until, made = self._made[comment]
            self._made[comment] = (issue, until, made.model_copy(update={"body": body}))

    def missing(self, issue: int, shown: Iterable[CommentAnswer]) -> tuple[CommentAnswer, ...]:
        """What was made on the issue and is not among `shown`. Effect: what the list shows is forgotten."""
        for each in shown:
            self._made.pop(each.id, None)
        now = self._clock.monotonic_s()
        return tuple(made for number, until, made in self._made.values() if number == issue and now < until)
