"""How far a run is, told by its events: what the display shows, without a terminal."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from agentos.domain.event import Event, EventKind
from agentos.domain.pipeline import Stage

_STOPS = frozenset(
    {
        EventKind.RUN_WAITING,
        EventKind.RUN_BLOCKED,
        EventKind.RUN_PAUSED,
        EventKind.RUN_PARKED,
        EventKind.RUN_ENDED,
    }
)
_STARTS = frozenset({EventKind.RUN_ACCEPTED, EventKind.RUN_RESUMED, EventKind.STAGE_STARTED, EventKind.STEP_STARTED})
_WORKERS = frozenset({"drafter", "implementer"})
_INNER = frozenset({"enter", "leave"})


class Mark(StrEnum):
    """How a stage stands."""

    AHEAD = "ahead"
    WORKING = "working"
    PASSED = "passed"
    SKIPPED = "skipped"
    STOPPED = "stopped"


@dataclass
class StageProgress:
    """One stage so far. `working_s` leaves out the time it waited for people; `usd` None: a price is unknown."""

    stage: Stage
    mark: Mark = Mark.AHEAD
    step: str = ""
    verdict: str = ""
    round: int = 0
    working_s: float = 0.0
    calls: int = 0
    usd: float | None = 0.0
    why: str = ""


@dataclass
class Progress:
    """A run so far. Fed with its events in order; feeding an old one again would count it twice."""

    stages: dict[Stage, StageProgress] = field(default_factory=lambda: {stage: StageProgress(stage) for stage in Stage})
    current: Stage | None = None
    working: bool = False
    _last_at: str | None = None

    def see_all(self, events: Iterable[Event]) -> None:
        """Effect: what these events say is counted."""
        for event in events:
            self.see(event)

    def see(self, event: Event) -> None:
        """Effect: what `event` says is counted."""
        self._pass_time(event)
        if event.kind in _STOPS:
            self.working = False
            if self.current is not None and self.stages[self.current].mark is Mark.WORKING:
                self.stages[self.current].mark = Mark.STOPPED
        elif event.kind in _STARTS:
            self.working = True
        if event.stage is not None:
            self._see_in_stage(event, self.stages[event.stage])

    def _pass_time(self, event: Event) -> None:
        if self.working and self._last_at is not None and self.current is not None:
            span = datetime.fromisoformat(event.at) - datetime.fromisoformat(self._last_at)
            self.stages[self.current].working_s += max(0.0, span.total_seconds())
        self._last_at = event.at

    def _see_in_stage(self, event: Event, stage: StageProgress) -> None:
        match event.kind:
            case EventKind.STAGE_STARTED:
                self.current, stage.mark, stage.verdict, stage.why = stage.stage, Mark.WORKING, "", ""
            case EventKind.STAGE_SKIPPED:
                stage.why = str(event.data.get("reason", ""))
            case EventKind.STAGE_ENDED:
                stage.verdict = str(event.data.get("verdict", ""))
                stage.mark = _mark_of(stage)
                stage.why = str(event.data.get("why", "")) or stage.why
            case EventKind.STEP_STARTED:
                self.current = stage.stage
                if event.step not in _INNER and event.step is not None:
                    stage.step, stage.mark = event.step, _at_work(stage)
            case EventKind.MODEL_CALLED:
                self._count_call(event, stage)
            case _:
                pass

    def _count_call(self, event: Event, stage: StageProgress) -> None:
        usd = event.data.get("usd")
        stage.calls += 1
        stage.usd = None if stage.usd is None or usd is None else stage.usd + float(usd)
        if event.data.get("role") in _WORKERS:
            stage.round = max(stage.round, int(event.data.get("round", 0)))

    @property
    def usd(self) -> float | None:
        """What the whole run cost so far; None where a price is unknown."""
        prices = [stage.usd for stage in self.stages.values()]
        return None if None in prices else sum(price for price in prices if price is not None)

    @property
    def calls(self) -> int:
        """Model calls so far; a session of the coding agent counts as one."""
        return sum(stage.calls for stage in self.stages.values())

    @property
    def working_s(self) -> float:
        """Seconds of work so far, without waiting for people."""
        return sum(stage.working_s for stage in self.stages.values())


def _mark_of(stage: StageProgress) -> Mark:
    if stage.verdict == "PASS":
        return Mark.SKIPPED if stage.why and not stage.calls else Mark.PASSED
    return Mark.STOPPED if stage.verdict else stage.mark


def _at_work(stage: StageProgress) -> Mark:
    """Steps that follow the end of a stage (asking, cleaning up) do not take its verdict back."""
    return Mark.WORKING if not stage.verdict else stage.mark
