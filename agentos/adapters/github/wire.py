"""What we read of GitHub's answers: the few fields that count, so that a server older or newer than us is understood."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Account(_Answer):
    """Whoever wrote something. `kind` is User, Bot or Organization."""

    id: int
    login: str
    kind: str = Field("User", alias="type")


class Label(_Answer):
    """One label of an issue."""

    name: str = ""


class DependencySummary(_Answer):
    """How many open issues block this one."""

    total_blocked_by: int = 0


class PartsSummary(_Answer):
    """How many parts an issue has."""

    total: int = 0


class IssueAnswer(_Answer):
    """An issue, or a pull request, which GitHub lists among them."""

    number: int
    title: str
    body: str | None = None
    state: str
    html_url: str = ""
    user: Account | None = None
    labels: tuple[Label | str, ...] = ()
    assignees: tuple[Account, ...] = ()
    pull_request: dict[str, Any] | None = None
    issue_dependencies_summary: DependencySummary | None = None
    comments: int = 0
    updated_at: str = ""
    sub_issues_summary: PartsSummary | None = None
    parent_issue_url: str | None = None

    @property
    def label_names(self) -> tuple[str, ...]:
        """Its labels, by name."""
        return tuple(label if isinstance(label, str) else label.name for label in self.labels)


class CommentAnswer(_Answer):
    """One comment."""

    id: int
    body: str | None = None
    user: Account | None = None
    created_at: str
    updated_at: str = ""
    issue_url: str = ""


class EventSource(_Answer):
    """The issue that mentions another one."""

    issue: IssueAnswer | None = None


class TimelineEvent(_Answer):
    """One event of an issue's timeline, of which only mentions matter."""

    event: str = ""
    source: EventSource | None = None


class Ref(_Answer):
    """A branch as a pull request names it."""

    ref: str
    sha: str


class PullAnswer(_Answer):
    """A pull request; `node_id` is its name in GraphQL."""

    number: int
    node_id: str = ""
    draft: bool = False
    html_url: str
    title: str
    body: str | None = None
    state: str
    head: Ref
    base: Ref
    merged_at: str | None = None
    merge_commit_sha: str | None = None


class ReviewAnswer(_Answer):
    """One review."""

    id: int
    user: Account | None = None
    body: str | None = None
    state: str
    commit_id: str | None = None
    submitted_at: str | None = None


class MergeAnswer(_Answer):
    """What a merge made."""

    sha: str


class RepositoryAnswer(_Answer):
    """The repository; `permissions` is what the token may do, where GitHub says so."""

    full_name: str
    archived: bool = False
    private: bool = True
    default_branch: str = "main"
    permissions: dict[str, bool] = Field(default_factory=dict)


class PermissionAnswer(_Answer):
    """What somebody may do with the repository: admin, write, read or none."""

    permission: str
    user: Account | None = None


class LineComment(_Answer):
    """What a review says of one line."""

    pull_request_review_id: int | None = None
    path: str
    line: int | None = None
    original_line: int | None = None
    body: str = ""
    created_at: str = ""
    updated_at: str = ""
