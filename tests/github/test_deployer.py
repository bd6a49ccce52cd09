"""The deployer on GitHub: the repository's own deployments are waited for, ours are made once and shown as they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agentos.adapters.deployer.command import CommandDeployer
from agentos.adapters.deployer.github import ENVIRONMENT, GitHubDeployer
from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.adapters.github.client import GitHubClient
from agentos.config.delivery import DeploySettings
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.ports.deployer import Deployer, DeployRequest
from tests.github.ci import deploy, report
from tests.github.fake import FakeGitHub
from tests.github.server import Fault, Server, serving
from tests.github.test_network_matrix import KINDS, Kind, ending
from tests.models.clock import NotingClock

ONE, TWO = "1" * 40, "2" * 40
PAGE = "https://pr-1.preview.example"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@dataclass
class Yard:
    """A deployer on a GitHub; `wanted` asks for a commit."""

    hub: FakeGitHub
    clock: NotingClock
    deployer: GitHubDeployer
    folder: Path

    def wanted(self, sha: str = ONE, name: str = "demo_1") -> DeployRequest:
        tree = self.folder / "trees" / name / sha
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "name.txt").write_text(sha)
        return DeployRequest(sha, tree, name)

    def states(self) -> dict[str, list[str]]:
        """How each deployment stood, over time, by the first characters of its commit."""
        return {
            each["sha"][:1]: [status["state"] for status in self.hub.ci.deployment_statuses.get(number, [])]
            for number, each in self.hub.ci.deployments.items()
        }


def yard(server: Server, folder: Path, command: Deployer | None = None, **settings: Any) -> Yard:
    clock, wanted = NotingClock(), DeploySettings(kind="github", **settings)
    command = CommandDeployer(folder / "deployments", wanted) if wanted.run else command
    return Yard(server.github, clock, GitHubDeployer(GitHubClient(server.place(), clock), wanted, command), folder)


# What the repository's own workflows deploy


async def test_a_deployment_of_the_commit_that_stands_is_found_with_its_address(server: Server, tmp_path: Path) -> None:
    at = yard(server, tmp_path)
    report(at.hub, deploy(at.hub, TWO, "preview"), "success", environment_url="https://other.example")
    assert await at.deployer.find(at.wanted()) is None
    report(at.hub, deploy(at.hub, ONE, "preview"), "success", environment_url=PAGE)
    found = await at.deployer.find(at.wanted())
    assert found is not None
    assert (found.sha, found.url, found.kind) == (ONE, PAGE, "github")
    assert await at.deployer.deploy(at.wanted()) == found
    await at.deployer.teardown("demo_1")
    assert at.states() == {"2": ["success"], "1": ["success"]}, "what is theirs is theirs to wind up"


async def test_only_the_environment_that_was_named_counts(server: Server, tmp_path: Path) -> None:
    at = yard(server, tmp_path, environment="preview", timeout_s=1)
    report(at.hub, deploy(at.hub, ONE, "production"), "success", environment_url="https://production.example")
    assert await at.deployer.find(at.wanted()) is None
    report(at.hub, deploy(at.hub, ONE, "preview"), "success", environment_url=PAGE)
    found = await at.deployer.find(at.wanted())
    assert found is not None
    assert found.url == PAGE


async def test_the_newest_status_of_the_newest_deployment_counts(server: Server, tmp_path: Path) -> None:
    at = yard(server, tmp_path, timeout_s=1)
    number = deploy(at.hub, ONE, "preview")
    for state in ("in_progress", "success", "inactive"):
        report(at.hub, number, state, environment_url=PAGE)
    assert await at.deployer.find(at.wanted()) is None
    report(at.hub, deploy(at.hub, ONE, "preview"), "failure", description="no room", log_url="https://ci.example/9")
    with pytest.raises(OutsideError, match=r"failed: no room; see https://ci\.example/9"):
        await at.deployer.deploy(at.wanted())


async def test_a_workflow_that_takes_its_time_is_waited_for_within_the_bound(server: Server, tmp_path: Path) -> None:
    at = yard(server, tmp_path, timeout_s=60)
    number = deploy(at.hub, ONE, "preview")
    report(at.hub, number, "in_progress")
    with pytest.raises(OutsideError, match=r"no workflow deployed 111111111111 within 60 s.*deploy\.timeout_s"):
        await at.deployer.deploy(at.wanted())
    assert (at.clock.waits[:3], 60 <= sum(at.clock.waits) <= 90) == ([5, 10, 20], True)


async def test_a_success_without_an_address_is_nothing_to_look_at(server: Server, tmp_path: Path) -> None:
    at = yard(server, tmp_path)
    report(at.hub, deploy(at.hub, ONE, "preview"), "success")
    with pytest.raises(OutsideError, match="names no address"):
        await at.deployer.deploy(at.wanted())


# What we deploy and show there

STATIC: dict[str, Any] = {"run": "true", "timeout_s": 20}


@pytest.mark.slow
async def test_ours_is_made_once_shown_as_it_is_and_inactive_at_the_end(server: Server, tmp_path: Path) -> None:
    at = yard(server, tmp_path, **STATIC)
    for _ in range(2):
        await at.deployer.deploy(at.wanted())
    assert at.states() == {"1": ["in_progress", "success", "in_progress", "success"]}
    [made] = at.hub.ci.deployments.values()
    assert (made["environment"], made["payload"], made["sha"]) == (ENVIRONMENT, {"agentos": "demo_1"}, ONE)
    await at.deployer.deploy(at.wanted(name="demo_2"))
    await at.deployer.deploy(at.wanted(TWO))
    for _ in range(2):
        await at.deployer.teardown("demo_1")
    last = [statuses[-1]["state"] for statuses in at.hub.ci.deployment_statuses.values()]
    assert last == ["inactive", "success", "inactive"], "another issue's stays"


@pytest.mark.slow
async def test_a_deployment_that_fails_is_shown_as_failed(server: Server, tmp_path: Path) -> None:
    at = yard(server, tmp_path, run="echo no room; exit 3", health="false", timeout_s=20)
    with pytest.raises(OutsideError, match="exit code 3"):
        await at.deployer.deploy(at.wanted())
    assert at.states() == {"1": ["in_progress", "failure"]}
    assert "exit code 3" in next(iter(at.hub.ci.deployment_statuses.values()))[-1]["description"]
    assert await at.deployer.find(at.wanted()) is None


async def test_what_somebody_else_deployed_is_not_taken_for_ours(server: Server, tmp_path: Path) -> None:
    at = yard(server, tmp_path, **STATIC)
    for payload in ({}, {"agentos": "demo_9"}, "not JSON", '{"agentos": "demo_1"}', "[]"):
        report(at.hub, deploy(at.hub, ONE, ENVIRONMENT, payload=payload), "success")
    ours = await at.deployer._ours("demo_1", sha=ONE)
    assert [each.payload for each in ours] == ['{"agentos": "demo_1"}']


# Faults

ENDPOINTS = ("deployments", "new deployment", "deployment statuses", "new deployment status")


@pytest.mark.slow
@pytest.mark.figure("GitHub network cells")
@pytest.mark.parametrize("route", ENDPOINTS)
@pytest.mark.parametrize("name", KINDS)
async def test_a_fault_at_a_deployment_is_told_or_overcome_and_doubles_nothing(
    name: str, route: str, server: Server, tmp_path: Path
) -> None:
    how, at = KINDS[name], yard(server, tmp_path, command=MemoryDeployer())
    fault = Fault(name, route, how.status, dict(how.headers), how.body, after=how.after, part=how.part)
    server.faults.append(fault)
    ended = await ending(at.deployer.deploy(at.wanted()))
    assert (fault.fired, ended) == (1, expected(route, how))
    assert await ending(at.deployer.deploy(at.wanted())) is None
    assert len(at.hub.ci.deployments) == 1
    assert next(iter(at.states().values()))[-1] == "success"
    await at.deployer.teardown("demo_1")


def expected(route: str, how: Kind) -> FailureKind | None:
    return FailureKind.TRANSIENT if how.unsure and route == "new deployment" else how.ends
