"""Ceilings of a run, held at the door of every stage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.domain.budget import BudgetSpent
from agentos.domain.pipeline import Verdict
from agentos.workflows.pr.graph import build
from tests.stages.conftest import Equip
from tests.stages.delivery import BRANCH, CHECKED, delivered

pytestmark = pytest.mark.slow


async def test_a_stage_that_asks_no_model_does_not_begin_beyond_the_time_at_work(equip: Equip) -> None:
    made = await delivered(equip, budget={"wall_s": 3600})
    clock = ManualClock(datetime.now(UTC) + timedelta(hours=2))
    stand = replace(made.stand, ctx=replace(made.stand.ctx, ports=replace(made.stand.ctx.ports, clock=clock)))
    with pytest.raises(BudgetSpent, match="the time at work reached 72") as caught:
        await stand.run_stage(build(), made.state)
    assert await made.forge.branch_head(BRANCH) is None
    name, _, value = caught.value.ceiling.raised.partition("=")
    assert name == "budget.wall_s"
    raised = stand.with_settings(commands=CHECKED, budget={"wall_s": value})
    assert (await raised.run_stage(build(), made.state))["verdict"] == Verdict.PASS
