"""The network matrix at the endpoints about checks: a fault is told or overcome, and is never taken for a pass."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from agentos.adapters.github.checks import GitHubChecks
from agentos.adapters.github.client import GitHubClient
from agentos.domain.ci import CiCheck, CiReport, CiState
from agentos.domain.failure import FailureKind
from tests.github.ci import OTHER_APP, add_check, add_status, add_suite, annotate
from tests.github.server import Fault, Server, serving
from tests.github.test_network_matrix import KINDS, Kind, ending
from tests.models.clock import NotingClock

pytestmark = pytest.mark.slow
SHA = "a" * 40


@dataclass
class Look:
    """Our side of a GitHub on which everything about checks has something to say; `report` is what was read of it."""

    server: Server
    checks: GitHubChecks
    report: CiReport | None = None

    async def read(self) -> None:
        self.report = await self.checks.report(SHA, "main", has_workflows=True)

    async def read_jobs(self) -> None:
        self.server.github.ci.may.discard("checks")
        await self.read()

    async def run_again(self) -> None:
        await self.checks.rerun("run:1")

    async def log(self) -> None:
        await self.checks.log(CiCheck("build", CiState.FAILED, f"job:{self.of('build')}"))

    async def told(self) -> None:
        await self.checks.log(CiCheck("types", CiState.FAILED, f"check:{self.of('types')}"))

    def of(self, name: str) -> int:
        return next(int(each["id"]) for each in self.server.github.ci.runs[SHA] if each["name"] == name)


def prepared(server: Server) -> Look:
    hub = server.github
    number = add_check(hub, SHA, "build", "failure")
    hub.ci.logs[number] = "it broke"
    annotate(hub, add_check(hub, SHA, "types", "failure", app=OTHER_APP, output="2 errors"), "app.py", 1, "no")
    add_status(hub, SHA, "ci/old", "failure")
    add_suite(hub, SHA, status="queued", conclusion=None)
    hub.ci.by_rule.append(("build", None))
    hub.ci.by_protection.append(("types", None))
    return Look(server, GitHubChecks(GitHubClient(server.place(), NotingClock())))


REFUSED = frozenset({FailureKind.GONE, FailureKind.DENIED, FailureKind.INVALID})
ABSENT = frozenset({FailureKind.GONE})
DENIED = frozenset({FailureKind.DENIED})
ENDPOINTS: dict[str, tuple[Callable[[Look], Awaitable[None]], frozenset[FailureKind]]] = {
    "check runs": (Look.read, DENIED),
    "workflow runs": (Look.read_jobs, frozenset()),
    "jobs": (Look.read_jobs, frozenset()),
    "statuses": (Look.read, ABSENT),
    "suites": (Look.read, ABSENT),
    "rules": (Look.read, REFUSED),
    "protection": (Look.read, REFUSED),
    "rerun failed": (Look.run_again, REFUSED),
    "job log": (Look.log, REFUSED),
    "check run": (Look.told, REFUSED),
    "annotations": (Look.told, REFUSED),
}
"""One endpoint, a call that meets it, and what the port takes for an answer."""
ONCE = "rerun failed"


@pytest.mark.figure("GitHub network cells")
@pytest.mark.parametrize("route", ENDPOINTS)
@pytest.mark.parametrize("name", KINDS)
async def test_a_fault_at_a_check_is_told_or_overcome_and_is_no_pass(name: str, route: str) -> None:
    how, (call, forgives) = KINDS[name], ENDPOINTS[route]
    with serving() as server:
        look = prepared(server)
        fault = Fault(name, route, how.status, dict(how.headers), how.body, after=how.after, part=how.part)
        server.faults.append(fault)
        ended = await ending(call(look))
        assert fault.fired == 1
        assert ended in expected(route, how, forgives)
        if look.report is not None:
            assert {each.name: each.state for each in look.report.checks}["build"] is CiState.FAILED
            assert look.report.knows_required
        assert server.github.ci.attempts.get(1, 1) <= 2, "one call runs it again once"
        server.faults.clear()
        assert await ending(call(look)) is None


def expected(route: str, how: Kind, forgives: frozenset[FailureKind]) -> set[FailureKind | None]:
    if route == ONCE and how.unsure:
        return {FailureKind.TRANSIENT}
    if route == "job log" and how.status == 200:
        return {None, FailureKind.TRANSIENT}
    return {None} if how.ends in forgives else {how.ends}
