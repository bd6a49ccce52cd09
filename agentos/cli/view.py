"""Progress while a run works: a live table on a terminal, plain lines elsewhere, or nothing."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agentos.cli.progress import Mark, Progress, StageProgress
from agentos.cli.sentences import Narrator, Said, Weight
from agentos.cli.terminal import console, duration, money, one_line, tell
from agentos.domain.event import Event, EventKind

_SIGNS = {Mark.AHEAD: "·", Mark.WORKING: "▶", Mark.PASSED: "✔", Mark.SKIPPED: "↷", Mark.STOPPED: "■"}
_STYLES = {
    Mark.AHEAD: "dim",
    Mark.WORKING: "bold cyan",
    Mark.PASSED: "green",
    Mark.SKIPPED: "dim",
    Mark.STOPPED: "yellow",
}
_WEIGHTS = {Weight.DETAIL: "dim", Weight.MILESTONE: "", Weight.TROUBLE: "yellow"}
STAGE_WIDTH = 9
"""Characters that the name of a stage takes in a line."""
_WIDE = 70
"""Columns of a screen on which every part of the table has its place."""


class View(Protocol):
    """Something that shows events as they come."""

    seen: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, label: str, earlier: Iterable[Event]) -> None:
        """Effect: the display is about the run called `label`, which these events led to."""
        ...

    def observe(self, event: Event) -> None:
        """Effect: `event` is shown."""
        ...


def open_view(*, quiet: bool) -> View:
    """The display that fits where standard error goes."""
    if quiet:
        return SilentView()
    screen = console(stderr=True)
    return LiveView(screen) if screen.is_terminal and not screen.is_dumb_terminal else LineView()


class SilentView:
    """Shows nothing."""

    def __init__(self) -> None:
        self.seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def begin(self, label: str, earlier: Iterable[Event]) -> None:
        """Effect: none."""

    def observe(self, event: Event) -> None:
        """Effect: the event is counted."""
        self.seen += 1


class LineView(SilentView):
    """One plain line on standard error for each event that means something to people."""

    def __init__(self) -> None:
        super().__init__()
        self._narrator = Narrator()
        self._progress = Progress()

    def begin(self, label: str, earlier: Iterable[Event]) -> None:
        """Effect: earlier events are known; they were shown when they happened."""
        for event in earlier:
            self._narrator.tell(event)
            self._progress.see(event)

    def observe(self, event: Event) -> None:
        """Effect: one line, or none."""
        super().observe(event)
        self._progress.see(event)
        said = self._narrator.tell(event)
        if said is not None:
            tell(line(event, said, self._progress))


class LiveView(SilentView):
    """A table of stages that is drawn anew with each event and each second, with milestones left above it."""

    def __init__(self, screen: Console) -> None:
        super().__init__()
        self._screen = screen
        self._narrator = Narrator()
        self._progress = Progress()
        self._label = ""
        self._last = Said("starting")
        self._shown_s = screen.get_time()
        # Once a second for the elapsed time; events draw by themselves.
        self._live = Live(get_renderable=self._draw, console=screen, refresh_per_second=1, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Effect: the table is gone, the cursor is back; what was left above stays."""
        with suppress(OSError):
            self._live.stop()

    def begin(self, label: str, earlier: Iterable[Event]) -> None:
        """Effect: the table stands where these events left it."""
        self._label = label
        for event in earlier:
            self._narrator.tell(event)
            self._progress.see(event)
        with suppress(OSError):
            self._live.refresh()

    def observe(self, event: Event) -> None:
        """Effect: the table is drawn anew; a milestone stays above it. A terminal that was closed stops nothing."""
        super().observe(event)
        self._progress.see(event)
        self._shown_s = self._screen.get_time()
        said = self._narrator.tell(event)
        with suppress(OSError):
            if said is not None:
                self._keep(event, said)
            self._live.refresh()

    def _keep(self, event: Event, said: Said) -> None:
        self._last = said
        if said.weight is not Weight.DETAIL:
            text = Text(line(event, said, self._progress), style=_style(event, said), no_wrap=True)
            self._screen.print(text, overflow="ellipsis", no_wrap=True, crop=True)

    def _draw(self) -> RenderableType:
        since_s = self._screen.get_time() - self._shown_s if self._progress.working else 0.0
        progress = self._progress
        total = f"{duration(progress.working_s + since_s)}  {money(progress.usd)}"
        head = Text.assemble(("AgentOS  ", "bold"), (one_line(self._label), ""), no_wrap=True, overflow="ellipsis")
        last = Text(f"  {self._last.text}", style="dim", no_wrap=True, overflow="ellipsis")
        return Group(Text(), head, StageTable(progress, since_s, total), last)


@dataclass(frozen=True, slots=True)
class StageTable:
    """All stages: how each stands, its step or verdict, round, time and cost; on a narrow screen without round and cost.
    `since_s`: seconds since the last event."""

    progress: Progress
    since_s: float = 0.0
    total: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table for the width at hand."""
        narrow = options.max_width < _WIDE
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(min_width=STAGE_WIDTH + 2, no_wrap=True)
        table.add_column(min_width=0 if narrow else 23, no_wrap=True, overflow="ellipsis")
        if not narrow:
            table.add_column(width=9, no_wrap=True)
        table.add_column(width=9, justify="right", no_wrap=True)
        if not narrow:
            table.add_column(width=8, justify="right", no_wrap=True)
        for stage in self.progress.stages.values():
            cells = _cells(stage, self.since_s if stage.stage is self.progress.current else 0.0)
            table.add_row(*(cells if not narrow else (*cells[:2], cells[3])), style=_STYLES[stage.mark])
        if self.total:
            seconds, _, cost = self.total.rpartition("  ")
            table.add_row(*(("", "", "", seconds, cost) if not narrow else ("", "", seconds)), style="bold")
        yield table


def _cells(stage: StageProgress, since_s: float) -> tuple[str, ...]:
    name = f"{_SIGNS[stage.mark]} {stage.stage}"
    if stage.mark is Mark.AHEAD:
        return (name, "", "", "", "")
    what = "skipped" if stage.mark is Mark.SKIPPED else stage.verdict or stage.step
    rounds = f"round {stage.round}" if stage.round else ""
    return (name, what, rounds, duration(stage.working_s + since_s), money(stage.usd) if stage.calls else "")


def line(event: Event, said: Said, progress: Progress) -> str:
    """One line about one event; the end of a stage adds up what it took."""
    where = str(event.stage or "run")
    text = said.text
    if event.kind is EventKind.STAGE_ENDED and event.stage is not None:
        stage = progress.stages[event.stage]
        rounds = f"  round {stage.round}" if stage.round > 1 else ""
        cost = f"  {money(stage.usd)}" if stage.calls else ""
        text = f"{_SIGNS[stage.mark]} {text}{rounds}  {duration(stage.working_s)}{cost}"
    return f"{where:<{STAGE_WIDTH}} {text}"


def _style(event: Event, said: Said) -> str:
    if event.kind is EventKind.STAGE_ENDED and said.weight is Weight.MILESTONE:
        return "green"
    return _WEIGHTS[said.weight]
