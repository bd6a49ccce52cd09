"""A GitHub whose lists are behind: what was just made is not in them yet, for a few requests or until some time passed."""

import random
from dataclasses import dataclass, field

MAKES = frozenset({"new comment", "new issue", "new pull"})


@dataclass
class Lag:
    """Which things no list shows yet, by `chance`; how many were really missed is in `missed`."""

    chance: random.Random
    share: float = 0.3
    requests: int = 4
    """At most so many requests a list is behind."""
    missed: int = 0
    _asked: int = 0
    _hidden: dict[int, int] = field(default_factory=dict)

    def shown(self, route: str, body: object) -> object:
        """What of `body` is answered now."""
        self._asked += 1
        if route in MAKES and isinstance(body, dict) and self.chance.random() < self.share:
            self._hidden[body["id"]] = self._asked + self.chance.randint(1, self.requests)
        if not isinstance(body, list):
            return body
        there = [each for each in body if self._hidden.get(each.get("id"), 0) < self._asked]
        self.missed += len(there) < len(body)
        return there

    def passes(self) -> None:
        """Effect: time passed, as a parked run lets it, and every list shows all."""
        self._hidden.clear()
