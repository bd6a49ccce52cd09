"""A GitHub project (Projects v2) as the board: the column of an issue's card in its field `Status`.

What a project cannot show, the label shows alone: that is said once, and `doctor` tells how to mend it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.project_wire import (
    Card,
    CardsOfIssue,
    Content,
    ItemsOfProject,
    OwnedProject,
    ProjectAnswer,
    StatusField,
    Value,
)
from agentos.adapters.github.queries import ITEMS_OF_ISSUE, ITEMS_OF_PROJECT, MOVE_ITEM, PROJECT
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import PASSING, FailureKind
from agentos.domain.finding import Check, Grade
from agentos.domain.naming import clean_text
from agentos.domain.status import LABELS, Status
from agentos.ports.clock import Clock

NAME = "GitHub project"
QUEUED = LABELS[0]
LEFT_BY = (Status.READY, Status.IN_PROGRESS, Status.BACKLOG)
"""The columns without which a card would stay in Ready, and its issue be started over and over."""
_NAMED = re.compile(r"(?:(?P<owner>[A-Za-z0-9-]+)/)?(?P<number>[0-9]{1,9})")
_URL = re.compile(
    r"(?P<web>https?://[^/]+)/(?:orgs|users)/(?P<owner>[A-Za-z0-9-]+)/projects/(?P<number>[0-9]{1,9})(?:/.*)?"
)


@dataclass(frozen=True, slots=True)
class Columns:
    """A project as it was found: `options` holds the id of each column we know, and `field_id` that of the field they are of."""

    id: str
    title: str
    url: str
    field_id: str
    options: Mapping[Status, str]
    is_open: bool
    can_update: bool

    @property
    def lacking(self) -> tuple[Status, ...]:
        """The columns it has not."""
        return tuple(status for status in Status if status not in self.options)

    @property
    def starts_work(self) -> bool:
        """Whether a card that a person moves to Ready would leave that column again by us."""
        return self.is_open and self.can_update and not set(LEFT_BY) & set(self.lacking)


@dataclass
class GitHubProject:
    """The project that `place` names, as `api` reaches it."""

    api: GitHubClient
    _found: Columns | None = None
    _said: set[str] = field(default_factory=set)
    _lay: Mapping[int, Status | None] = field(default_factory=dict)
    _moved: frozenset[int] = frozenset()

    async def columns(self) -> Columns:
        """The project's columns, read once. Raises: OutsideError, kind GONE where there is no such project."""
        if self._found is None:
            owner, number = named(self.api.place)
            told = (await self.api.ask(PROJECT, {"owner": owner, "number": number}, OwnedProject)).owner
            if told is None or told.project is None:
                raise OutsideError(f"GitHub shows no project {number} of {owner} to us", kind=FailureKind.GONE)
            self._found = _columns(told.project)
        return self._found

    async def status(self, number: int) -> Status | None:
        """What the issue's card says; None where it has none, or what is shown cannot be told from it."""
        try:
            card = await self._card(number)
        except OutsideError as exc:
            self._pass_on(exc)
            return None
        return None if card is None else _status(card.value)

    def can_show(self, status: Status) -> bool:
        """Whether the project, as it was found, has a column for `status`."""
        return self._found is not None and self._found.is_open and status in self._found.options

    async def move(self, number: int, status: Status, *, picture: bool = False) -> None:
        """Effect: the issue's card, if it has one, is in the column of `status`. Repeating is harmless. `picture`: it may be
        late."""
        try:
            columns, card = await self.columns(), await self._card(number)
            if card is None or _status(card.value, default=None) is status:
                return
            if not self.can_show(status):
                self._say(f"{columns.title} at {columns.url} has no column {status}")
                return
            value = {"singleSelectOptionId": columns.options[status]}
            where = {"projectId": columns.id, "itemId": card.id, "fieldId": columns.field_id}
            moved = {"input": {**where, "value": value}}
            await self.api.ask(MOVE_ITEM, moved, dict[str, object], picture=picture)
        except OutsideError as exc:
            self._found = None  # a column that was made anew has another id
            self._pass_on(exc)
            self._say(str(exc))

    async def ready(self) -> tuple[int, ...]:
        """The open issues of the repository that people moved to Ready, by number; what we put there ourselves is none.
        Effect: cards that lie elsewhere than at the last look are noted."""
        try:
            columns = await self.columns()
            if not columns.starts_work:
                self._say(f"no card of {columns.title} at {columns.url} starts work")
                return ()
            lying = await self._lying(columns)
        except OutsideError as exc:
            self._pass_on(exc)
            self._say(str(exc))
            return ()
        now = {each.number: status for each, status in lying}
        self._moved |= {number for number, status in now.items() if self._lay.get(number) is not status}
        self._lay = now
        return tuple(sorted({each.number for each, status in lying if status is Status.READY and _asks(each)}))

    def take_moved(self) -> frozenset[int]:
        """The issues whose card lies elsewhere than it did, at the first look all. Effect: each is told once."""
        moved, self._moved = self._moved, frozenset()
        return moved

    def _is_here(self, found: Content) -> bool:
        return found.repository is not None and found.repository.name.lower() == self.api.place.title.lower()

    async def _lying(self, columns: Columns) -> list[tuple[Content, Status | None]]:
        """The repository's issues with the column that their card is in, read to the last page."""
        found, after = list[tuple[Content, Status | None]](), None
        while True:
            told = await self.api.ask(ITEMS_OF_PROJECT, {"project": columns.id, "after": after}, ItemsOfProject)
            if told.node is None:
                return found
            page = told.node.items
            shown = ((each.content, _status(each.value)) for each in page.seen if not each.is_archived)
            found += [(issue, status) for issue, status in shown if issue is not None and self._is_here(issue)]
            if not page.info.more:
                return found
            after = page.info.end

    async def _card(self, number: int) -> Card | None:
        columns, place, after = await self.columns(), self.api.place, None
        while True:
            where = {"owner": place.owner, "name": place.name, "number": number, "after": after}
            told = (await self.api.ask(ITEMS_OF_ISSUE, where, CardsOfIssue)).repository
            if told is None or told.issue is None:
                return None
            page = told.issue.cards
            card = next((each for each in page.seen if each.project.id == columns.id), None)
            if card is not None or not page.info.more:
                return card
            after = page.info.end

    def _pass_on(self, exc: OutsideError) -> None:
        """Raises what passes by itself; a project that is out of reach for good is no reason to stop any work."""
        if exc.kind in PASSING:
            raise exc

    def _say(self, why: str) -> None:
        """Effect: the log says it, once."""
        if why not in self._said:
            import structlog  # as in adapters/notifier/log.py: almost no run needs it

            self._said.add(why)
            structlog.get_logger(__name__).warning("project_not_used", why=why, instead="labels", help="agentos doctor")


def named(place: GitHubPlace) -> tuple[str, int]:
    """Owner and number of the project that the settings name. Raises: UsageError where they name none of this server."""
    words = place.project.strip()
    found = _NAMED.fullmatch(words) or _URL.fullmatch(words)
    if found is None or (found.re is _URL and found["web"].lower() != place.web_url.lower()):
        raise UsageError(
            f"github.project is {words!r}: give the number of a project of {place.owner}, OWNER/NUMBER, or its address on "
            f"{place.web_url}"
        )
    return found["owner"] or place.owner, int(found["number"])


def _asks(found: Content) -> bool:
    """Whether a card in Ready asks for work."""
    labels = {each.name for each in found.labels.nodes if each} if found.labels is not None else set()
    return found.state == "OPEN" and QUEUED not in labels


def _columns(found: ProjectAnswer) -> Columns:
    of_status = found.status or StatusField()
    ids = {each.name.strip().lower(): each.id for each in of_status.options}
    options = {status: ids[status.lower()] for status in Status if status.lower() in ids}
    title, url = clean_text(found.title), clean_text(found.url)
    return Columns(found.id, title, url, of_status.id, options, not found.closed, found.can_update)


def _status(value: Value | None, default: Status | None = Status.BACKLOG) -> Status | None:
    """The status that a column says; one that is none of ours, or no column at all, is `default`."""
    name = (value.name or "").strip().lower() if value is not None else ""
    return next((status for status in Status if status.lower() == name), default)


async def look_at_project(place: GitHubPlace, clock: Clock) -> tuple[Check, ...]:
    """What the project shows of an issue, and what it cannot. Reads only. Raises: UsageError where none is named."""
    if not place.project:
        return ()
    owner, number = named(place)
    api = GitHubClient(place, clock)
    try:
        found = await GitHubProject(api).columns()
    except OutsideError as exc:
        if exc.kind in PASSING:
            raise
        mend = "see github.project, and give the rights that docs/howto/github.md names for projects"
        return (Check(NAME, Grade.WARN, f"{owner}/{number}: {exc}", mend),)
    return _judged(found, api.points.last.remaining if api.points.last is not None else None)


def _judged(found: Columns, points: int | None) -> tuple[Check, ...]:
    left = f"; {points} points of GraphQL are left in this hour" if points is not None else ""
    checks = [Check(NAME, Grade.OK, f"{found.title} at {found.url}{left}")]
    if not found.is_open:
        checks.append(
            Check(NAME, Grade.WARN, "it is closed, so labels are the board", "open it again, or name another")
        )
    if not found.can_update:
        words = "its cards may not be moved by us, so labels are the board"
        checks.append(Check(NAME, Grade.WARN, words, "give the rights that docs/howto/github.md names for projects"))
    if found.lacking:
        missing = ", ".join(found.lacking)
        words = f"its field Status has no {missing}: there the label is shown alone"
        if set(LEFT_BY) & set(found.lacking):
            words += ", and no card starts work"
        checks.append(Check(NAME, Grade.WARN, words, f"give its single-select field Status the options {missing}"))
    return tuple(checks)
