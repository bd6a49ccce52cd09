"""The shape of every setting. Where values come from, and who may set what, is `load`'s business."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from agentos.config.budgets import BudgetSettings, PriceSettings
from agentos.config.delivery import ChecksSettings, DeploySettings
from agentos.config.short_forms import plain_commands, plain_models
from agentos.config.words import (
    Bound,
    CommandName,
    Confidence,
    FolderInside,
    Glob,
    Host,
    ModelName,
    Part,
    PriorityName,
    Seconds,
)
from agentos.domain.check import CheckCommand
from agentos.domain.document import WorkType
from agentos.domain.error import UsageError
from agentos.domain.issue import IntakePart
from agentos.domain.pipeline import ROWS, Gate, Stage, limit_of
from agentos.ports.agent import AgentLimits
from agentos.ports.sandbox import ANYWHERE, CommandLimits

SandboxKind: TypeAlias = Literal["auto", "process", "external", "sandlock", "bubblewrap"]
Profile: TypeAlias = Literal["cli", "service"]
MergeAuthority: TypeAlias = Literal["none", "dossier", "on_approval", "auto"]
AUTHORITIES: tuple[MergeAuthority, ...] = ("none", "dossier", "on_approval", "auto")
"""From the one that lets AgentOS do the least."""


def default_home() -> Path:
    """The platform's folder for a user's data. Raises UsageError for a user without any."""
    from platformdirs import user_data_dir  # only where nobody says where the data goes

    try:
        return Path(user_data_dir("agentos", appauthor=False))
    except RuntimeError as exc:
        raise UsageError("this user has no home folder: let AGENTOS_HOME name a folder for AgentOS's data") from exc


class TriageSettings(Part):
    """How the issue is read."""

    drafter: ModelName | None = None
    max_edits: Bound = limit_of(Stage.TRIAGE, "max_edits")


class LldSettings(Part):
    """How the design is written and judged."""

    drafter: ModelName | None = None
    reviewer: ModelName | None = None
    max_revisions: Bound = limit_of(Stage.LLD, "max_revisions")


class SpecSettings(Part):
    """How the implementation spec is written and judged."""

    drafter: ModelName | None = None
    reviewer: ModelName | None = None
    max_revisions: Bound = limit_of(Stage.SPEC, "max_revisions")


class ImplementationSettings(Part):
    """How the change is coded, tested and judged."""

    implementer: ModelName | None = None
    reviewer: ModelName | None = None
    max_test_retries: Bound = limit_of(Stage.IMPL, "max_test_retries")
    max_review_rounds: Bound = limit_of(Stage.IMPL, "max_review_rounds")


class ReviewSettings(Part):
    """How long the operator's feedback goes round."""

    max_feedback_cycles: Bound = limit_of(Stage.REVIEW, "max_feedback_cycles")


class FinalizeSettings(Part):
    """How often merging and verifying are tried."""

    max_merge_syncs: Bound = limit_of(Stage.FINALIZE, "max_merge_syncs")
    max_verify_retries: Bound = limit_of(Stage.FINALIZE, "max_verify_retries")


class StagesSettings(Part):
    """Models and bounds, stage by stage."""

    triage: TriageSettings = TriageSettings()
    lld: LldSettings = LldSettings()
    spec: SpecSettings = SpecSettings()
    implementation: ImplementationSettings = ImplementationSettings()
    review: ReviewSettings = ReviewSettings()
    finalize: FinalizeSettings = FinalizeSettings()


class GatesSettings(Part):
    """Where a person is asked; None leaves it to the profile (see `Settings.gates_on`)."""

    after_triage: bool | None = None
    after_lld: bool | None = None
    after_spec: bool | None = None
    before_pr: bool | None = None
    before_merge: bool | None = None


class OrchestratorSettings(Part):
    """The pipeline's own settings. `skip_…`: without such a document, where no approved one is there."""

    skip_existing_lld: bool = False
    skip_existing_spec: bool = False
    skip_lld: bool = False
    skip_spec: bool = False
    stages: StagesSettings = StagesSettings()
    gates: GatesSettings = GatesSettings()


class TrackerSettings(Part):
    """Where issues live. `folder` is inside the target repository."""

    kind: str = "files"
    folder: FolderInside = "tickets"


class ForgeSettings(Part):
    """Where the change is proposed and merged."""

    kind: str = "local"


class GitHubSettings(Part):
    """GitHub, where `tracker.kind` or `forge.kind` is `github`. `api_url`: the API of a GitHub Enterprise server, as
    `https://github.example.com/api/v3`; empty for github.com. `merge_method`: how a pull request is merged. `app_id`: a
    GitHub App that goes in instead of a token, with its key from `private_key_file` or `github_private_key`. `drafts`: a
    pull request begins as a draft, where GitHub has such, and is marked ready when there is something to look at.
    `project`: the project that is the board, by its number, `OWNER/NUMBER` or address."""

    api_url: str = ""
    app_id: Annotated[str, BeforeValidator(str)] = ""
    installation_id: int | None = None
    private_key_file: Path | None = None
    merge_method: Literal["merge", "squash", "rebase"] = "merge"
    drafts: bool = True
    project: Annotated[str, BeforeValidator(str)] = ""


class AgentSettings(Part):
    """The coding agent and the bounds of one of its sessions."""

    kind: str = "native"
    steps: Annotated[int, Field(ge=1, le=1000)] = 60
    wall_s: Seconds = 1800.0
    idle_s: Seconds = 300.0
    command_s: Seconds = 300.0

    def limits(self) -> AgentLimits:
        """The bounds as the agent port wants them."""
        return AgentLimits(self.steps, self.wall_s, self.idle_s, self.command_s)


class CommandSettings(Part):
    """One line of the command matrix; without `run` it only adds to what another source says about that command.
    `network`: true, or the hosts it may reach, as `host` (its web ports) or `host:port`."""

    run: str = ""
    timeout_s: Seconds = 600.0
    network: bool | tuple[Host, ...] = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it may reach, as the sandbox port wants them."""
        return self.network if isinstance(self.network, tuple) else ANYWHERE if self.network else ()


class CommandLimitsSettings(Part):
    """What the processes of one command of an agent or of the repository may use together; `files` and `disk_bytes`
    count what lies in the folders it may write, `open_files` bounds each process."""

    memory_bytes: Annotated[int, Field(ge=64 * 1024**2)] = 4 * 1024**3
    processes: Annotated[int, Field(ge=8, le=32_768)] = 512
    cpu_s: Seconds = 3600.0
    disk_bytes: Annotated[int, Field(ge=16 * 1024**2)] = 10 * 1024**3
    files: Annotated[int, Field(ge=1000)] = 500_000
    open_files: Annotated[int, Field(ge=64, le=1_000_000)] = 4096

    def limits(self) -> CommandLimits:
        """The bounds as the sandbox port wants them."""
        return CommandLimits(**self.model_dump())


class ScopeSettings(Part):
    """What a change may touch (`paths`, globs; empty: what the issue allows) and which kinds of work a standing rule may
    start (`types`); the others wait for a person's word. `protected`: globs of files that may change by a person's word
    alone, besides those that always are."""

    paths: tuple[Glob, ...] = ()
    types: tuple[WorkType, ...] = (WorkType.DOCUMENTATION, WorkType.WORKFLOW, WorkType.AUTOMATION)
    protected: tuple[Glob, ...] = ()


class IntakeSettings(Part):
    """What an issue has to say before anything is paid for; an objective and criteria always. What else it does not say
    is named in a comment."""

    required: tuple[IntakePart, ...] = (IntakePart.OBJECTIVE, IntakePart.CRITERIA)


class ModelsSettings(Part):
    """How models are reached. `script` is the file of replies for the provider `scripted`, or a
    URL on this machine that gives them; `prices` is keyed by
    `provider:model` and goes before every other price. With `streaming`, answers come piece by piece, and
    `timeout_s` bounds the silence between two pieces. `fallback` names the model that is asked
    where another one is out of reach."""

    script: str | None = None
    base_url: dict[str, str] = Field(default_factory=dict)
    timeout_s: Seconds = 300.0
    streaming: bool = False
    fallback: dict[ModelName, ModelName] = Field(default_factory=dict)
    prices: dict[ModelName, PriceSettings] = Field(default_factory=dict)


class MergeSettings(Part):
    """How sure the reviewer must be (of 100) for a merge that asks nobody, where `merge_authority` is `auto`; and what holds
    for issues of a priority instead: `ask`, `never`, or another such number. Neither lets more happen than `merge_authority`."""

    confidence: Confidence = 90
    by_priority: dict[PriorityName, Literal["ask", "never"] | Confidence] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MergeRule:
    """Who merges one issue's change: `authority`, and for `auto` the reviewer's least `confidence`."""

    authority: MergeAuthority
    confidence: int

    @property
    def strictness(self) -> tuple[int, int]:
        """Orders rules from the loosest to the strictest."""
        return -AUTHORITIES.index(self.authority), self.confidence


class ServiceSettings(Part):
    """`agentos serve`: how many runs are at work at the same time, and how long it waits between two looks, while there is
    something to do and, doubling step by step, while there is not. `webhook_address`: where GitHub's webhooks are received,
    as `127.0.0.1:8471`; empty: nowhere."""

    runs: Annotated[int, Field(ge=1, le=100)] = 3
    poll_active_s: Seconds = 30.0
    poll_idle_s: Seconds = 300.0
    webhook_address: str = ""


class TrustSettings(Part):
    """Whose decisions count besides those with write permission: by numeric id where the tracker has one, else by name."""

    people: tuple[str, ...] = ()


class Settings(Part):
    """Every setting of AgentOS for one target repository."""

    profile: Profile = "cli"
    asked_for: bool = False
    orchestrator: OrchestratorSettings = OrchestratorSettings()
    tracker: TrackerSettings = TrackerSettings()
    forge: ForgeSettings = ForgeSettings()
    github: GitHubSettings = GitHubSettings()
    github_token: SecretStr | None = None
    github_private_key: SecretStr | None = None
    agent: AgentSettings = AgentSettings()
    sandbox: SandboxKind = "auto"
    sandbox_readable: tuple[Path, ...] = ()
    command_limits: CommandLimitsSettings = CommandLimitsSettings()
    commands: Annotated[dict[CommandName, CommandSettings], BeforeValidator(plain_commands)] = Field(
        default_factory=dict
    )
    checks: ChecksSettings = ChecksSettings()
    deploy: DeploySettings | None = None
    merge_authority: MergeAuthority = "dossier"
    merge: MergeSettings = MergeSettings()
    budget: BudgetSettings = BudgetSettings()
    scope: ScopeSettings = ScopeSettings()
    intake: IntakeSettings = IntakeSettings()
    models: Annotated[ModelsSettings, BeforeValidator(plain_models)] = ModelsSettings()
    trust: TrustSettings = TrustSettings()
    service: ServiceSettings = ServiceSettings()
    database_url: SecretStr | None = None
    home: Path = Field(default_factory=default_home)
    until: Stage | None = None

    @model_validator(mode="after")
    def _somebody_is_asked(self) -> "Settings":
        if not self.gates_on() and self.merge_authority != "auto":
            raise ValueError(
                "every gate is off: leave before_pr or before_merge on, or let the operator set merge_authority: auto"
            )
        return self

    @property
    def by_rule(self) -> bool:
        """Whether a standing rule started the run: nobody asked for this very issue."""
        return self.profile == "service" and not self.asked_for

    def gates_on(self) -> frozenset[Gate]:
        """The gates where this run asks a person.

        What is set counts; what is not follows the profile: `before_pr` for cli, `before_merge` for service. Where
        nothing would be left, the later of the two that was not turned off comes on, unless merging is `auto`.
        """
        given = self.orchestrator.gates.model_dump()
        usual = Gate.BEFORE_PR if self.profile == "cli" else Gate.BEFORE_MERGE
        on = {gate for gate in Gate if (given[gate] if given[gate] is not None else gate is usual)}
        if not on and self.merge_authority != "auto":
            spare = [gate for gate in (Gate.BEFORE_MERGE, Gate.BEFORE_PR) if given[gate] is not False]
            on.update(spare[:1])
        return frozenset(on)

    def command_matrix(self) -> tuple[CheckCommand, ...]:
        """The commands of the target repository, in the order they were given; `setup` is always the first."""
        named = [
            CheckCommand(name, command.run, command.timeout_s, command.hosts)
            for name, command in self.commands.items()
            if command.run.strip()
        ]
        return tuple(sorted(named, key=lambda command: command.name != "setup"))

    def merging(self, priority: str) -> MergeRule:
        """Who merges the change of an issue of this priority: what holds for it, and never more than `merge_authority`."""
        held, said = self.merge_authority, self.merge.by_priority.get(priority.strip().lower(), self.merge.confidence)
        if said == "never":
            return MergeRule("none", 100)
        if said == "ask":
            return MergeRule(min(held, "on_approval", key=AUTHORITIES.index), 100)
        return MergeRule(held, said)

    def visits(self, stage: Stage) -> int:
        """Visits of `stage` in one run before RETRY becomes a block."""
        return 1 + self.limit(stage, "max_merge_syncs") if stage is Stage.FINALIZE else ROWS[stage].retry_limit

    def limit(self, stage: Stage, name: str) -> int:
        """The bound `name` of the loops of `stage`, as `pipeline.TABLE` names it."""
        part = "implementation" if stage is Stage.IMPL else stage.value
        return int(getattr(getattr(self.orchestrator.stages, part), name))
