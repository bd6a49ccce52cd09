"""What triage decides: what an issue lacks, which way it goes, what must be asked first (pure)."""

import re
from collections.abc import Iterator

from agentos.config.settings import Settings
from agentos.domain.decision import ACCEPTED_BY, DecisionKind, Wait
from agentos.domain.document import IssueBrief, Risk
from agentos.domain.issue import IntakePart
from agentos.domain.pipeline import Route, Stage, Verdict
from agentos.domain.status import WaitKind
from agentos.workflows.kit.markdown import brief_markdown, bullets, numbered
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.verdict import asked, blocked

INTAKE, TOO_LARGE, CONSENT = "intake", "too_large", "consent"
"""The codes of a wait for what the issue lacks, for what is to become of too large an issue, for leave to begin."""
COMPLETE = "Nothing that the work needs is missing from this issue any more."
MOST_CHARACTERS = 20_000
"""Of a brief: as much as every prompt that takes one shows."""
TRIVIAL_UP_TO, SPLIT_FROM = 2, 9
"""Complexity of 10: up to the first the documents are skipped, from the second on parts are proposed."""


_HEADINGS: dict[IntakePart, re.Pattern[str]] = {
    IntakePart.CRITERIA: re.compile(r"accept|criteri|definition of done|done when|expected|requirements?\b"),
    IntakePart.CONSTRAINTS: re.compile(r"constraint|limitation"),
    IntakePart.FAILURE_MODE: re.compile(r"failure|when it fails|error handling|rollback"),
    IntakePart.SCOPE: re.compile(r"scope|non-?goal"),
    IntakePart.OBJECTIVE: re.compile(r"objective|goal|summary|description|problem|why|what"),
}
_QUESTIONS: dict[IntakePart, str] = {
    IntakePart.OBJECTIVE: "What should be different once this is done, and for whom? One or two sentences are enough.",
    IntakePart.CRITERIA: (
        "How will you see that it is done? Name each acceptance criterion as one line that can be checked with yes or "
        "no, for example: `calc 1 / 0` prints `division by zero` and exits with 2."
    ),
    IntakePart.CONSTRAINTS: (
        "What must stay as it is, or has to be used: interfaces, formats, dependencies, speed? “None” is an answer."
    ),
    IntakePart.FAILURE_MODE: (
        "What should happen when the new behaviour cannot do its work: which message, which exit code, what is left as "
        "it was? “None” is an answer."
    ),
    IntakePart.SCOPE: "Which files may change? Globs, for example src/** and tests/**; “any” is an answer.",
}
NEEDED = (IntakePart.OBJECTIVE, IntakePart.CRITERIA)
"""Without these nobody could start, whatever else is required."""
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.{1,80})|\*\*([^*]{1,80})\*\*:?|([A-Z][A-Za-z -]{2,30}):")
_EMPTY = re.compile(r"[\s\W_]*(?:tbd|n/?a|none|no response|x|todo)?[\s\W_]*", re.IGNORECASE)  # left by a form
_NOTHING = re.compile(r"[\s\W_]*(?:n/?a|none|any)[\s\W_]*", re.IGNORECASE)
"""An answer where there need be nothing: constraints, failure mode, scope."""
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d+[.)])[ \t]+\S")
_OBLIGATION = re.compile(
    r"\b(?:should|must|shall|has to|have to|expect(?:ed|s)?|instead of|returns?|raises?|prints?|exits?|so that)\b",
    re.IGNORECASE,
)


def missing_parts(title: str, body: str, required: tuple[IntakePart, ...] = NEEDED) -> tuple[IntakePart, ...]:
    """The parts of `required` that the issue does not say; objective and acceptance criteria are always required.

    Generous by intent: prose counts as an objective, a list or a sentence that says what should happen as criteria.
    """
    parts = list(_sections(body))
    prose = [text for part, text in parts if part in (None, IntakePart.OBJECTIVE)]
    criteria = any(part is IntakePart.CRITERIA for part, _ in parts)
    telling = any(_OBLIGATION.search(text) or _has_item(text) for text in [title, *prose])
    found = {part for part, _ in parts}
    found |= {IntakePart.OBJECTIVE} if prose or criteria else set()
    found |= {IntakePart.CRITERIA} if telling else set()
    return tuple(part for part in IntakePart if part in (*NEEDED, *required) and part not in found)


def ask_for(missing: tuple[IntakePart, ...], unstated: tuple[IntakePart, ...] = ()) -> RunState:
    """The questions that fill what is missing; nothing where nothing is. `unstated` is told along: it may stay so."""
    if not missing:
        return {}
    title = f"the issue does not say its {_listed(missing)}"
    needs = ["edit the issue, or answer here"]
    more = [str(part) for part in unstated if part not in missing]
    if more:
        needs.append(f"say in it, too, if there is something to say: {', '.join(more)}")
    return asked(Stage.TRIAGE, title, tuple(_QUESTIONS[part] for part in missing), code=INTAKE, needs=tuple(needs))


def intake_comment(unstated: tuple[IntakePart, ...]) -> str:
    """What is said of an issue that is worked on although it does not say everything; that nothing is missing, where that
    is so."""
    if not unstated:
        return COMPLETE
    return (
        f"**The issue does not say its {_listed(unstated)}.** The work goes on, and nothing is guessed in their place: "
        "what is not limited is left as it is, and tests and documentation of the change count as part of it. Say them in "
        f"the issue at any time; it is then read again.\n\n{bullets(_QUESTIONS[part] for part in unstated)}"
    )


def _listed(parts: tuple[IntakePart, ...]) -> str:
    """`parts` as people list things."""
    words = [str(part) for part in parts]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def conversation(questions: tuple[str, ...], answers: tuple[str, ...]) -> str:
    """What was asked last and what people answered so far, oldest first; empty where nobody answered."""
    if not answers:
        return ""
    asked_last = ["Questions asked last:", *(f"{n}. {question}" for n, question in enumerate(questions, 1)), ""]
    said = ["Answers so far, oldest first:", *(f"- {answer}" for answer in answers)]
    return "\n".join([*(asked_last if questions else []), *said])


def route_of(complexity: int, risk: Risk) -> Route:
    """The way an issue of this complexity goes; what could do great harm is designed first, however small it is."""
    if complexity <= TRIVIAL_UP_TO and risk is not Risk.HIGH:
        return Route.TRIVIAL
    return Route.SPLIT if complexity >= SPLIT_FROM else Route.FULL


def judge(brief: IssueBrief, digest: str = "") -> RunState:
    """What keeps `brief` from being worked on; nothing where it is clear. An acceptance of its parts binds to `digest`."""
    if brief.open_questions:
        return asked(Stage.TRIAGE, "the issue leaves questions open", brief.open_questions)
    if not brief.objective.strip():
        return ask_for((IntakePart.OBJECTIVE,))
    if not brief.criteria:
        return ask_for((IntakePart.CRITERIA,))
    if brief.route is Route.SPLIT:
        return _too_large(brief, digest)
    length = len(brief_markdown(brief))
    if length > MOST_CHARACTERS:
        title = f"the brief has {length} characters, and every later stage is shown {MOST_CHARACTERS}: too much for one change"
        return blocked(
            Stage.TRIAGE, "brief_too_long", title, needs=("give feedback that narrows what this issue asks for",)
        )
    return {}


def consent_needed(brief: IssueBrief, settings: Settings) -> str:
    """Why a person has to agree before this work begins; empty where somebody asked for this very issue or a
    standing rule may start such work."""
    if not settings.by_rule:
        return ""
    if brief.work not in settings.scope.types:
        allowed = ", ".join(settings.scope.types) or "nothing"
        return f"{brief.work} is work that needs your word here (scope.types allows: {allowed})"
    return f"work of high risk needs your word: {brief.route_reason}" if brief.risk is Risk.HIGH else ""


def ask_consent(reason: str, digest: str) -> RunState:
    """The run waits for a person's word on the brief `digest`."""
    wait = Wait(
        WaitKind.BLOCKER,
        Stage.TRIAGE,
        reason,
        summary="The brief is on the run's record.",
        accepts=(DecisionKind.APPROVE, DecisionKind.FEEDBACK, DecisionKind.REJECT),
        subject=digest,
        code=CONSENT,
        needs=("approve to let this issue be worked on",),
    )
    return {"verdict": Verdict.BLOCK, "wait": dump(wait)}


def can_be_reused(brief: IssueBrief, issue_digest: str) -> bool:
    """Whether an earlier brief still says what the issue says now, with nothing left to ask."""
    return brief.issue_digest == issue_digest and not judge(brief)


def _too_large(brief: IssueBrief, digest: str) -> RunState:
    title = f"too large for one change (complexity {brief.complexity} of 10): {brief.route_reason}"
    narrow = "give feedback that narrows what this issue asks for, or names its parts"
    needs = ("approve to file the proposed parts as issues and close this one", f"or {narrow}")
    wait = Wait(
        WaitKind.BLOCKER,
        Stage.TRIAGE,
        title,
        summary=numbered(brief.parts),
        accepts=(DecisionKind.APPROVE, *ACCEPTED_BY[WaitKind.BLOCKER])
        if brief.parts
        else ACCEPTED_BY[WaitKind.BLOCKER],
        subject=digest if brief.parts else "",
        code=TOO_LARGE,
        evidence=brief.parts or ("no parts were proposed",),
        needs=needs if brief.parts else (narrow,),
    )
    return {"verdict": Verdict.BLOCK, "wait": dump(wait), "route": Route.SPLIT}


def _sections(body: str) -> Iterator[tuple[IntakePart | None, str]]:
    """Each part that says something, with its text; None for text under no known heading."""
    part: IntakePart | None = None
    lines: list[str] = []
    fenced = False
    for line in _COMMENT.sub("", body).split("\n"):
        fenced ^= line.lstrip().startswith(("```", "~~~"))
        heading = None if fenced else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        if _says_something(lines, part):
            yield part, "\n".join(lines)
        part = _part_of(next(filter(None, heading.groups())))
        lines = [line[heading.end() :]]
    if _says_something(lines, part):
        yield part, "\n".join(lines)


def _part_of(heading: str) -> IntakePart | None:
    return next((part for part, pattern in _HEADINGS.items() if pattern.search(heading.lower())), None)


def _says_something(lines: list[str], part: IntakePart | None) -> bool:
    optional = part not in (None, *NEEDED)
    return any(not _EMPTY.fullmatch(line) or (optional and _NOTHING.fullmatch(line)) for line in lines)


def _has_item(text: str) -> bool:
    return any(_ITEM.match(line) for line in text.split("\n"))
