"""What we read of GitHub's projects: the shapes of `queries`' answers about them."""

from pydantic import Field

from agentos.adapters.github.graphql import Answered, Page, QueryData


class Option(Answered):
    """One column."""

    id: str
    name: str


class StatusField(Answered):
    """The field `Status`; without an id where it is of another kind."""

    id: str = ""
    options: tuple[Option, ...] = ()


class ProjectAnswer(Answered):
    """A project."""

    id: str
    title: str
    url: str
    closed: bool
    can_update: bool = Field(alias="viewerCanUpdate")
    status: StatusField | None = Field(None, alias="field")


class Owner(Answered):
    """A person or an organisation."""

    project: ProjectAnswer | None = Field(None, alias="projectV2")


class OwnedProject(QueryData):
    """The project of its owner."""

    owner: Owner | None = Field(None, alias="repositoryOwner")


class Value(Answered):
    """The column that a card is in."""

    name: str | None = None


class Id(Answered):
    """A thing by its id."""

    id: str


class Card(Answered):
    """An issue's card in one project."""

    id: str
    project: Id
    value: Value | None = Field(None, alias="fieldValueByName")


class IssueCards(Answered):
    """An issue's cards in all projects."""

    cards: Page[Card] = Field(alias="projectItems")


class IssueOf(Answered):
    """A repository's issue."""

    issue: IssueCards | None = None


class CardsOfIssue(QueryData):
    """The cards of an issue."""

    repository: IssueOf | None = None


class Repository(Answered):
    """A repository by its name."""

    name: str = Field(alias="nameWithOwner")


class Label(Answered):
    """A label."""

    name: str


class Labels(Answered):
    """The labels of an issue."""

    nodes: tuple[Label | None, ...] = ()


class Content(Answered):
    """What a card is of; anything but an issue is empty."""

    number: int = 0
    state: str = ""
    repository: Repository | None = None
    labels: Labels | None = None


class Item(Answered):
    """A card of a project."""

    is_archived: bool = Field(alias="isArchived")
    value: Value | None = Field(None, alias="fieldValueByName")
    content: Content | None = None


class Items(Answered):
    """The cards of a project."""

    items: Page[Item]


class ItemsOfProject(QueryData):
    """The cards of the project that was asked for."""

    node: Items | None = None
