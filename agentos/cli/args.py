"""Words on a command line to one frozen request; nothing is looked up or changed here."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from agentos import __version__
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Gate, Stage

DECISIONS: dict[str, tuple[str, str]] = {
    "approve": ("pass the gate, the review or the merge-ready dossier", ""),
    "feedback": ("send the document or change back with what should be different", "what should be different"),
    "reject": ("cancel the run and clean up", "why"),
    "answer": ("answer the run's questions", "the answer"),
    "retry": ("run the current stage again with fresh limits, or a new run from a stage on", ""),
    "skip": ("go on without the design or the spec that the run waits with", "why"),
    "hold": ("stop the run at the end of its present step, until it is resumed", "why"),
    "resume": ("go on with a run that is on hold or was interrupted", ""),
    "cancel": ("end the run wherever it stands, and clean up", "why"),
}
LOOKS: dict[str, str] = {
    "status": "what waits for you (the default)",
    "show": "where a run stands, what it did, what it waits for",
    "diff": "the change of a run, as git shows it",
    "logs": "all that happened in a run, a line for each event",
    "costs": "what models cost so far, by issue, stage, model and day",
    "config": "every setting that holds here, and where it comes from",
    "doctor": "whether this machine and this repository have what a run needs",
}
EXAMPLES: dict[str, str] = {
    "run": "run --issue 1 --gate-after-lld",
    "serve": "serve",
    "approve": "approve 1 1a2b3c4d",
    "feedback": 'feedback 1 "Name the function after what it returns."',
    "reject": 'reject 1 "We do not want this any more."',
    "answer": 'answer 1 "Only for signed-in users."',
    "retry": "retry 1 spec",
    "skip": "skip 1 lld -- the design is in the issue",
    "hold": 'hold 1 "until Monday"',
    "resume": "resume 1",
    "cancel": 'cancel 1 "done by hand"',
    "rebuild": "rebuild 1 --dry-run",
    "status": "status --all",
    "show": "show 1 --html run.html",
    "diff": "diff 1 --stat",
    "logs": "logs 1 --follow",
    "costs": "costs 1",
    "config": "config --json",
    "doctor": "doctor",
    "init": "init --repo ~/src/todo",
    "new": 'new "Show the due date in the list"',
    "demo": "demo",
}
"""What to type, for each command."""
_MOST_DIGITS = 18
"""The longest number of an issue: it fits into a column of the database."""
COMMANDS = frozenset(EXAMPLES)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for. `words` are settings by dotted key; `again` is how the person called the program."""

    command: str
    again: str
    issue: int | None = None
    repo: Path = Path()
    repo_given: bool = False
    text: str = ""
    sha: str = ""
    resume_from: Stage | None = None
    dry_run: bool = False
    wait: bool = True
    json: bool = False
    quiet: bool = False
    everything: bool = False
    follow: bool = False
    stat: bool = False
    html: Path | None = None
    stage: Stage | None = None
    model: str = ""
    from_brief: Path | None = None
    github: str | None = None
    repos: tuple[Path, ...] = ()
    overrides: dict[str, Any] = field(default_factory=dict)


Parser: TypeAlias = argparse.ArgumentParser


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence and how to see more, instead of a usage dump."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._refuse_unknown([] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        """Raises UsageError for the first option there is none of: a missing one that was misspelled is named by what was
        typed. Of the program's words those before the command are its own."""
        of_ours = takewhile(lambda word: word.startswith("-"), words) if self._subparsers is not None else words
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        for word in takewhile(lambda word: word != "--", of_ours):
            option = word.partition("=")[0]
            if word.startswith("--") and " " not in word and not any(name.startswith(option) for name in known):
                from difflib import get_close_matches  # only for who mistyped

                close = get_close_matches(option, known, n=1)
                self.error(f"unknown option {option}" + (f"; did you mean {close[0]}?" if close else ""))

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `{self.prog} --help` shows what there is")


def parse(argv: list[str], prog: str) -> Request:
    """The request in `argv`. Raises UsageError for words that make none; `--help` and `--version` exit with 0."""
    parser, _ = program(prog)
    given = vars(parser.parse_args(argv))
    command = given.pop("command") or "status"
    overrides: dict[str, Any] = dict(given.pop("overrides", None) or [])
    for gate in Gate:
        chosen = given.pop(f"gate_{gate}", None)
        if chosen is not None:
            overrides[f"orchestrator.gates.{gate}"] = chosen
    for document in ("lld", "spec"):
        if given.pop(f"skip_{document}", None):
            overrides[f"orchestrator.skip_{document}"] = True
    until = given.pop("until", None)
    if until is not None:
        overrides["until"] = until
    if command == "serve":
        given["repos"] = tuple(given.pop("repo", None) or (Path(),))
    repo = given.pop("repo", None)
    if isinstance(given.get("text"), list):
        given["text"] = " ".join(given["text"])
    known = {key: value for key, value in given.items() if value is not None}
    return Request(command, prog, repo=repo or Path(), repo_given=repo is not None, overrides=overrides, **known)


def program(prog: str) -> tuple[Parser, Mapping[str, Parser]]:
    """All there is to type, as it is read and as the reference page tells it: the program's parser and each command's."""
    parser = _Parser(
        prog=prog,
        description="Takes an issue to a merged, verified change.",
        epilog=f"`{prog} COMMAND --help` says more about each; begin with `{prog} {EXAMPLES['demo']}`.",
    )
    parser.add_argument("--version", action="version", version=f"agentos {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def add(name: str, what: str) -> Parser:
        return commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example:\n  {prog} {EXAMPLES[name]}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _run(add("run", "work on an issue until it is done or waits for a person"))
    _serve(add("serve", "work on every issue that is moved to Ready, until stopped"))
    for name, (what, text) in DECISIONS.items():
        _decision(add(name, what), name, text)
    for name, what in LOOKS.items():
        _look(add(name, what), name)
    rebuild = _issue(add("rebuild", "find a run again whose database is lost, and go on with it"))
    rebuild.add_argument("--dry-run", action="store_true", help="only say what was found, and where it would go on")
    _common(rebuild)
    init = add("init", "set a repository up: WORKFLOW.md, and tickets or GitHub")
    init.add_argument(
        "--github",
        nargs="?",
        const="",
        metavar="OWNER/NAME",
        help="a repository on GitHub; without a name, this clone's",
    )
    _common(init)
    new = add("new", "write a new ticket")
    new.add_argument("text", metavar="TITLE", help="what should be done, in a few words")
    _common(new)
    demo = add("demo", "see the whole way on a small repository made for it")
    demo.add_argument(
        "--model",
        type=_model,
        metavar="MODEL",
        help="provider:model, to use a real model instead of the script",
    )
    return parser, commands.choices


def _issue(parser: Parser) -> Parser:
    parser.add_argument("issue", type=_number, help="the issue's number")
    return parser


def _look(parser: Parser, name: str) -> None:
    if name in ("show", "diff", "logs"):
        _issue(parser)
    if name == "costs":
        parser.add_argument("issue", type=_number, nargs="?", help="only this issue")
    elif name == "status":
        parser.add_argument("--all", dest="everything", action="store_true", help="runs that have ended, too")
    elif name == "show":
        parser.add_argument(
            "--full", dest="everything", action="store_true", help="every document, and differences in full"
        )
        parser.add_argument("--html", type=Path, metavar="FILE", help="write it as one page for a browser instead")
    elif name == "diff":
        parser.add_argument("--stat", action="store_true", help="only which files, and how many lines")
    elif name == "logs":
        parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    _common(parser)


def _run(parser: Parser) -> None:
    parser.usage = "%(prog)s --issue N [options]"
    parser.add_argument("--issue", type=_number, required=True, metavar="N", help="the issue's number")
    parser.add_argument("--resume-from", type=_stage, metavar="STAGE", help=f"enter at one of: {', '.join(Stage)}")
    parser.add_argument("--dry-run", action="store_true", help="show what would happen, and change nothing")
    parser.add_argument("--until", type=_stage, metavar="STAGE", help="pause after that stage; after pr: end")
    for document in ("lld", "spec"):
        parser.add_argument(
            f"--skip-{document}", action="store_true", help=f"without {document}, unless an approved one is there"
        )
    parser.add_argument("--from-brief", type=Path, metavar="FILE", help="an issue brief of your own, instead of triage")
    parser.add_argument(
        "--set", dest="overrides", type=_setting, action="append", metavar="KEY=VALUE", help="a setting, by dotted key"
    )
    for gate in Gate:
        parser.add_argument(
            f"--gate-{gate.replace('_', '-')}",
            dest=f"gate_{gate}",
            action=argparse.BooleanOptionalAction,
            help=f"ask a person {gate.replace('_', ' ')}, or not",
        )
    _common(parser)


def _serve(parser: Parser) -> None:
    again = "once for each repository to watch (the one around this folder)"
    parser.add_argument("--repo", type=Path, action="append", metavar="PATH", help=again)
    parser.add_argument(
        "--set", dest="overrides", type=_setting, action="append", metavar="KEY=VALUE", help="a setting, by dotted key"
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="only what does not go as it should")


def _decision(parser: Parser, name: str, text: str) -> None:
    _issue(parser)
    if name == "approve":
        parser.add_argument("sha", nargs="?", default="", help="only if this is what it waits with")
    elif name == "retry":
        parser.add_argument("stage", nargs="?", type=_stage, help=f"begin a new run there: one of {', '.join(Stage)}")
    elif name == "skip":
        parser.add_argument("stage", type=_stage, help="lld or spec")
        parser.add_argument("text", nargs="*", metavar="REASON", help="after --, why it is not needed")
    elif text:
        parser.add_argument("text", nargs="?", default="", help=text)
    parser.add_argument("--no-wait", dest="wait", action="store_false", help="only record it; do not go on here")
    _common(parser)


def _common(parser: Parser) -> None:
    parser.add_argument("--repo", type=Path, metavar="PATH", help="the repository (the one around this folder)")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output")
    parser.add_argument("--quiet", "-q", action="store_true", help="only the result")


def _number(text: str) -> int:
    digits = text.removeprefix("#")
    if not digits.isascii() or not digits.isdigit() or len(digits) > _MOST_DIGITS or int(digits) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of an issue")
    return int(digits)


def _model(text: str) -> str:
    provider, colon, name = text.partition(":")
    if not (provider and colon and name):
        raise argparse.ArgumentTypeError(f"{text!r} should be provider:model, for example anthropic:claude-opus-5-5")
    return text


def _stage(text: str) -> Stage:
    try:
        return Stage(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a stage; one of: {', '.join(Stage)}") from None


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} should be KEY=VALUE, for example budget.usd=5")
    return key, value
