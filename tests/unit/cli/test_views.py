"""What people see while a run works, line by line and as a table."""

import io
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from rich.console import Console

from agentos.cli.progress import Mark, Progress
from agentos.cli.sentences import Narrator
from agentos.cli.view import LineView, LiveView, SilentView, StageTable, line
from agentos.domain.event import Event, EventKind
from agentos.domain.pipeline import Stage

BEGAN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]boo[/] \u202eevil :smile: <b>"
BASE, HEAD = "a" * 40, "b" * 40


class Story:
    """Events a second apart."""

    def __init__(self) -> None:
        self._seq = count(1)
        self.events: list[Event] = []

    def tell(self, kind: EventKind, stage: Stage | None = None, step: str | None = None, /, **data: Any) -> "Story":
        seq = next(self._seq)
        at = (BEGAN + timedelta(seconds=seq)).isoformat()
        self.events.append(Event(1, seq, at, kind, stage, step, data))
        return self


def _story() -> Story:
    check = {"name": "test", "exit_code": 0, "passed": True, "tests": 8, "failed": 0}
    red = {**check, "exit_code": 1, "passed": False, "tests": 13, "failed": 2}
    model = {"model": "scripted:x", "input_tokens": 900, "output_tokens": 100, "usd": 0.5}
    finding = {"severity": "major", "where": "logic", "problem": "The numbers are left open.", "fix": ""}
    story = Story()
    story.tell(EventKind.RUN_QUEUED, number=1, profile="cli").tell(EventKind.RUN_ACCEPTED)
    story.tell(EventKind.STAGE_STARTED, Stage.LLD, "enter", tries=1)
    story.tell(EventKind.MODEL_CALLED, Stage.LLD, "design", role="drafter", round=2, **model)
    story.tell(EventKind.REVIEW_JUDGED, Stage.LLD, "design-review", verdict="revise", findings=[finding])
    story.tell(EventKind.STAGE_ENDED, Stage.LLD, "leave", verdict="PASS", why="")
    story.tell(EventKind.STAGE_STARTED, Stage.IMPL, "enter", tries=1)
    story.tell(EventKind.CHECK_ENDED, Stage.IMPL, "workspace", sha=BASE, **check)
    story.tell(EventKind.CHECK_ENDED, Stage.IMPL, "test", sha=HEAD, **red)
    undone = {"sha": HEAD, "best_sha": BASE, "lost": ["AC-1", "test: a"]}
    story.tell(EventKind.ROUND_UNDONE, Stage.IMPL, "test", **undone)
    story.tell(EventKind.STEP_STARTED, Stage.IMPL, "test", node="consider_tests")
    story.tell(EventKind.EFFECT_DONE, Stage.IMPL, "test", key="status-comment", version="", result={"comment": "c"})
    story.tell(EventKind.EFFECT_DONE, Stage.PR, "publish", key="pr", version="", result={"url": "local-pr:1"})
    return story


def test_each_meaningful_event_is_one_line() -> None:
    narrator, progress, said = Narrator(), Progress(), []
    for event in _story().events:
        progress.see(event)
        sentence = narrator.tell(event)
        if sentence is not None:
            said.append(line(event, sentence, progress))
    assert said == [
        "run       run #1 begins",
        "lld       begins",
        "lld       drafter (scripted:x): round 2, 1000 tokens, $0.50",
        "lld       reviewer: revise, 1 finding: logic: The numbers are left open.",
        "lld       ✔ PASS  round 2  3.0 s  $0.50",
        "impl      begins",
        "impl      test at the base commit: 8 tests passed",
        "impl      test at bbbbbbbbbbbb: 2 of 13 tests failed",
        "impl      bbbbbbbbbbbb made it worse: back to aaaaaaaaaaaa; it lost AC-1, test: a",
        "impl      not proved yet: back to the code with the findings",
        "pr        pull request local-pr:1",
    ]


def _drawn(progress: Progress, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, markup=False, highlight=False).print(StageTable(progress, total="9.0 s  $0.50"))
    return [text.rstrip() for text in file.getvalue().splitlines()]


def test_the_table_fits_80_columns_and_says_where_each_stage_stands() -> None:
    progress = Progress()
    progress.see_all(_story().events)
    assert _drawn(progress, 80) == [
        "· triage",
        "✔ lld        PASS                     round 2        4.0 s     $0.50",
        "· spec",
        "▶ impl       test                                    6.0 s",
        "· pr",
        "· review",
        "· finalize",
        "                                                     9.0 s     $0.50",
    ]


def test_on_a_narrow_screen_round_and_cost_make_room_and_no_name_is_cut() -> None:
    progress = Progress()
    progress.see_all(_story().events)
    drawn = _drawn(progress, 40)
    assert [text[:12].rstrip() for text in drawn[:7]] == [
        "· triage",
        "✔ lld",
        "· spec",
        "▶ impl",
        "· pr",
        "· review",
        "· finalize",
    ]
    assert drawn[1].split() == ["✔", "lld", "PASS", "4.0", "s"]
    assert max(map(len, drawn)) <= 40


def test_time_that_people_take_is_not_counted() -> None:
    story = Story().tell(EventKind.RUN_RESUMED).tell(EventKind.STAGE_STARTED, Stage.PR, "enter", tries=1)
    story.tell(EventKind.RUN_WAITING, Stage.PR, "enter")
    for _ in range(1000):
        story.tell(EventKind.NOTE, None, text="days go by")
    story.tell(EventKind.RUN_RESUMED).tell(EventKind.STEP_STARTED, Stage.PR, "publish", node="push")
    progress = Progress()
    progress.see_all(story.events)
    assert progress.stages[Stage.PR].working_s == pytest.approx(2.0)


def test_an_unknown_price_is_not_shown_as_nothing() -> None:
    story = Story().tell(EventKind.STAGE_STARTED, Stage.LLD, "enter", tries=1)
    story.tell(EventKind.MODEL_CALLED, Stage.LLD, "design", role="drafter", round=1, usd=None)
    progress = Progress()
    progress.see_all(story.events)
    assert progress.usd is None
    assert any(text.endswith("$?") for text in _drawn(progress, 80))


def test_a_stage_that_blocks_stands_as_stopped_with_its_reason() -> None:
    story = Story().tell(EventKind.STAGE_STARTED, Stage.LLD, "enter", tries=1)
    story.tell(EventKind.STAGE_ENDED, Stage.LLD, "leave", verdict="BLOCK", why="turns in circles")
    progress = Progress()
    progress.see_all(story.events)
    assert progress.stages[Stage.LLD].mark is Mark.STOPPED
    said = Narrator().tell(story.events[-1])
    assert said is not None
    assert said.text == "BLOCK: turns in circles"


@pytest.mark.parametrize(
    ("sandbox", "words"), [("sandlock", "commands run under sandlock"), ("process", "commands run in no box")]
)
def test_a_run_begins_by_saying_what_its_commands_run_in(sandbox: str, words: str) -> None:
    told = Narrator().tell(Story().tell(EventKind.RUN_ACCEPTED, sandbox=sandbox).events[0])
    assert told is not None
    assert told.text == f"accepted; {words}"


def _hostile() -> list[Event]:
    story = Story().tell(EventKind.RUN_RESUMED)
    story.tell(EventKind.STAGE_STARTED, Stage.IMPL, "enter", tries=1)
    story.tell(EventKind.AGENT_ACTED, Stage.IMPL, "code", tool="bash", line=HOSTILE, ok=False)
    story.tell(EventKind.NOTE, Stage.IMPL, "code", text=HOSTILE)
    story.tell(EventKind.DECISION_TAKEN, Stage.IMPL, "code", kind="feedback", actor=HOSTILE, text=HOSTILE)
    finding = {"where": HOSTILE, "problem": HOSTILE}
    return story.tell(EventKind.REVIEW_JUDGED, Stage.IMPL, "x", verdict=HOSTILE, findings=[finding]).events


def test_hostile_text_stays_text_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with LineView() as view:
        for event in _hostile():
            view.observe(event)
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "[bold red]boo[/]" in said
    assert len(said.splitlines()) == 5


def test_hostile_text_stays_text_on_a_terminal() -> None:
    file = io.StringIO()
    screen = Console(
        file=file, width=80, force_terminal=True, color_system=None, markup=False, emoji=False, highlight=False
    )
    with LiveView(screen) as view:
        view.begin(HOSTILE, ())
        for event in _hostile():
            view.observe(event)
    said = file.getvalue()
    assert "[bold red]boo[/]" in said
    assert ":smile:" in said
    assert "\x1b]0;owned" not in said
    assert "\x1b[2J" not in said
    assert "\u202e" not in said


def test_quiet_says_nothing_and_still_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with SilentView() as view:
        for event in _story().events:
            view.observe(event)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    assert view.seen == len(_story().events)
