"""The checks of a commit at GitHub, from three lists of its API to one of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentos.adapters.github.checks import GitHubChecks
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.elsewhere import text_at
from agentos.domain.ci import CiReport, CiState
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from tests.github.ci import ACTIONS, OTHER_APP, Ci, add_check, add_status, add_suite, annotate
from tests.github.fake import TOKEN
from tests.github.server import Server, serving
from tests.models.clock import NotingClock
from tests.workspace.scene import make_target

SHA = "a" * 40


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def ci(server: Server) -> Ci:
    return server.github.ci


@pytest.fixture
def checks(server: Server) -> GitHubChecks:
    return GitHubChecks(GitHubClient(server.place(), NotingClock()))


async def seen(checks: GitHubChecks, *, has_workflows: bool = False) -> CiReport:
    return await checks.report(SHA, "main", has_workflows=has_workflows)


def states(report: CiReport) -> dict[str, CiState]:
    return {each.name: each.state for each in report.checks}


async def test_check_runs_statuses_and_suites_are_one_list(server: Server, checks: GitHubChecks) -> None:
    hub = server.github
    add_check(hub, SHA, "build")
    add_check(hub, SHA, "types", "failure", app=OTHER_APP)
    add_status(hub, SHA, "ci/old", "pending")
    add_status(hub, SHA, "ci/old", "success", "it went well")
    add_suite(hub, SHA, status="completed", conclusion="action_required")
    add_suite(hub, SHA, status="queued", conclusion=None, app=OTHER_APP)
    report = await seen(checks)
    assert states(report) == {
        "build": CiState.PASSED,
        "types": CiState.FAILED,
        "ci/old": CiState.PASSED,
        "a workflow without a job yet": CiState.HELD,
    }
    assert all(each.url for each in report.checks if not each.id.startswith("suite"))
    assert (report.knows_required, report.missing, report.is_expected) == (False, (), False)
    assert {each.name: each.rerun.partition(":")[0] for each in report.checks}["build"] == "run"
    assert {each.name: each.rerun.partition(":")[0] for each in report.checks}["types"] == "check"


@pytest.mark.parametrize(
    ("status", "conclusion", "state"),
    [
        ("queued", None, CiState.QUEUED),
        ("requested", None, CiState.QUEUED),
        ("pending", None, CiState.QUEUED),
        ("waiting", None, CiState.HELD),
        ("in_progress", None, CiState.RUNNING),
        ("completed", "success", CiState.PASSED),
        ("completed", "neutral", CiState.PASSED),
        ("completed", "skipped", CiState.PASSED),
        ("completed", "failure", CiState.FAILED),
        ("completed", "cancelled", CiState.BROKEN),
        ("completed", "timed_out", CiState.BROKEN),
        ("completed", "action_required", CiState.HELD),
    ],
)
async def test_each_word_of_githubs_is_understood(
    server: Server, checks: GitHubChecks, status: str, conclusion: str | None, state: CiState
) -> None:
    add_check(server.github, SHA, "build", conclusion, status=status)
    assert states(await seen(checks)) == {"build": state}


async def test_all_pages_are_read(server: Server, checks: GitHubChecks) -> None:
    for number in range(205):
        add_check(server.github, SHA, f"job {number}", "failure" if number == 204 else "success")
        add_status(server.github, SHA, f"status {number}", "success")
    report = await seen(checks)
    assert len(report.checks) == 410
    assert states(report)["job 204"] is CiState.FAILED


@pytest.mark.parametrize("where", ["by_rule", "by_protection"])
async def test_what_a_branch_requires_counts_alone_and_is_missed(
    server: Server, ci: Ci, checks: GitHubChecks, where: str
) -> None:
    getattr(ci, where).extend([("build", ACTIONS[0]), ("lint", None), ("types", OTHER_APP[0])])
    add_check(server.github, SHA, "build")
    add_check(server.github, SHA, "docs", "failure")
    add_check(server.github, SHA, "types", app=ACTIONS)  # of another app than the rule wants
    report = await seen(checks)
    assert [each.name for each in report.awaited] == ["build"]
    assert (report.missing, report.knows_required) == (("lint", "types"), True)
    add_status(server.github, SHA, "lint", "success")
    assert (await seen(checks)).missing == ("types",)


async def test_protection_that_the_token_may_not_see_is_left_to_the_rules(
    server: Server, ci: Ci, checks: GitHubChecks
) -> None:
    ci.by_protection.append(("build", None))
    ci.may.discard("protection")
    assert not (await seen(checks)).knows_required
    ci.by_rule.append(("lint", None))
    assert (await seen(checks)).missing == ("lint",)


async def test_a_token_that_may_read_no_checks_sees_the_jobs_of_actions_and_says_what_it_misses(
    server: Server, ci: Ci, checks: GitHubChecks
) -> None:
    ci.may.discard("checks")
    old = add_check(server.github, SHA, "build", "failure", run=5)
    new = add_check(server.github, SHA, "build", "success", run=5)
    red = add_check(server.github, SHA, "docs", "failure", run=6)
    add_check(server.github, SHA, "types", "failure", app=OTHER_APP)
    add_status(server.github, SHA, "ci/old", "success")
    add_suite(server.github, SHA, status="completed", conclusion="action_required")
    ci.by_rule.extend([("build", ACTIONS[0]), ("types", OTHER_APP[0])])
    report = await seen(checks)
    assert states(report) == {
        "build": CiState.PASSED,
        "docs": CiState.FAILED,
        "ci/old": CiState.PASSED,
        "held": CiState.HELD,
    }
    assert {each.id for each in report.checks} >= {f"job:{new}", f"job:{red}"} - {f"job:{old}"}
    assert {each.name: each.rerun for each in report.checks}["docs"] == "run:6"
    assert ([each.name for each in report.awaited], report.missing) == (["build", "held"], ("types",))
    assert "no checks but those of GitHub Actions" in report.unseen


async def test_checks_that_the_token_may_not_see_at_all_are_no_pass(ci: Ci, checks: GitHubChecks) -> None:
    ci.may -= {"checks", "actions"}
    with pytest.raises(OutsideError, match=r"Checks: read.*checks\.wait: false") as caught:
        await seen(checks)
    assert caught.value.kind is FailureKind.DENIED


async def test_a_commit_that_github_does_not_show_yet_is_asked_for_later(
    checks: GitHubChecks, tmp_path: object
) -> None:

    target = make_target(Path(str(tmp_path)) / "target")
    with serving(target.path / ".git") as server:
        late = GitHubChecks(GitHubClient(server.place(), NotingClock()))
        with pytest.raises(OutsideError, match="does not show the commit") as caught:
            await seen(late)
    assert caught.value.kind is FailureKind.TRANSIENT


async def test_a_red_job_is_run_again_and_shows_its_new_end(server: Server, ci: Ci, checks: GitHubChecks) -> None:
    add_check(server.github, SHA, "build", "failure", run=5)
    ci.rerun_ends[5] = "success"
    [red] = (await seen(checks)).checks
    assert await checks.rerun(red.rerun)
    [green] = (await seen(checks)).checks
    assert (green.state, ci.attempts) == (CiState.PASSED, {5: 2})
    assert green.id != red.id


async def test_what_may_not_be_run_again_is_no_error(server: Server, ci: Ci, checks: GitHubChecks) -> None:
    add_check(server.github, SHA, "build", "failure", run=5)
    ci.may.discard("rerun")
    assert not await checks.rerun("run:5")
    assert not await checks.rerun("run:99")


async def test_a_log_is_fetched_where_github_sends_us_without_the_token(
    server: Server, ci: Ci, checks: GitHubChecks
) -> None:
    number = add_check(server.github, SHA, "build", "failure")
    ci.logs[number] = "x" * 600_000 + "\nE   assert 3 == 4\n"
    [red] = (await seen(checks)).checks
    log = await checks.log(red)
    assert log.endswith("E   assert 3 == 4\n")
    assert len(log) <= 500_000
    [headers] = ci.elsewhere
    assert "authorization" not in headers
    assert TOKEN not in str(headers)


async def test_without_a_log_a_check_is_known_by_what_it_says_of_itself(server: Server, checks: GitHubChecks) -> None:
    number = add_check(server.github, SHA, "types", "failure", app=OTHER_APP, output="2 errors")
    annotate(server.github, number, "app.py", 7, "not defined: x")
    expired = add_check(server.github, SHA, "build", "failure", output="the build broke")
    add_status(server.github, SHA, "ci/old", "failure", "14 tests failed")
    said = {each.name: await checks.log(each) for each in (await seen(checks)).checks}
    assert said["types"].splitlines() == ["2 errors", "app.py:7:  not defined: x"]
    assert (said["build"], said["ci/old"]) == ("the build broke", "failure: 14 tests failed")
    assert expired


@pytest.mark.parametrize("address", ["http://ci.example/1", "file:///etc/passwd", "ftp://ci.example/1", "nonsense", ""])
async def test_a_log_is_fetched_by_https_only(address: str) -> None:
    assert await text_at(address, like="https://api.github.com") == ""
