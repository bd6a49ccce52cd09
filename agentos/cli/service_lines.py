"""What the service does, as lines on standard error: a time, the issue, and a sentence."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agentos.cli.progress import Progress
from agentos.cli.sentences import Narrator, Weight
from agentos.cli.terminal import moment, one_line, second, tell
from agentos.cli.view import STAGE_WIDTH, line
from agentos.domain.event import Event, EventKind
from agentos.domain.issue import IssueRef
from agentos.service.notice import Notice

_TURNS = {
    EventKind.RUN_WAITING: lambda data: f"waits: {data.get('title')} ({_words(data)})",
    EventKind.RUN_BLOCKED: lambda data: f"blocked: {data.get('title')} ({_words(data)})",
    EventKind.RUN_PAUSED: lambda data: f"on hold by {data.get('by')}" if data.get("by") else "stopped after its step",
    EventKind.RUN_PARKED: lambda data: f"parked until {moment(data.get('due_at'))}: {data.get('why')}",
    EventKind.RUN_ENDED: lambda data: f"ended: {data.get('outcome') or 'by a fault of AgentOS'}",
}
"""Where a run stands still, which `run` says in its report."""


class ServiceLines:
    """One line for each event that means something to people."""

    def __init__(self, repos: Sequence[str], *, quiet: bool) -> None:
        self._issues: Mapping[int, IssueRef] = {}
        self._now: Callable[[], datetime] = lambda: datetime.fromtimestamp(0, UTC)
        self._is_one = len(repos) == 1
        self._quiet = quiet
        self._runs: dict[int, tuple[Narrator, Progress]] = {}

    def follow(self, issues: Mapping[int, IssueRef], now: Callable[[], datetime]) -> None:
        """Effect: lines name the issue of a run, by its id in `issues`, and notices the time."""
        self._issues, self._now = issues, now

    def notice(self, notice: Notice) -> None:
        """Effect: one line, unless only trouble is wanted."""
        if notice.is_trouble or not self._quiet:
            about = f"{'run':<{STAGE_WIDTH}} " if notice.issue is not None else ""
            name = self._name(notice.repo, notice.issue)
            self._print(self._now().isoformat(), name, about + one_line(notice.text))

    def observe(self, event: Event) -> None:
        """Effect: one line, or none."""
        narrator, progress = self._runs.setdefault(event.run_id, (Narrator(), Progress()))
        progress.see(event)
        said = narrator.tell(event)
        issue = self._issues.get(event.run_id)
        name = self._name(issue.repo, issue.number) if issue is not None else f"run {event.run_id}"
        if event.kind in _TURNS:
            text = one_line(_TURNS[event.kind](event.data))
            self._print(event.at, name, f"{event.stage or 'run':<{STAGE_WIDTH}} {text}")
        elif said is not None and said.weight is not Weight.DETAIL and not self._quiet:
            self._print(event.at, name, line(event, said, progress))
        if event.kind is EventKind.RUN_ENDED:
            del self._runs[event.run_id]

    def _name(self, repo: str, number: int | None) -> str:
        short = "" if self._is_one else repo.rpartition("/")[2]
        return short if number is None else f"{short}#{number}"

    def _print(self, at: str, name: str, text: str) -> None:
        tell(f"{second(at)}  {name:<6} {text}".rstrip())


def _words(data: Mapping[str, Any]) -> str:
    return ", ".join(map(str, data.get("accepts") or ())) or "nothing can be said to it"
