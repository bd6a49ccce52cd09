"""The CI and the deployments of the fake GitHub: what runs for a commit, and what a branch requires."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from githubkit_schemas.v2022_11_28 import models as gh

from tests.github.samples import AT, filled

if TYPE_CHECKING:
    from tests.github.fake import FakeGitHub

ACTIONS, OTHER_APP = (15368, "github-actions"), (77, "other-ci")
App = tuple[int, str]


@dataclass
class Ci:
    """By commit: check runs, statuses, suites. `rerun_ends`: how a run of GitHub's own CI ends the second time, by its
    number. `may`: what the token may read or do (checks, actions, protection, rerun)."""

    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    suites: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    annotations: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    logs: dict[int, str] = field(default_factory=dict)
    by_rule: list[tuple[str, int | None]] = field(default_factory=list)
    by_protection: list[tuple[str, int | None]] = field(default_factory=list)
    rerun_ends: dict[int, str] = field(default_factory=dict)
    attempts: dict[int, int] = field(default_factory=dict)
    may: set[str] = field(default_factory=lambda: {"checks", "actions", "protection", "rerun"})
    starts: "Callable[[FakeGitHub, str], None]" = lambda *_: None
    """What happens when somebody looks at the checks of a commit for the first time: what its push would have begun."""
    elsewhere: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request for a log, at the other host."""
    deployments: dict[int, dict[str, Any]] = field(default_factory=dict)
    deployment_statuses: dict[int, list[dict[str, Any]]] = field(default_factory=dict)


def add_check(
    fake: "FakeGitHub",
    sha: str,
    name: str,
    conclusion: str | None = "success",
    *,
    status: str = "completed",
    run: int = 1,
    app: App = ACTIONS,
    output: str = "",
) -> int:
    """The id of a new check run; of GitHub's own CI it is the job of workflow run `run`."""
    number = fake.next_id()
    page = f"{fake.page}/actions/runs/{run}/job/{number}" if app == ACTIONS else f"https://ci.example/{number}"
    told = {**filled(gh.CheckRun)["output"], "summary": output or None, "title": None, "text": None}
    fake.ci.runs.setdefault(sha, []).append(
        filled(
            gh.CheckRun,
            id=number,
            head_sha=sha,
            name=name,
            status=status,
            conclusion=conclusion if status == "completed" else None,
            html_url=page,
            details_url=page,
            output=told,
            app=filled(gh.Integration, id=app[0], slug=app[1]),
        )
    )
    return number


def check_run(fake: "FakeGitHub", number: int) -> dict[str, Any]:
    """The check run of that id."""
    return next(each for runs in fake.ci.runs.values() for each in runs if each["id"] == number)


def first_red(fake: "FakeGitHub", sha: str) -> None:
    """Effect: GitHub's own CI is through with the commit: red for the first that was pushed, green for every other."""
    base = fake.ref("main")
    red = sha != base and not set(fake.ci.runs) - {base}
    number = add_check(fake, sha, "build", "failure" if red else "success")
    fake.ci.logs[number] = "E   the greeting is not loud enough\n##[error]Process completed with exit code 1.\n"


def annotate(fake: "FakeGitHub", number: int, path: str, line: int, message: str) -> None:
    """Effect: the check run says that of a line."""
    check_run(fake, number)["output"]["annotations_count"] += 1
    made = filled(gh.CheckAnnotation, path=path, start_line=line, message=message, title="", annotation_level="failure")
    fake.ci.annotations.setdefault(number, []).append(made)


def add_status(fake: "FakeGitHub", sha: str, context: str, state: str, description: str = "") -> None:
    """Effect: the commit has that status besides its older ones."""
    made = filled(
        gh.Status,
        id=fake.next_id(),
        context=context,
        state=state,
        description=description,
        target_url="https://ci.example/s",
    )
    fake.ci.statuses.setdefault(sha, []).insert(0, made)


def add_suite(
    fake: "FakeGitHub", sha: str, *, status: str, conclusion: str | None, app: App = ACTIONS, runs: int = 0
) -> None:
    """Effect: the commit has a suite; with `runs` 0 one without a check run."""
    made = filled(
        gh.CheckSuite,
        id=fake.next_id(),
        head_sha=sha,
        status=status,
        conclusion=conclusion,
        latest_check_runs_count=runs,
        app=filled(gh.Integration, id=app[0], slug=app[1]),
    )
    fake.ci.suites.setdefault(sha, []).append(made)


def deploy(fake: "FakeGitHub", sha: str, environment: str, *, payload: object = None) -> int:
    """The id of a new deployment of the commit, as a workflow makes one."""
    number = fake.next_id()
    fake.ci.deployments[number] = filled(
        gh.Deployment, id=number, sha=sha, ref=sha, environment=environment, payload=payload or {}
    )
    return number


def report(fake: "FakeGitHub", number: int, state: str, **told: str) -> dict[str, Any]:
    """The newest status of a deployment, just made."""
    made = filled(gh.DeploymentStatus, id=fake.next_id(), state=state, created_at=AT, **told)
    fake.ci.deployment_statuses.setdefault(number, []).append(made)
    return made
