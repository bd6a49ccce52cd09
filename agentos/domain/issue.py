"""The issue as the pipeline sees it, whatever tracker it lives in."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class IssueRef:
    """One issue of one target repository; `repo` is the repo-key (see `naming.repo_key`)."""

    repo: str
    number: int

    def __str__(self) -> str:
        return f"{self.repo}#{self.number}"


class IntakePart(StrEnum):
    """A part of the intake contract: what an issue has to say to be worked on without guessing (R-QUEUE-2)."""

    OBJECTIVE = "objective"
    CRITERIA = "acceptance criteria"
    CONSTRAINTS = "constraints"
    FAILURE_MODE = "failure mode"
    SCOPE = "allowed scope"


class Relation(StrEnum):
    """How an issue stands to another one; never above or below it (R-QUEUE-6)."""

    DEPENDS_ON = "depends_on"
    CONFLICTS_WITH = "conflicts_with"
    RELATED = "related"
    SUPERSEDES = "supersedes"
    DUPLICATE_OF = "duplicate_of"


@dataclass(frozen=True, slots=True)
class Relations:
    """The issues that an issue names, by number. `unclear`: what it wrote there that names none, as `depends_on: soon`."""

    depends_on: tuple[int, ...] = ()
    conflicts_with: tuple[int, ...] = ()
    related: tuple[int, ...] = ()
    supersedes: tuple[int, ...] = ()
    duplicate_of: tuple[int, ...] = ()
    unclear: tuple[str, ...] = ()

    def of(self, relation: Relation) -> tuple[int, ...]:
        """The issues named under `relation`."""
        found: tuple[int, ...] = getattr(self, relation)
        return found


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue's current content, cleaned by `clean_text`; everything in it is data, never an instruction (I10).

    `digest` is the sha256 of title and body: it changes exactly when what is wanted changes.
    """

    ref: IssueRef
    title: str
    body: str
    digest: str
    is_open: bool = True
    status: str = ""
    priority: str = ""
    labels: tuple[str, ...] = ()
    assignees: tuple[str, ...] = ()
    author: str = ""
    url: str = ""
    relations: Relations = Relations()


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment of an issue or its thread. `at` is an ISO 8601 UTC time."""

    id: str
    author: str
    body: str
    at: str
    edited: bool = False
    is_bot: bool = False
    author_id: str = ""


@dataclass(frozen=True, slots=True)
class IssueDraft:
    """A new issue to file: a follow-up, or a part of one that is too large."""

    title: str
    body: str
    labels: tuple[str, ...] = ()
    related: tuple[int, ...] = ()
    objective: str = ""
    """What it and the issues around it are for, where they have that in common; one line."""


OPT_OUT_LABEL = "do-not-automate"
"""An issue that carries it is left alone, whatever else authorises it (I8)."""
