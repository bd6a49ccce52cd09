"""What triage decides: what an issue lacks, which way it goes, what must be asked first (pure)."""

import re
from collections.abc import Iterator
from enum import StrEnum

from agentos.domain.decision import ACCEPTED_BY, DecisionKind, Wait
from agentos.domain.document import IssueBrief, Risk
from agentos.domain.pipeline import Route, Stage, Verdict
from agentos.domain.status import WaitKind
from agentos.workflows.kit.markdown import numbered
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.verdict import asked

INTAKE, TOO_LARGE = "intake", "too_large"
"""The codes of a wait for what the issue lacks, and of one for what is to become of too large an issue."""
COMPLETE = "Nothing that the work needs is missing from this issue any more."
TRIVIAL_UP_TO, SPLIT_FROM = 2, 9
"""Complexity of 10: up to the first the documents are skipped, from the second on parts are proposed."""


class IntakePart(StrEnum):
    """A part of the intake contract."""

    OBJECTIVE = "objective"
    CRITERIA = "acceptance criteria"
    CONSTRAINTS = "constraints"
    FAILURE_MODE = "failure mode"
    SCOPE = "allowed scope"


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
}
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.{1,80})|\*\*([^*]{1,80})\*\*:?|([A-Z][A-Za-z -]{2,30}):")
_EMPTY = re.compile(r"[\s\W_]*(?:tbd|n/?a|none|no response|x|todo)?[\s\W_]*", re.IGNORECASE)  # left by a form
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d+[.)])[ \t]+\S")
_OBLIGATION = re.compile(
    r"\b(?:should|must|shall|has to|have to|expect(?:ed|s)?|instead of|returns?|raises?|prints?|exits?|so that)\b",
    re.IGNORECASE,
)


def missing_parts(title: str, body: str) -> tuple[IntakePart, ...]:
    """The parts without which nobody could start: objective and acceptance criteria, where truly neither is there.

    Generous by intent: prose counts as an objective, a list or a sentence that says what should happen as criteria.
    """
    parts = list(_sections(body))
    prose = [text for part, text in parts if part in (None, IntakePart.OBJECTIVE)]
    criteria = any(part is IntakePart.CRITERIA for part, _ in parts)
    telling = any(_OBLIGATION.search(text) or _has_item(text) for text in [title, *prose])
    found = {
        IntakePart.OBJECTIVE: bool(prose) or criteria,
        IntakePart.CRITERIA: criteria or telling,
    }
    return tuple(part for part, there in found.items() if not there)


def unstated_parts(body: str) -> tuple[IntakePart, ...]:
    """The parts of the intake contract that the issue has no section for."""
    stated = {part for part, _ in _sections(body)}
    return tuple(part for part in IntakePart if part not in stated)


def ask_for(missing: tuple[IntakePart, ...], unstated: tuple[IntakePart, ...] = ()) -> RunState:
    """The questions that fill what is missing; nothing where nothing is. `unstated` is told along: it may stay so."""
    if not missing:
        return {}
    title = f"the issue does not say its {' and '.join(missing)}"
    needs = ["edit the issue, or answer here"]
    more = [str(part) for part in unstated if part not in missing]
    if more:
        needs.append(f"say in it, too, if there is something to say: {', '.join(more)}")
    return asked(Stage.TRIAGE, title, tuple(_QUESTIONS[part] for part in missing), code=INTAKE, needs=tuple(needs))


def conversation(questions: tuple[str, ...], answers: tuple[str, ...]) -> str:
    """What was asked last and what people answered so far, oldest first; empty where nobody answered."""
    if not answers:
        return ""
    asked_last = ["Questions asked last:", *(f"{n}. {question}" for n, question in enumerate(questions, 1)), ""]
    said = ["Answers so far, oldest first:", *(f"- {answer}" for answer in answers)]
    return "\n".join([*(asked_last if questions else []), *said])


def conflict_question(contradiction: str) -> str:
    """The question that a contradiction leaves."""
    return f"The issue contradicts itself: {contradiction} Which of the two holds?"


def untestable_question(criterion: str, why: str) -> str:
    """The question that a criterion leaves which nothing could measure."""
    return f"No test can decide the criterion “{criterion}” ({why}). What could be measured instead, with which result?"


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
    return {}


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
        if _says_something(lines):
            yield part, "\n".join(lines)
        part = _part_of(next(filter(None, heading.groups())))
        lines = [line[heading.end() :]]
    if _says_something(lines):
        yield part, "\n".join(lines)


def _part_of(heading: str) -> IntakePart | None:
    return next((part for part, pattern in _HEADINGS.items() if pattern.search(heading.lower())), None)


def _says_something(lines: list[str]) -> bool:
    return any(not _EMPTY.fullmatch(line) for line in lines)


def _has_item(text: str) -> bool:
    return any(_ITEM.match(line) for line in text.split("\n"))
