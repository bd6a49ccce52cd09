"""Requests to a service that counts them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requests:
    """How many were made; of them, how many found everything `unchanged` and were free, and how many were
    `changes`; and the `points` of all, as the service weighs them."""

    made: int = 0
    unchanged: int = 0
    changes: int = 0
    points: int = 0

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(
            self.made + other.made,
            self.unchanged + other.unchanged,
            self.changes + other.changes,
            self.points + other.points,
        )
