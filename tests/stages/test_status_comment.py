"""The one status comment of an issue, on a real store."""

from dataclasses import replace
from typing import Any

import pytest

from agentos.domain.effect import STATUS_COMMENT
from agentos.domain.error import Crowded
from agentos.domain.issue import OPT_OUT_LABEL
from agentos.domain.pipeline import Stage
from agentos.workflows.kit.board import close_issue, say, show_board, show_timeline
from agentos.workflows.kit.step import Step
from agentos.workflows.triage.graph import build
from tests.stages.conftest import Equip, Stand

BRIEF: dict[str, Any] = {
    "title": "Report division by zero",
    "objective": "Division by zero is reported.",
    "criteria": ["calc 1 / 0 exits with 2"],
    "complexity": 4,
    "risk": "low",
    "route_reason": "two files",
}


async def _shown(stand: Stand) -> list[str]:
    comments = await stand.tracker.comments(stand.ctx.issue)
    return [comment.body for comment in comments if "agentos:status v1" in comment.body]


async def test_leaving_a_stage_says_so_in_one_comment(equip: Equip) -> None:
    stand = await equip(answers={(Stage.TRIAGE, "drafter", 1): BRIEF})
    await stand.run_stage(build(), {"issue_number": 1, "entry_stage": Stage.TRIAGE})
    [text] = await _shown(stand)
    assert "| triage | PASS |" in text
    assert "1 model call" in text


async def test_showing_it_again_changes_nothing_and_news_edit_the_same_comment(equip: Equip) -> None:
    stand = await equip(answers={(Stage.TRIAGE, "drafter", 1): BRIEF})
    step = Step(stand.ctx, Stage.TRIAGE, "", "task-1")
    for _ in range(2):
        await show_timeline(step)
    [before] = await _shown(stand)
    assert "| triage | to come |" in before
    await stand.run_stage(build(), {"issue_number": 1, "entry_stage": Stage.TRIAGE})
    [after] = await _shown(stand)
    assert after != before
    effect = await stand.store.effects.get(stand.ctx.issue, STATUS_COMMENT)
    assert effect is not None
    assert effect.state == "recorded"


async def test_a_stage_goes_on_where_there_is_no_room_for_its_pictures(
    equip: Equip, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crowded(*_: object) -> None:
        raise Crowded("no room", retry_after_s=900)

    stand = await equip(answers={(Stage.TRIAGE, "drafter", 1): BRIEF})
    step = Step(stand.ctx, Stage.TRIAGE, "", "task-1")
    await show_timeline(step)
    before = await _shown(stand)
    with monkeypatch.context() as patched:
        for name in ("show", "edit_comment"):
            patched.setattr(stand.tracker, name, crowded)
        after = await stand.run_stage(build(), {"issue_number": 1, "entry_stage": Stage.TRIAGE})
        assert after["verdict"] == "PASS"
        assert await _shown(stand) == before
    await show_timeline(step)
    [text] = await _shown(stand)
    assert "| triage | PASS |" in text, "a later one tells it too"


async def test_an_issue_that_is_to_be_left_alone_is_written_to_once_it_is_not_any_more(equip: Equip) -> None:
    stand = await equip()
    step, issue = Step(stand.ctx, Stage.TRIAGE, "", "task-1"), stand.ctx.issue

    async def told() -> tuple[int, object, bool]:
        await show_timeline(step)
        await show_board(step)
        await say(step, "ended:1", "It ended.", consent=False)
        await close_issue(step, "It is done.", version="1")
        is_open = (await stand.tracker.get(issue.number)).is_open
        return len(await stand.tracker.comments(issue)), await stand.tracker.board(issue), is_open

    kept = stand.tracker._find(issue.number)
    kept.issue = replace(kept.issue, labels=(OPT_OUT_LABEL,))
    assert await told() == (0, None, True)
    kept.issue = replace(kept.issue, labels=())
    comments, board, is_open = await told()
    assert (comments >= 2, board is not None, is_open) == (True, True, False)


async def test_the_next_run_takes_the_comment_over(equip: Equip) -> None:
    stand = await equip()
    await show_timeline(Step(stand.ctx, Stage.TRIAGE, "", "task-1"))
    following = await stand.next_run()
    await show_timeline(Step(following.ctx, Stage.TRIAGE, "", "task-2"))
    [text] = await _shown(stand)
    assert text.startswith("**Run #2")
