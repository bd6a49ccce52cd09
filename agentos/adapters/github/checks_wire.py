"""What we read of GitHub's checks, statuses, suites and rules: the few fields that count, as `wire` does."""

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class AppAnswer(_Answer):
    """The app that runs a check."""

    id: int | None = None
    slug: str | None = None


class OutputAnswer(_Answer):
    """What a check says of itself."""

    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations_count: int = 0


class CheckRunAnswer(_Answer):
    """One run of one check."""

    id: int
    name: str
    status: str
    conclusion: str | None = None
    html_url: str | None = None
    details_url: str | None = None
    output: OutputAnswer = OutputAnswer()
    app: AppAnswer | None = None


class CheckRunsPage(_Answer):
    """A page of them."""

    total_count: int
    check_runs: list[CheckRunAnswer]


class SuiteAnswer(_Answer):
    """All that one app runs for a commit, also where it has not begun with anything."""

    id: int
    status: str | None = None
    conclusion: str | None = None
    app: AppAnswer | None = None
    latest_check_runs_count: int = 0


class SuitesPage(_Answer):
    """A page of them."""

    total_count: int
    check_suites: list[SuiteAnswer]


class StatusAnswer(_Answer):
    """One commit status; the newest of each context counts."""

    id: int
    context: str
    state: str
    description: str | None = None
    target_url: str | None = None


class RequiredCheck(_Answer):
    """A check that a rule asks for, and the app it must be of, if any."""

    context: str
    integration_id: int | None = Field(None)
    app_id: int | None = Field(None)

    @property
    def app(self) -> int | None:
        """The id of the app it must come from; None for any."""
        return next((each for each in (self.integration_id, self.app_id) if each is not None and each > 0), None)


class RuleParameters(_Answer):
    """What a rule says more exactly."""

    required_status_checks: list[RequiredCheck] = Field(default_factory=list)


class RuleAnswer(_Answer):
    """One rule that holds for a branch."""

    type: str
    parameters: RuleParameters | None = None


class ProtectionAnswer(_Answer):
    """What the protection of a branch requires."""

    contexts: list[str] = Field(default_factory=list)
    checks: list[RequiredCheck] = Field(default_factory=list)


class AnnotationAnswer(_Answer):
    """What a check says of a place."""

    path: str = ""
    start_line: int = 0
    annotation_level: str | None = None
    title: str | None = None
    message: str | None = None


class WorkflowRunAnswer(_Answer):
    """One run of one workflow; `status` and `conclusion` as those of a check."""

    id: int
    name: str | None = None
    status: str | None = None
    conclusion: str | None = None
    html_url: str = ""


class WorkflowRunsPage(_Answer):
    """A page of them."""

    total_count: int
    workflow_runs: list[WorkflowRunAnswer]


class JobAnswer(_Answer):
    """One job of a run, which is what a check run of GitHub's own CI shows."""

    id: int
    name: str
    status: str
    conclusion: str | None = None
    html_url: str | None = None


class JobsPage(_Answer):
    """A page of them."""

    total_count: int
    jobs: list[JobAnswer]
