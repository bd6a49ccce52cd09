"""The entry for programs: `agentos.orchestrate`."""

import pytest

import agentos
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Gate
from agentos.runs.result import ExitCode
from tests.e2e.conftest import Desk

pytestmark = pytest.mark.timeout(400)


def test_orchestrate_goes_as_far_as_the_command_would_and_goes_on_where_that_stood(desk: Desk) -> None:
    config = {
        "home": str(desk.home),
        "database_url": desk.environment["AGENTOS_DATABASE_URL"],
        "models": {"script": desk.environment["AGENTOS_MODELS__SCRIPT"]},
    }
    result = agentos.orchestrate(1, config, target=desk.target)
    assert result.wait is not None
    assert (result.exit_code, result.wait.gate, result.run.ref.number) == (ExitCode.WAITING, Gate.BEFORE_PR, 1)
    assert (desk.home / result.paths["lld.md"]).is_file()
    by_command = desk.agentos("approve", "1", "--json")
    assert by_command.result["wait"]["kind"] == "review"
    again = agentos.orchestrate(1, config, target=str(desk.target))
    assert again.wait is not None
    assert (again.run.ref.number, again.wait.title) == (1, by_command.result["wait"]["title"])


def test_a_setting_that_is_none_is_refused_before_anything_is_done(desk: Desk) -> None:
    with pytest.raises(UsageError, match=r"Did you mean .*max_revisions"):
        agentos.orchestrate(1, {"orchestrator.stages.lld.max_revision": 2}, target=desk.target)
    assert not desk.home.exists()
