"""`demo`: a small repository made for it, and one of its tickets taken the whole way in front of the person."""

import asyncio
import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agentos.bootstrap import open_place, start_repository
from agentos.cli.args import Request
from agentos.cli.reports import Report
from agentos.cli.run_commands import show, take_word, work_on
from agentos.cli.terminal import SHORT, ask, asks_on_terminal, near, tell
from agentos.config.data import data_folder
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Gate, Outcome
from agentos.domain.status import WaitKind
from agentos.runs.engine import standing_by
from agentos.runs.result import ExitCode

ISSUE, OTHER_ISSUE = 1, 2
FEEDBACK = "Show --due in the README, too."
MOST_DECISIONS = 10
_STAGES: dict[str, tuple[str, ...]] = {
    "triage": ("drafter",),
    "lld": ("drafter", "reviewer"),
    "spec": ("drafter", "reviewer"),
    "implementation": ("implementer", "reviewer"),
}


@dataclass(frozen=True)
class Stage:
    """Where the demo plays. `model` is empty for the script."""

    folder: Path
    again: str
    model: str

    @property
    def repo(self) -> Path:
        """The target repository."""
        return self.folder / "todo"

    @property
    def home(self) -> Path:
        """Where runs are kept."""
        return self.folder / "home"

    @property
    def config(self) -> Path:
        """The user configuration for whoever goes on by hand."""
        return self.folder / "config.yaml"

    def settings(self) -> dict[str, Any]:
        """What the demo sets, whatever the person's own configuration says."""
        models = {role: {part: self.model or f"scripted:{part}" for part in parts} for role, parts in _STAGES.items()}
        return {
            "home": str(self.home),
            "database_url": None,
            "until": None,
            "models": {"script": None if self.model else str(self.folder / "replies.yaml")},
            "orchestrator": {
                "stages": models,
                "gates": {gate: gate in (Gate.BEFORE_PR, Gate.BEFORE_MERGE) for gate in Gate},
            },
        }

    def request(self, command: str, **more: Any) -> Request:
        """A request as the person's command line would make it."""
        return Request(command, "agentos", issue=ISSUE, repo=self.repo, overrides=self.settings(), **more)


def demo(request: Request) -> int:
    """The exit code of the demo: 0 only where the change was really merged and verified."""
    stage = Stage(Path(tempfile.mkdtemp(prefix="agentos-demo-")), request.again, request.model)
    _set_up(stage)
    if stage.model:
        _require_means(stage)
    # What takes longest to come begins first, and the database stays between the commands.
    with standing_by(stage.home):
        _open(stage)
        report: Report | None = None
        try:
            report = _play(stage)
        finally:
            _where(stage)
        return _close(stage, report)


def _set_up(stage: Stage) -> None:
    """Effect: repository, replies and configuration are there."""
    source = data_folder("configs") / "demo"
    shutil.copytree(source / "todo", stage.repo, ignore=shutil.ignore_patterns("__pycache__"))
    _fill_in(stage.repo / "WORKFLOW.md", stage.repo / "WORKFLOW.md")
    _fill_in(source / "replies.yaml", stage.folder / "replies.yaml")
    stage.config.write_text(_yaml(stage.settings()), encoding="utf-8")
    asyncio.run(start_repository(stage.repo, name="Demo", email="demo@example.com"))


def _require_means(stage: Stage) -> None:
    """Raises UsageError where a run would be refused, for want of a key above all. Effect: nothing is left then."""
    try:
        asyncio.run(open_place(stage.repo, stage.settings())).target.require_means()
    except UsageError:
        shutil.rmtree(stage.folder)
        raise


def _fill_in(source: Path, target: Path) -> None:
    """The checks run with the Python that runs this: it has pytest."""
    text = source.read_text("utf-8").replace("@python@", shlex.quote(sys.executable))
    target.write_text(text, encoding="utf-8")


def _yaml(settings: dict[str, Any]) -> str:
    import json  # every JSON document is YAML

    kept = {key: value for key, value in settings.items() if value is not None}
    return json.dumps(kept, indent=2) + "\n"


def _open(stage: Stage) -> None:
    tell("AgentOS takes an issue to a merged, verified change. Watch it do so:")
    tell()
    tell(f"  repository  {stage.repo}")
    tell("              a to-do tool with 8 tests and 2 tickets, made a moment ago")
    tell("  ticket 1    Items can have a due date")
    if stage.model:
        tell(f"  models      {stage.model}, a real one: what it says will differ, and it costs money")
    else:
        tell("  models      scripted: model replies come from a file; everything else is real")
    tell()


def _play(stage: Stage) -> Report:
    """The last report: the run has ended, or waits for something that the demo does not give."""
    _type(f"run --issue {ISSUE}")
    report = asyncio.run(work_on(stage.request("run")))
    given: set[str] = set()
    for _ in range(MOST_DECISIONS):
        show(report.request, report)
        word = _word(stage, report, given)
        if word is None:
            break
        given.add(word.command)
        _type(f"{word.command} {ISSUE}{' ' + shlex.quote(word.text) if word.text else ''}")
        report = asyncio.run(take_word(stage.request(word.command, text=word.text)))
    return report


@dataclass(frozen=True)
class Word:
    """What is said to a waiting run."""

    command: str
    text: str = ""


def _word(stage: Stage, report: Report, given: set[str]) -> Word | None:
    """The person's word, or the demo's own where nobody is there; None where the run ended or nothing fits."""
    wait = report.result.wait
    if wait is None:
        return None
    if wait.kind is WaitKind.REVIEW and "feedback" not in given:
        return Word("feedback", _feedback(stage))
    if wait.kind in (WaitKind.GATE, WaitKind.REVIEW, WaitKind.DOSSIER):
        return _approval(wait.subject[:SHORT])
    if wait.kind is WaitKind.QUESTION and asks_on_terminal():
        tell()
        return Word("answer", ask("Your answer: ") or "Decide for yourself.")
    return None


def _feedback(stage: Stage) -> str:
    tell()
    if not asks_on_terminal():
        tell("Nobody is at the keyboard, so the demo gives feedback itself.")
        return FEEDBACK
    tell("Your turn: send the change back once, with what should be different.")
    if not stage.model:
        tell("(Whatever you write: the scripted model can only do what is in brackets.)")
    return ask(f"Your feedback [{FEEDBACK}] ") or FEEDBACK


def _approval(subject: str) -> Word:
    tell()
    if not asks_on_terminal():
        tell(f"Nobody is at the keyboard, so the demo approves {subject} itself.")
        return Word("approve")
    no = ask(f"Approve {subject}? [Y/n] ").lower() in ("n", "no")
    return Word("reject", "not wanted") if no else Word("approve")


def _type(words: str) -> None:
    tell()
    tell(f"$ agentos {words}")


def _where(stage: Stage) -> None:
    tell()
    tell("Everything is kept for you to look at:")
    tell(f"  the repository    {stage.repo}")
    tell(f"  what it produced  {near(stage.home / 'runs')}")


def _close(stage: Stage, report: Report) -> int:
    merged = report.result.outcome is Outcome.MERGED
    tell()
    tell("Try next:")
    tell(f"  export AGENTOS_CONFIG={stage.config}")
    tell(f"  {stage.again} show {ISSUE} --repo {stage.repo}")
    if merged:
        run = "--issue" if stage.again.endswith("orchestrate.py") else "run --issue"
        tell(f"  git -C {stage.repo} log --graph --oneline")
        tell("and the other ticket, a bug, which goes without a design:")
        tell(f"  {stage.again} {run} {OTHER_ISSUE} --repo {stage.repo}")
    else:
        by_hand = replace(report, request=replace(report.request, again=stage.again, repo_given=True))
        for answer in by_hand.answers() or (by_hand.again(),):
            tell(f"  {answer}")
    if merged and not report.leftovers:
        return int(ExitCode.FINISHED)
    tell()
    if merged:
        tell("The script was not used up, so something was left out of the run.")
        return int(ExitCode.FAILED)
    tell(f"The demo did not end with a merged change: its run is {report.result.run.job}.")
    return int(report.exit_code or ExitCode.FAILED)


def _program() -> str:
    """How a person of this checkout calls the program."""
    return (
        "python3 tools/orchestrate.py"
        if (data_folder("configs").parent / "tools" / "orchestrate.py").is_file()
        else "agentos"
    )


if __name__ == "__main__":
    from agentos.cli.main import main

    sys.exit(main(["demo", *sys.argv[1:]], prog=_program()))
