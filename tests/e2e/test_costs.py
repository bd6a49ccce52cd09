"""What models cost is told by issue, stage, model and day, and a day's budget holds for all that works on it."""

import json
import re
from typing import Any

import psycopg
import pytest

from tests.crash.conftest import World
from tests.crash.toy import TICKET
from tests.e2e.test_limits import goes_on, priced, says

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_an_issue_stopped_by_a_day_that_another_used_up_goes_on_as_printed_and_all_of_it_is_told(world: World) -> None:
    world.server.replies = priced(world.server.replies, 0.1)
    first = world.agentos("run", "--issue", "1", "--json")
    spent = says(first)["cost"]
    assert (first.code, spent["calls"] > 5) == (4, True), first.err

    (world.target / "tickets" / "002-again.md").write_text(TICKET.replace("id: 1", "id: 2"), "utf-8")
    stopped = world.agentos("run", "--issue", "2", "--set", f"budget.day.calls={spent['calls'] + 3}", "--json")
    assert (stopped.code, says(stopped)["cost"]["calls"]) == (3, 3), stopped.err
    most = spent["calls"] + 3
    assert says(stopped)["wait"]["title"] == f"the model calls of this day reached {most} of {most}"
    assert "--set budget.day.calls=" in says(stopped)["wait"]["commands"][0]
    on = goes_on(world, stopped)
    assert (on.code, says(on)["wait"]["gate"], says(on)["cost"]["calls"]) == (4, "before_pr", spent["calls"])

    told = says(world.agentos("costs", "--json"))
    both = {name: pytest.approx(2 * value) for name, value in spent.items()}
    assert told["total"] == both
    assert told["unsettled"] == {"calls": 0, "input_tokens": 0, "output_tokens": 0, "usd": 0}
    assert [(each["issue"], each["cost"]["calls"]) for each in told["by_issue"]] == [
        (1, spent["calls"]),
        (2, spent["calls"]),
    ]
    for part in ("by_stage", "by_model", "by_day"):
        assert _sum(told[part].values()) == both, part
    assert list(told["by_stage"])[:2] == ["triage", "lld"]
    assert set(told["by_model"]) == {"scripted:drafter", "scripted:implementer", "scripted:reviewer"}
    assert says(world.agentos("costs", "1", "--json"))["total"] == spent

    said = world.agentos("costs", "2").out
    assert re.search(rf"^Altogether +{spent['calls']} calls ", said)
    for heading in ("By issue", "By stage", "By model", "By day (UTC)"):
        assert f"\n{heading}\n  " in said
    assert "issue 2 " in said
    assert "issue 1 " not in said
    assert "No model was asked yet." in world.agentos("costs", "3").out


def test_the_next_day_a_retry_goes_on_with_that_days_budget(world: World) -> None:
    words = ("--set", "budget.day.calls=4", "--json")
    stopped = world.agentos("run", "--issue", "1", *words)
    assert (stopped.code, says(stopped)["cost"]["calls"]) == (3, 4), stopped.err
    assert "once the day is over" in " ".join(says(stopped)["wait"]["needs"])
    with psycopg.connect(world.environment["AGENTOS_DATABASE_URL"], autocommit=True) as conn:
        conn.execute("UPDATE model_calls SET at = at - interval '1 day'")
    [retry] = [place for place, command in enumerate(says(stopped)["wait"]["commands"]) if " retry " in command]
    again = goes_on(world, stopped, retry)
    assert (again.code, says(again)["cost"]["calls"]) == (3, 8), again.err
    assert set(world.asked.values()) == {1}, "nothing is paid twice"
    assert [each["calls"] for each in says(world.agentos("costs", "--json"))["by_day"].values()] == [4, 4]


def _sum(costs: Any) -> dict[str, Any]:
    parts = [dict(each) for each in costs]
    return {name: pytest.approx(sum(each[name] for each in parts)) for name in parts[0]}


def test_what_a_crash_left_under_way_is_told_as_reserved(world: World) -> None:
    world.drive(crash_at="model:answer_lost")
    told = json.loads(world.agentos("costs", "--json").out)
    assert (told["total"]["calls"], told["unsettled"]["calls"]) == (1, 1)
    assert "of it only reserved: 1 call, up to $0.00, under way or with an answer that was lost" in (
        world.agentos("costs").out
    )
