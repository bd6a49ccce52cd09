"""The endpoints of the fake GitHub about checks and deployments, each by GitHub's published rules."""

import re
from typing import Any

from githubkit_schemas.v2022_11_28 import models as gh

from tests.github.ci import ACTIONS, add_check, check_run, deploy, report
from tests.github.fake import FakeGitHub, Refused, Request
from tests.github.routes import route
from tests.github.samples import filled

_JOB = re.compile(r"/actions/runs/(\d+)/job/")


def _may(fake: FakeGitHub, right: str) -> None:
    if right not in fake.ci.may:
        raise Refused(403, "Resource not accessible by personal access token")


def _run(fake: FakeGitHub, request: Request) -> dict[str, Any]:
    number = int(request.args[0])
    if all(each["id"] != number for runs in fake.ci.runs.values() for each in runs):
        raise Refused(404, "Not Found")
    return check_run(fake, number)


def _known(fake: FakeGitHub, sha: str) -> None:
    if fake.git is not None and not fake.run_git("cat-file", "-t", sha, check=False):
        raise Refused(422, f"No commit found for SHA: {sha}")


def _check_runs(fake: FakeGitHub, request: Request) -> object:
    """The newest of each name in a suite, as `filter=latest` has it."""
    _may(fake, "checks")
    _known(fake, request.args[0])
    if request.args[0] not in fake.ci.runs:
        fake.ci.starts(fake, request.args[0])
    latest = {(each["name"], each["app"]["id"]): each for each in fake.ci.runs.get(request.args[0], [])}
    return {"total_count": len(latest), "check_runs": list(latest.values())}


def _check_run(fake: FakeGitHub, request: Request) -> object:
    return _run(fake, request)


def _annotations(fake: FakeGitHub, request: Request) -> object:
    return fake.ci.annotations.get(int(request.args[0]), [])


def _statuses(fake: FakeGitHub, request: Request) -> object:
    _known(fake, request.args[0])
    return fake.ci.statuses.get(request.args[0], [])


def _suites(fake: FakeGitHub, request: Request) -> object:
    found = fake.ci.suites.get(request.args[0], [])
    return {"total_count": len(found), "check_suites": found}


def _rules(fake: FakeGitHub, request: Request) -> object:
    if not fake.ci.by_rule:
        return []
    checks = [{"context": name, **({"integration_id": app} if app else {})} for name, app in fake.ci.by_rule]
    parameters = {"required_status_checks": checks, "strict_required_status_checks_policy": False}
    return [{"type": "deletion"}, {"type": "required_status_checks", "parameters": parameters}]


def _protection(fake: FakeGitHub, request: Request) -> object:
    _may(fake, "protection")
    if not fake.ci.by_protection:
        raise Refused(404, "Branch not protected")
    checks = [{"context": name, "app_id": app} for name, app in fake.ci.by_protection]
    return filled(
        gh.StatusCheckPolicy, strict=False, contexts=[name for name, _ in fake.ci.by_protection], checks=checks
    )


def _rerun_failed(fake: FakeGitHub, request: Request) -> object:
    """A new attempt: each red job gets a new check run, which ends as `rerun_ends` has it."""
    _may(fake, "rerun")
    number = int(request.args[0])
    url = re.compile(rf"/actions/runs/{number}/job/")
    red = [
        (sha, each)
        for sha, runs in fake.ci.runs.items()
        for each in runs
        if url.search(each["details_url"]) and each["conclusion"] not in ("success", "skipped", "neutral")
    ]
    if not red:
        raise Refused(404, "Not Found")
    fake.ci.attempts[number] = fake.ci.attempts.get(number, 1) + 1
    for sha, each in red:
        again = add_check(fake, sha, each["name"], fake.ci.rerun_ends.get(number, "failure"), run=number)
        if each["id"] in fake.ci.logs:
            fake.ci.logs[again] = fake.ci.logs[each["id"]]
    return {}


def _rerequest(fake: FakeGitHub, request: Request) -> object:
    _may(fake, "rerun")
    _run(fake, request)
    return {}


def _job_log(fake: FakeGitHub, request: Request) -> object:
    number = int(request.args[0])
    if number not in fake.ci.logs:
        raise Refused(410, "The logs have expired")
    raise Refused(302, f"{fake.url}/elsewhere/{number}")


def _workflow_runs(fake: FakeGitHub, request: Request) -> object:
    """A run for each number that jobs of the commit name, and one for each suite of GitHub's own CI without a job."""
    _may(fake, "actions")
    sha = request.query["head_sha"]
    if sha not in fake.ci.runs:
        fake.ci.starts(fake, sha)
    found = [filled(gh.WorkflowRun, id=number, name=f"run {number}", head_sha=sha) for number in _numbers(fake, sha)]
    found += [
        filled(gh.WorkflowRun, id=each["id"], name="held", **{key: each[key] for key in ("status", "conclusion")})
        for each in fake.ci.suites.get(sha, [])
        if each["app"]["slug"] == ACTIONS[1] and not each["latest_check_runs_count"]
    ]
    return {"total_count": len(found), "workflow_runs": found}


def _numbers(fake: FakeGitHub, sha: str) -> list[int]:
    urls = (_JOB.search(each["details_url"]) for each in fake.ci.runs.get(sha, []))
    return sorted({int(url[1]) for url in urls if url})


def _jobs(fake: FakeGitHub, request: Request) -> object:
    """The newest job of each name, as `filter=latest` has it."""
    latest = {
        each["name"]: filled(
            gh.Job,
            run_id=int(request.args[0]),
            check_run_url="x",
            **{key: each[key] for key in ("id", "name", "status", "conclusion", "head_sha", "html_url")},
        )
        for runs in fake.ci.runs.values()
        for each in runs
        if (url := _JOB.search(each["details_url"])) and url[1] == request.args[0]
    }
    return {"total_count": len(latest), "jobs": list(latest.values())}


def _deployments(fake: FakeGitHub, request: Request) -> object:
    found = [each for _, each in sorted(fake.ci.deployments.items(), reverse=True)]
    wanted = {key: value for key, value in request.query.items() if key in ("sha", "environment")}
    return [each for each in found if all(each[key] == value for key, value in wanted.items())]


def _new_deployment(fake: FakeGitHub, request: Request) -> object:
    body = request.body
    if fake.git is not None and not fake.run_git("cat-file", "-t", body["ref"], check=False):
        raise Refused(422, "No ref found for: " + body["ref"])
    return fake.ci.deployments[deploy(fake, body["ref"], body["environment"], payload=body.get("payload", {}))]


def _deployment_statuses(fake: FakeGitHub, request: Request) -> object:
    if int(request.args[0]) not in fake.ci.deployments:
        raise Refused(404, "Not Found")
    return list(reversed(fake.ci.deployment_statuses.get(int(request.args[0]), [])))


def _new_deployment_status(fake: FakeGitHub, request: Request) -> object:
    _deployment_statuses(fake, request)
    return report(fake, int(request.args[0]), request.body["state"], **{
        key: request.body[key] for key in ("environment_url", "log_url", "description") if key in request.body
    })  # fmt: skip


CI_ROUTES = (
    route(
        "check runs", "GET /commits/{name}/check-runs", _check_runs, gh.ReposOwnerRepoCommitsRefCheckRunsGetResponse200
    ),
    route("check run", "GET /check-runs/{n}", _check_run, gh.CheckRun),
    route("annotations", "GET /check-runs/{n}/annotations", _annotations, list[gh.CheckAnnotation]),
    route("rerequest", "POST /check-runs/{n}/rerequest", _rerequest, gh.EmptyObject, status=201),
    route("statuses", "GET /commits/{name}/statuses", _statuses, list[gh.Status]),
    route("suites", "GET /commits/{name}/check-suites", _suites, gh.ReposOwnerRepoCommitsRefCheckSuitesGetResponse200),
    route(
        "rules",
        "GET /rules/branches/{name}",
        _rules,
        list[gh.RepositoryRuleDetailedOneof2 | gh.RepositoryRuleDetailedOneof8],
    ),
    route("protection", "GET /branches/{name}/protection/required_status_checks", _protection, gh.StatusCheckPolicy),
    route("rerun failed", "POST /actions/runs/{n}/rerun-failed-jobs", _rerun_failed, gh.EmptyObject, status=201),
    route("workflow runs", "GET /actions/runs", _workflow_runs, gh.ReposOwnerRepoActionsRunsGetResponse200),
    route("jobs", "GET /actions/runs/{n}/jobs", _jobs, gh.ReposOwnerRepoActionsRunsRunIdJobsGetResponse200),
    route("job log", "GET /actions/jobs/{n}/logs", _job_log, None, status=302),
    route("deployments", "GET /deployments", _deployments, list[gh.Deployment]),
    route("new deployment", "POST /deployments", _new_deployment, gh.Deployment, status=201),
    route("deployment statuses", "GET /deployments/{n}/statuses", _deployment_statuses, list[gh.DeploymentStatus]),
    route(
        "new deployment status",
        "POST /deployments/{n}/statuses",
        _new_deployment_status,
        gh.DeploymentStatus,
        status=201,
    ),
)
