"""What changed since the last look, told by comparing versions."""

from collections.abc import Hashable, Mapping


class Versions:
    """The versions of things as they were at the last look."""

    def __init__(self) -> None:
        self._known: dict[int, Hashable] = {}

    def fresh(self, now: Mapping[int, Hashable]) -> frozenset[int]:
        """Those whose version is new or another one. Effect: they are known from now on; what is gone is forgotten."""
        found = frozenset(number for number, version in now.items() if self._known.get(number) != version)
        self._known = dict(now)
        return found
