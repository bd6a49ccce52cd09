"""Words on a screen: text made harmless, numbers made short, consoles that never read markup out of what they print."""

import re
import shlex
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agentos.cli.args import Request
from agentos.domain.naming import clean_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SHORT = 12
"""Characters of a sha that people are shown."""


def console(*, stderr: bool = False) -> "Console":
    """A console on standard output or error. Markup, emoji codes and highlighting are off: what is printed came from
    models, repositories and issues."""
    from rich.console import Console  # 50 ms that a command line without a terminal does not need

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the program on the spot, whatever it was doing

    return PlainConsole(stderr=stderr, markup=False, emoji=False, highlight=False)


def print_table(screen: "Console", table: "RenderableType") -> None:
    """Effect: `table` is on `screen`; into a file without the blanks that fill up its lines."""
    if screen.is_terminal:
        screen.print(table)
        return
    with screen.capture() as printed:
        screen.print(table)
    print(*(line.rstrip() for line in printed.get().splitlines()), sep="\n")


def one_line(text: str, most: int = 400) -> str:
    """`text` cleaned, on one line of at most `most` characters."""
    line = " ".join(clean_text(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def clean_line(text: str) -> str:
    """`text` cleaned, its indentation kept: a line of a diff or of code."""
    return clean_text(text).replace("\n", " ")


def duration(seconds: float) -> str:
    """`seconds` as people read them."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def money(usd: float | None) -> str:
    """`usd` as people read it; an unknown price is no price of nothing."""
    return "$?" if usd is None else f"${usd:.2f}"


def count(number: int, thing: str) -> str:
    """`number` of `thing`, with its plural."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def moment(at: str | None) -> str:
    """An ISO 8601 time as this machine's people read it."""
    return "" if at is None else datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")


def second(at: str) -> str:
    """An ISO 8601 time as this machine's people read it, to the second."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def page(text: str) -> None:
    """Effect: the person reads `text` in their pager (`PAGER`, else less), or it is printed where there is none."""
    import pydoc  # starts the pager, and nothing else here wants it

    pydoc.pager(text)


def command(request: Request, word: str, *rest: str, repo: str = "") -> str:
    """A command as the person would type it here: their way to call the program, their `--repo`.

    `repo`: the folder to name where theirs would not do.
    """
    usual = request.again.endswith("orchestrate.py") and word == "run"
    words = [request.again, *([] if usual else [word]), *rest]
    if repo:
        words += ["--repo", shlex.quote(repo)]
    elif request.repo_given:
        words += ["--repo", shlex.quote(str(request.repo))]
    return " ".join(words)


def as_called(text: str, request: Request) -> str:
    """`text`, its commands (`agentos …`, between backticks) as the person would type them here."""
    repo = f" --repo {shlex.quote(str(request.repo))}" if request.repo_given else ""
    return re.sub(r"`agentos((?: [^`]*)?)`", lambda found: f"`{request.again}{found[1]}{repo}`", text)


def tell(text: str = "") -> None:
    """Effect: a line on standard error, for people: standard output is for the result.

    A terminal that was closed takes nothing away from the work: whoever wants to know asks `show`.
    """
    with suppress(OSError):
        print(clean_text(text), file=sys.stderr, flush=True)


def asks_on_terminal() -> bool:
    """Whether a person is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> str:
    """What the person typed at `question`; empty where they ended the input."""
    print(clean_text(question), end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return clean_text(answer).strip()


def near(path: Path) -> str:
    """`path` as it is shortest to type from here."""
    here = Path.cwd()
    if path.is_relative_to(here) and here != Path(here.anchor):
        return str(path.relative_to(here))
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):  # it lies elsewhere, or this user has no home
        return str(path)
