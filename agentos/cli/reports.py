"""What a command says at its end: what a run waits for, how it ended, and what can be done next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agentos.cli.args import Request
from agentos.cli.terminal import as_called, command, count, duration, moment, money, near, one_line
from agentos.domain.decision import Wait, answers_to
from agentos.domain.naming import clean_text
from agentos.domain.pipeline import Outcome
from agentos.domain.run import Run
from agentos.domain.status import JobState, WaitKind
from agentos.runs.decide import told
from agentos.runs.result import ExitCode, OrchestrationResult

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_HEADINGS = {
    WaitKind.GATE: "Waiting for your decision",
    WaitKind.QUESTION: "Waiting for your answer",
    WaitKind.REVIEW: "Waiting for your review",
    WaitKind.BLOCKER: "Blocked",
    WaitKind.DOSSIER: "Ready to merge",
}
_DOCUMENTS = (
    "issue-brief.md",
    "lld.md",
    "spec.md",
    "diff.patch",
    "review-package.md",
    "dossier.md",
    "close-out.md",
    "run.json",
)
_ENDS = {
    Outcome.MERGED: "merged and verified",
    Outcome.PR_OPENED: "the pull request is open, and the run ends there as asked",
    Outcome.NO_CHANGE: "nothing had to be changed",
    Outcome.DECOMPOSED: "split into smaller issues",
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "cancelled and cleaned up",
    Outcome.REHEARSED: "rehearsed",
}


@dataclass(frozen=True)
class Report:
    """A result and how the person asked for it. `repo`: what to name in hints where the way they asked would not do.
    `leftovers`: what a script of replies held and nobody asked for. `code`: the exit code, where the run does not say it."""

    request: Request
    result: OrchestrationResult
    home: Path
    repo: str = ""
    leftovers: tuple[str, ...] = ()
    code: ExitCode | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the command: what became of the run, unless the command is done with less."""
        return self.result.exit_code if self.code is None else self.code

    @property
    def wait(self) -> Wait | None:
        """What the run waits for now; a run that was put on hold at a wait waits for being resumed."""
        return None if self.result.run.job is JobState.PAUSED else self.result.wait

    def answers(self) -> tuple[str, ...]:
        """The commands that answer what the run waits for."""
        number = self.result.run.ref.issue.number
        if self.result.held is not None:
            return (command(self.request, "resume", str(number), repo=self.repo),)
        if self.wait is None:
            return ()
        plain = answers_to(self.wait, number, program="")
        return tuple(command(self.request, answer.strip(), repo=self.repo) for answer in plain)

    def again(self) -> str:
        """The command that goes on with the run."""
        return command(self.request, "run", "--issue", str(self.result.run.ref.issue.number), repo=self.repo)


def print_report(screen: "Console", report: Report) -> None:
    """Effect: the report is on `screen`."""
    for part in report_parts(report, rich=screen.is_terminal):
        # What is indented is to be copied, and stays in one piece; where lines go to a file, all do.
        whole = isinstance(part, str) and (part.startswith("  ") or not screen.is_terminal)
        screen.print(part, soft_wrap=whole)


def report_parts(report: Report, *, rich: bool) -> "Iterator[str | RenderableType]":
    """The report in parts: lines, and Markdown rendered where `rich`."""
    run, wait, held = report.result.run, report.wait, report.result.held
    if run.job is JobState.PAUSED and held is not None:
        yield f"On hold {one_line(told(held))}. All that was done is saved. Go on with: {report.answers()[0]}"
    elif run.job is JobState.RUNNING:
        yield f"Run {run.ref} is at work" + (f" in {run.stage}." if run.stage else ".")
    elif wait is not None:
        yield from _wait(report, wait, rich=rich)
    elif run.job is JobState.RETRY_WAIT:
        yield f"Parked until {moment(run.due_at)}: {one_line(run.error)}"
        yield f"`{report.again()}` goes on; before that time it tries at once."
    elif run.job is JobState.PAUSED:
        yield f"Interrupted; all that was done is saved. Go on with: {report.again()}"
    elif run.job is JobState.FAILED:
        yield f"Run {run.ref} failed by a fault of AgentOS: {one_line(run.error)}"
        yield f"The traceback is in {_path(report, 'events.jsonl')}. Start anew with: {report.again()}"
    else:
        yield from _end(report)


def _wait(report: Report, wait: Wait, *, rich: bool) -> "Iterator[str | RenderableType]":
    yield ""
    yield f"{_HEADINGS[wait.kind]}: {one_line(as_called(wait.title, report.request))}"
    summary = clean_text(as_called(wait.summary, report.request)).strip()
    if wait.subject:
        kind = "commit" if len(wait.subject) == 40 else "digest"
        yield f"{kind}  {wait.subject}"
    if wait.evidence and wait.kind is WaitKind.BLOCKER:
        yield from _evidence(wait.evidence)
    elif summary:
        yield ""
        yield markdown(summary) if rich else summary.replace("<br>", ", ")
    if wait.needs:
        yield f"What would let it go on: {one_line(as_called('; '.join(wait.needs), report.request))}."
    yield from _documents(report)
    yield ""
    given = report.result.given
    if given is not None:
        yield f"{given.kind} by {one_line(given.actor)} is recorded. Go on with: {report.again()}"
        return
    yield "Answer with:"
    for answer in report.answers():
        yield f"  {answer}"


def _evidence(evidence: tuple[str, ...]) -> Iterator[str]:
    """What a blocker stands on; output of commands as it came."""
    for item in evidence:
        first, *more = clean_text(item).strip().splitlines() or [""]
        yield f"- {first}"
        yield from (f"    {text}" for text in more)


def _end(report: Report) -> "Iterator[str | RenderableType]":
    result, run = report.result, report.result.run
    how = _ENDS.get(run.outcome, run.job) if run.outcome is not None else run.job
    yield f"Issue {run.ref.issue.number}: {how}."
    if result.merge_sha and run.outcome is Outcome.MERGED:
        yield f"{result.pr_url} is in as {result.merge_sha}."
    elif result.pr_url and run.outcome is Outcome.PR_OPENED:
        yield f"{result.pr_url}"
    yield f"{took(run)}{count(result.spend.calls, 'model call')}, {money(result.spend.usd)}."
    yield from _documents(report)


def _documents(report: Report) -> Iterator[str]:
    """The documents that are there for people, by folder."""
    there = [name for name in _DOCUMENTS if name in report.result.paths]
    if there:
        yield ""
        folder = report.home / Path(report.result.paths[there[0]]).parent
        yield f"Documents in {near(folder)}:"
        yield f"  {', '.join(there)}"


def _path(report: Report, name: str) -> str:
    path = report.result.paths.get(name)
    return near(report.home / path) if path else name


def took(run: Run) -> str:
    """How long a run took from its start to its end, waiting included; empty for one that has not ended."""
    if run.started_at is None or run.completed_at is None:
        return ""
    span = datetime.fromisoformat(run.completed_at) - datetime.fromisoformat(run.started_at)
    return f"{duration(span.total_seconds())} with all waiting, "


def markdown(text: str) -> "RenderableType":
    """Markdown for a terminal. Links stay text: a hidden address would be somebody else's choice."""
    from agentos.cli.markdown_view import FoldingMarkdown  # 60 ms, needed only where something waits

    return FoldingMarkdown(text.replace("<br>", ", "), hyperlinks=False)
