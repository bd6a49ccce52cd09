"""`init` and `new`: a repository set up for AgentOS, and its tickets. Nothing that exists is overwritten."""

import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agentos.bootstrap import commit_paths, open_place, root_of, write_ticket, write_ticket_form
from agentos.cli.args import Request
from agentos.cli.documents import CheckDocument, InitDocument, TicketDocument, text_of
from agentos.cli.terminal import ask, asks_on_terminal, command, near, one_line, tell
from agentos.config.workflow import WORKFLOW_FILE, for_github, render_template
from agentos.domain.error import UsageError
from agentos.domain.finding import Grade
from agentos.runs.result import ExitCode

TICKETS = "tickets"
_JUNIT = "--junitxml={junit}"


@dataclass(frozen=True)
class Commands:
    """What a repository seems to be tested with, and by which file that was seen."""

    test: str
    focused: str = ""
    setup: str = ""
    seen: str = ""


def init(request: Request) -> int:
    """The exit code of setting a repository up."""
    if request.github is not None:
        return _init_on_github(request, request.github)
    root = root_of(request.repo)
    written = tuple(_write(root))
    tell()
    if not written:
        tell(f"{near(root / WORKFLOW_FILE)} and {TICKETS}/ are there already; nothing was changed.")
    else:
        _offer_commit(root, written)
    if request.json:
        print(text_of(InitDocument(folder=str(root), written=list(written))))
    tell(f"Next: {command(request, 'new', shlex.quote('what should be different'))}")
    return 0


def _init_on_github(request: Request, named: str) -> int:
    """The exit code of setting a repository on GitHub up: 3 where something is left for a person."""
    from agentos.onboarding import set_up  # which speaks to GitHub, as nothing else here does

    made = asyncio.run(set_up(named, request.repo, _policy))
    failed = any(check.grade is Grade.FAIL for check in made.checks)
    if request.json:
        told = [
            CheckDocument(name=each.name, grade=each.grade, found=each.found, mend=each.mend) for each in made.checks
        ]
        print(text_of(InitDocument(folder=made.repo, written=[], checks=told)))
    else:
        for check in made.checks:
            tell(f"{check.grade:<4}  {check.name}: {one_line(check.found)}")
            if check.mend:
                tell(f"      {one_line(check.mend)}")
    tell()
    if failed:
        tell(f"What is left for you stands above; then once more: {command(request, 'init', '--github', made.title)}")
        return int(ExitCode.BLOCKED)
    tell("Next: merge the pull request, and in a clone of the repository:")
    tell(f"  {command(request, 'doctor')}")
    tell(f"  {command(request, 'run', '--issue', 'N')}")
    tell(
        "Issues and pull requests are on GitHub by that WORKFLOW.md; for every repository, your own configuration says it:"
    )
    tell("  tracker: {kind: github}")
    tell("  forge: {kind: github}")
    return 0


def _policy(root: Path) -> str:
    guessed = guess_commands(root)
    return for_github(render_template(test=guessed.test, setup=guessed.setup, focused=guessed.focused))


def new(request: Request) -> int:
    """The exit code of writing a ticket."""
    place = asyncio.run(open_place(request.repo, request.overrides))
    if place.settings.tracker.kind != "files":
        raise UsageError(
            f"issues live on GitHub here (tracker.kind): open one at https://{place.target.repo}/issues/new"
        )
    path = write_ticket(place.target.folder / place.settings.tracker.folder, request.text)
    number = number_of(path)
    if request.json:
        print(text_of(TicketDocument(issue=number, path=str(path))))
        return 0
    print(f"Issue {number}: {near(path)}")
    tell(f"Fill it in, then: {command(request, 'run', '--issue', str(number))}")
    return 0


def number_of(path: Path) -> int:
    """The number of a ticket that was just made: its file, or its folder, begins with it."""
    name = path.parent.name if path.name == "item.md" else path.name
    return int(re.match(r"\d+", name)[0])  # type: ignore[index]  # its writer put the number there


def guess_commands(root: Path) -> Commands:
    """How the repository at `root` is probably tested; an empty command where nothing tells."""
    return next(_guesses(root), Commands(""))


def _guesses(root: Path) -> Iterator[Commands]:
    python = next(
        (name for name in ("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini") if (root / name).is_file()), ""
    )
    if python or any((root / "tests").glob("test_*.py")):
        runner = "uv run pytest" if (root / "uv.lock").is_file() else "python -m pytest"
        yield Commands(f"{runner} -q {_JUNIT}", f"{runner} -q {_JUNIT} {{tests}}", seen=python or "tests/")
    if "test" in _npm_scripts(root):
        setup = "npm ci" if (root / "package-lock.json").is_file() else ""
        yield Commands("npm test", setup=setup, seen="package.json")
    if (root / "go.mod").is_file():
        yield Commands("go test ./...", seen="go.mod")
    if (root / "Cargo.toml").is_file():
        yield Commands("cargo test", seen="Cargo.toml")
    if _has_target(root / "Makefile", "test"):
        yield Commands("make test", seen="Makefile")


def _npm_scripts(root: Path) -> dict[str, object]:
    path = root / "package.json"
    if not path.is_file():
        return {}
    try:
        scripts = json.loads(path.read_text("utf-8")).get("scripts", {})
    except (ValueError, AttributeError):  # no JSON, or no object: nothing to be learnt from it
        return {}
    return scripts if isinstance(scripts, dict) else {}


def _has_target(makefile: Path, name: str) -> bool:
    return (
        makefile.is_file() and re.search(rf"(?m)^{name}\s*:(?!=)", makefile.read_text("utf-8", "replace")) is not None
    )


def _write(root: Path) -> Iterator[str]:
    """The files that were written, relative to `root`."""
    workflow = root / WORKFLOW_FILE
    if workflow.exists():
        tell(f"{WORKFLOW_FILE} is there and stays as it is.")
    else:
        guessed = guess_commands(root)
        text = render_template(test=guessed.test, setup=guessed.setup, focused=guessed.focused)
        with workflow.open("x", encoding="utf-8") as file:
            file.write(text)
        if guessed.test:
            tell(f"{WORKFLOW_FILE} written; its test command is a guess from {guessed.seen}: {guessed.test}")
        else:
            tell(f"{WORKFLOW_FILE} written; give it your test command: `test:` under `commands:`.")
        if guessed.setup:
            tell(
                f"`{guessed.setup}` will need the network, which only your own configuration can give (commands.setup.network)."
            )
        yield WORKFLOW_FILE
    before = set((root / TICKETS).glob("*"))
    form = write_ticket_form(root / TICKETS)
    if form not in before:
        tell(f"{TICKETS}/{form.name} written: the form of a new ticket.")
        yield f"{TICKETS}/{form.name}"


def _offer_commit(root: Path, written: tuple[str, ...]) -> None:
    """Effect: the files are committed if the person says so; else the commands for it are shown."""
    tell("AgentOS reads WORKFLOW.md from the base branch, so it counts once it is committed.")
    if asks_on_terminal() and ask(f"Commit {' and '.join(written)} now? [y/N] ").lower() in ("y", "yes"):
        sha = asyncio.run(commit_paths(root, written, "Let AgentOS work here"))
        tell(f"Committed as {sha[:12]}.")
        return
    git = "git" if root == Path.cwd() else f"git -C {shlex.quote(near(root))}"
    paths = shlex.join(written)
    tell(f"  {git} add {paths}")
    tell(f"  {git} commit -m 'Let AgentOS work here' -- {paths}")
