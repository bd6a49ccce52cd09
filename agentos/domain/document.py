"""The documents that stages hand to each other, as records (DESIGN §8)."""

from dataclasses import dataclass, field
from enum import StrEnum

from agentos.domain.pipeline import Route


class Risk(StrEnum):
    """How much could go wrong with a change."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class WorkType(StrEnum):
    """The kind of work an issue asks for: what `scope.types` lets a standing rule start."""

    DOCUMENTATION = "documentation"
    WORKFLOW = "workflow"
    AUTOMATION = "automation"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One acceptance criterion; `id` is `AC-1`, `AC-2`, … in the order of the issue."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class IssueBrief:
    """What is wanted, in the form every later stage reads. `source` is the issue text verbatim, as data."""

    issue_number: int
    issue_digest: str
    title: str
    objective: str
    criteria: tuple[Criterion, ...]
    constraints: tuple[str, ...]
    failure_mode: str
    allowed_scope: tuple[str, ...]
    out_of_scope: tuple[str, ...]
    dependencies: tuple[str, ...]
    open_questions: tuple[str, ...]
    complexity: int
    risk: Risk
    route: Route
    route_reason: str
    source: str
    answers: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    work: WorkType = WorkType.CODE


class FileAction(StrEnum):
    """What happens to a file."""

    ADD = "Add"
    MODIFY = "Modify"
    DELETE = "Delete"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file of the change. `path` is relative to the repository, with forward slashes."""

    path: str
    action: FileAction
    why: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of the design, traced to the criteria it serves."""

    id: str
    text: str
    criteria: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One verification scenario, traced to a requirement."""

    id: str
    given: str
    expected: str
    requirement: str


@dataclass(frozen=True, slots=True)
class Lld:
    """The low-level design of a change."""

    context: str
    files: tuple[FileChange, ...]
    data_structures: str
    signatures: tuple[str, ...]
    logic: str
    decisions: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    security: str
    performance: str
    scenarios: tuple[Scenario, ...]
    risks: tuple[str, ...]
    definition_of_done: tuple[str, ...]
    open_questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Lines of a file as they are at the base commit; verified verbatim before a reviewer reads them."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function to write or change: what it takes, what it gives and does, how it fails; "none" where it does not."""

    path: str
    signature: str
    inputs: str = ""
    outputs: str = ""
    errors: str = ""


@dataclass(frozen=True, slots=True)
class TestMapping:
    """Which test proves which scenario. `test` is `path::name`, as pytest prints it."""

    __test__ = False
    scenario: str
    test: str


@dataclass(frozen=True, slots=True)
class Spec:
    """The implementation spec: what to write, file by file, and the test that proves each scenario."""

    overview: str
    files: tuple[FileChange, ...]
    excerpts: tuple[Excerpt, ...]
    functions: tuple[FunctionSpec, ...]
    instructions: tuple[str, ...]
    tests: tuple[TestMapping, ...]
    checklist: tuple[str, ...]


class ReviewVerdict(StrEnum):
    """What a reviewer model says of a draft."""

    APPROVE = "approve"
    REVISE = "revise"
    BLOCK = "block"


class Severity(StrEnum):
    """How much a finding matters."""

    BLOCKER = "blocker"
    MAJOR = "major"
    MINOR = "minor"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a reviewer or a mechanical check found. `where` names the file and line, section or id."""

    severity: Severity
    where: str
    problem: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A finding that code let nobody act on, and what it lacks."""

    finding: Finding
    reason: str


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a reviewer expects before it sees anybody's solution: the cause, its own way, the cases that are easily missed.

    `sources`: the digests it answers to; for others it says nothing.
    """

    cause: str
    approach: str
    cases: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Review:
    """A reviewer's judgement of one draft or diff, bound to its digest. `dropped` plays no part in the verdict."""

    verdict: ReviewVerdict
    findings: tuple[Finding, ...]
    subject: str
    model: str
    summary: str = ""
    confidence: int = field(default=0)
    dropped: tuple[Dropped, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What proves one criterion: test ids (`path::name`) or the name of a check of the command matrix."""

    criterion: str
    proofs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where a commit can be tried. Valid only for `sha`. `url` or `artifact` (a path relative to the data folder)."""

    sha: str
    kind: str
    url: str
    artifact: str
    instructions: str
    evidence: str
    verified_at: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A new issue worth filing after the merge."""

    title: str
    body: str
