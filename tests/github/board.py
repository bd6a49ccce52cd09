"""A project and review threads of the fake GitHub, as people see them."""

from dataclasses import dataclass, field

Who = tuple[int, str, str]
TEMPLATE = ("Backlog", "Ready", "In progress", "In review", "Approved", "Done", "Blocked")


@dataclass
class Card:
    """An item of a project: an issue or pull request by number, and the column it is in; `elsewhere`: of that repository."""

    id: str
    number: int
    status: str = ""
    is_archived: bool = False
    elsewhere: str = ""


@dataclass
class Project:
    """A Projects v2 board of `owner`; `options` are the columns of its field Status, none where it has no such field."""

    number: int = 7
    owner: str = "acme"
    title: str = "The board"
    options: tuple[str, ...] = TEMPLATE
    cards: list[Card] = field(default_factory=list)
    closed: bool = False
    writable: bool = True
    others: int = 0
    """How many cards of other projects each issue has before the one here."""

    @property
    def id(self) -> str:
        return f"PVT_{self.number}"

    def add(self, number: int, status: str = "", *, archived: bool = False, elsewhere: str = "") -> Card:
        """A new card, as a person puts it there."""
        self.cards.append(Card(f"PVTI_{len(self.cards) + 1}", number, status, archived, elsewhere))
        return self.cards[-1]

    def status(self, number: int) -> str:
        """The column of an issue."""
        return next(card.status for card in self.cards if card.number == number and not card.elsewhere)


@dataclass(frozen=True)
class Remark:
    """One comment of a thread, and the review it came with."""

    id: str
    body: str
    who: Who
    review: int


@dataclass
class Thread:
    """What was said of one line of a pull request."""

    id: str
    path: str
    line: int
    remarks: list[Remark] = field(default_factory=list)
    resolved: bool = False
