"""Commands in comments: what the first line of a comment says to a run, if it says anything (pure; DESIGN §7)."""

import re
from dataclasses import dataclass
from enum import StrEnum

from agentos.domain.naming import clean_text
from agentos.domain.pipeline import Gate, Stage

WORD = "/agentos"
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")
_SPACE = re.compile(r"[ \t]+")
_MAIL = re.compile(
    r"^(?:On [^\n]{1,200}(?:\n[^\n]{1,200})?\bwrote:[ \t]*\n\s*(?=>)|-+ ?Original Message ?-+[ \t]*$|-- $)",
    re.MULTILINE,
)
"""Where an e-mail program begins to quote what was answered, or a signature."""
_SHOWN_CHARACTERS = 40


class Verb(StrEnum):
    """What a command asks for."""

    QUEUE = "queue"
    ANSWER = "answer"
    APPROVE = "approve"
    REJECT = "reject"
    FEEDBACK = "feedback"
    RETRY = "retry"
    SKIP = "skip"
    HOLD = "hold"
    RESUME = "resume"
    CANCEL = "cancel"
    STATUS = "status"


FORMS: dict[Verb, str] = {
    Verb.QUEUE: "queue",
    Verb.ANSWER: "answer <text>",
    Verb.APPROVE: "approve [sha] [gate=<name>]",
    Verb.REJECT: "reject <reason>",
    Verb.FEEDBACK: "feedback <text>",
    Verb.RETRY: "retry [stage]",
    Verb.SKIP: "skip <stage> -- <reason>",
    Verb.HOLD: "hold [reason]",
    Verb.RESUME: "resume",
    Verb.CANCEL: "cancel [reason]",
    Verb.STATUS: "status",
}
"""How each is written."""
_NEEDS_TEXT = frozenset({Verb.ANSWER, Verb.REJECT, Verb.FEEDBACK})
_TAKES_TEXT = _NEEDS_TEXT | {Verb.HOLD, Verb.CANCEL}


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `text`: an answer, feedback or reason. `sha`: what an approval names, in small letters."""

    verb: Verb
    text: str = ""
    sha: str = ""
    gate: Gate | None = None
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A line that speaks to AgentOS and is no command; `why` in one sentence."""

    why: str


def read_command(comment: str) -> Command | Misspelt | None:
    """What the first line of a comment that is not blank says to a run; None where it does not speak to AgentOS.

    It has to stand as plain text: in a quotation, a code block, a list or a hidden comment it says nothing. Words are
    compared exactly. A text goes on over the lines below, without an e-mail's quotation and signature at their end.
    """
    text = clean_text(comment).replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if line.strip()), None)
    if first is None or not _speaks(lines[first]) or not _is_plain(text, first):
        return None
    words = lines[first].strip(" \t").removeprefix(WORD).strip(" \t")
    word, rest = _parted(words)
    if word not in tuple(Verb):
        return Misspelt(f"{_told(word)} is no command" if word else "a command is missing")
    return _command(Verb(word), rest, "\n".join(lines[first + 1 :]))


def written(command: Command) -> str:
    """`command` as people write it; reading that gives it back."""
    stage, gate = command.stage or "", f"gate={command.gate}" if command.gate else ""
    dashes = "--" if command.verb is Verb.SKIP else ""
    words = (WORD, command.verb, command.sha, gate, stage, dashes, command.text)
    return " ".join(word for word in words if word)


def _speaks(line: str) -> bool:
    return _parted(line.strip(" \t"))[0] == WORD


def _is_plain(text: str, line: int) -> bool:
    """Whether the block that begins at `line` is the first one and plain text. A signature's dashes below make a heading
    of a paragraph."""
    from markdown_it import MarkdownIt  # a run that nobody speaks to does without

    blocks = MarkdownIt("commonmark").parse(text)
    block = blocks[0] if blocks else None
    return block is not None and block.type in ("paragraph_open", "heading_open") and (block.map or [-1])[0] == line


def _parted(text: str) -> tuple[str, str]:
    """The first word, and the rest."""
    parts = _SPACE.split(text, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _command(verb: Verb, rest: str, below: str) -> Command | Misspelt:
    if verb in _TAKES_TEXT:
        text = f"{rest}\n{_without_mail(below)}".strip()
        return Command(verb, text) if text or verb not in _NEEDS_TEXT else _miswritten(verb, "the text is missing")
    match verb:
        case Verb.APPROVE:
            return _approve(rest)
        case Verb.RETRY:
            return _retry(rest)
        case Verb.SKIP:
            return _skip(rest, _without_mail(below))
        case _:
            return _miswritten(verb, f"{_told(rest)} is too much") if rest else Command(verb)


def _approve(rest: str) -> Command | Misspelt:
    sha, gate = "", None
    for word in rest.split():
        if word.startswith("gate="):
            name = word.removeprefix("gate=")
            if name not in tuple(Gate) or gate is not None:
                return _miswritten(Verb.APPROVE, f"{_told(word)} names no gate; one of: {', '.join(Gate)}")
            gate = Gate(name)
        elif _SHA.fullmatch(word) and not sha:
            sha = word.lower()
        else:
            return _miswritten(Verb.APPROVE, f"{_told(word)} is no commit (7 to 64 digits of its sha) and no gate")
    return Command(Verb.APPROVE, sha=sha, gate=gate)


def _retry(rest: str) -> Command | Misspelt:
    if rest and rest not in tuple(Stage):
        return _miswritten(Verb.RETRY, f"{_told(rest)} is no stage; one of: {', '.join(Stage)}")
    return Command(Verb.RETRY, stage=Stage(rest) if rest else None)


def _skip(rest: str, below: str) -> Command | Misspelt:
    name, _, reason = f"{rest}\n{below}".partition("--")
    if name.strip() not in tuple(Stage):
        return _miswritten(Verb.SKIP, f"{_told(name)} is no stage; one of: {', '.join(Stage)}")
    if not reason.strip():
        return _miswritten(Verb.SKIP, "the reason is missing")
    return Command(Verb.SKIP, reason.strip(), stage=Stage(name.strip()))


def _miswritten(verb: Verb, why: str) -> Misspelt:
    return Misspelt(f"{why}; it is written `{WORD} {FORMS[verb]}`")


def _without_mail(text: str) -> str:
    """`text` up to where an e-mail program quotes what was answered, or signs."""
    return _MAIL.split(text, maxsplit=1)[0]


def _told(word: str) -> str:
    """`word` in a sentence: foreign text, so not all of it, and nothing in it that Markdown would take for its own."""
    plain = " ".join(re.sub(r"[`<>@|*_\[\]]", " ", word).split())
    return f"“{plain if len(plain) <= _SHOWN_CHARACTERS else plain[:_SHOWN_CHARACTERS] + '…'}”"
