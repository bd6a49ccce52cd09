"""What code can hold against a brief before any drafting is paid: each doubt is a question with exact wording (pure).

Only what is certain: two sentences that say yes and no to the same, or give one thing two results; a criterion that
names a quality and nothing to see; a scope in which no file lies. The rest is for the model and for people.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from agentos.domain.document import IssueBrief
from agentos.workflows.kit.scope import outside
from agentos.workflows.kit.wording import is_undecided, is_vague

_NEGATION = re.compile(r"\b(?:does not|do not|is not|are not|must not|may not|cannot|can not|never|no longer|not)\b")
_YES = {"does not": "", "do not": "", "is not": "is", "are not": "are", "must not": "must", "may not": "may"}
_RESULT = re.compile(
    r"\b(exits? with(?: code)?|exit code(?: is)?|returns?|status(?: code)?(?: is)?)\s+`?([\w.-]+)`?\s*[.!]?$"
)
_STEM = re.compile(r"(?<=ss)es\b|(?<=[a-z]{2}[^\Ws])s\b")
"""“does not print” and “prints” are the same word."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the change will be made: the files of the base commit, and the globs that WORKFLOW.md allows."""

    files: tuple[str, ...] = ()
    policy: tuple[str, ...] = ()


def conflict_question(contradiction: str) -> str:
    """The question that a contradiction leaves."""
    return f"The issue contradicts itself: {contradiction} Which of the two holds?"


def untestable_question(criterion: str, why: str) -> str:
    """The question that a criterion leaves which nothing could measure."""
    return f"No test can decide the criterion “{criterion}” ({why}). What could be measured instead, with which result?"


def with_doubts(brief: IssueBrief, ground: Ground, *, settled: tuple[str, ...] = ()) -> IssueBrief:
    """`brief` with a question for each doubt that is not among its questions, nor among the `settled` ones: those that
    people were asked and have answered."""
    known = "\n".join(brief.open_questions)
    doubts = [each for each in _doubts(brief, ground) if each.subject not in known and each.question not in settled]
    return replace(brief, open_questions=(*brief.open_questions, *dict.fromkeys(each.question for each in doubts)))


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A question and the words of the brief it is about."""

    subject: str
    question: str


def _doubts(brief: IssueBrief, ground: Ground) -> Iterator[_Doubt]:
    texts = [item.text for item in brief.criteria]
    for text in texts:
        if is_undecided(text) or text.rstrip().endswith("?"):
            yield _Doubt(text, f"The criterion “{text}” is left open. What is decided?")
        elif is_vague(text):
            yield _Doubt(text, untestable_question(text, "it names a quality and nothing that could be seen"))
    for one, other in _contradictions([*texts, *brief.constraints]):
        yield _Doubt(other, conflict_question(f"“{one}” and “{other}”."))
    yield from _scope_doubts(brief, ground)


def _contradictions(statements: list[str]) -> Iterator[tuple[str, str]]:
    """The pairs of statements that cannot both hold, the earlier one first."""
    said: dict[str, tuple[bool, str]] = {}
    results: dict[str, tuple[str, str]] = {}
    for statement in statements:
        meaning, positive = _meaning(statement)
        before = said.setdefault(meaning, (positive, statement))
        if before[0] is not positive:
            yield before[1], statement
        found = _RESULT.search(meaning) if positive else None
        if found is not None and found.start() > 0:
            first = results.setdefault(meaning[: found.end(1)], (found[2], statement))
            if first[0] != found[2]:
                yield first[1], statement


def _meaning(statement: str) -> tuple[str, bool]:
    """What `statement` is about, in a form in which a denial reads like what it denies; and whether it affirms it."""
    text = " ".join(statement.casefold().replace("n't", " not").rstrip(".! ").split())
    positive = len(_NEGATION.findall(text)) % 2 == 0
    text = _NEGATION.sub(lambda found: _YES.get(found[0], ""), text)
    return _STEM.sub("", " ".join(text.split())), positive


def _scope_doubts(brief: IssueBrief, ground: Ground) -> Iterator[_Doubt]:
    both = [glob for glob in brief.allowed_scope if glob in brief.out_of_scope]
    for glob in both:
        yield _Doubt(glob, conflict_question(f"“{glob}” is in the allowed scope and out of scope."))
    for glob in brief.allowed_scope:
        if " " in glob.strip() and not _inside(ground.files, ((glob,),)):
            question = (
                f"No file fits the allowed scope “{glob}”. Which paths may change? Globs, as src/** or docs/*.md."
            )
            yield _Doubt(glob, question)
    if not (brief.allowed_scope and ground.policy):
        return
    allowed, governed = _inside(ground.files, (brief.allowed_scope,)), _inside(ground.files, (ground.policy,))
    if allowed and governed and not set(allowed) & set(governed):
        here, there = ", ".join(brief.allowed_scope), ", ".join(ground.policy)
        text = f"the issue allows changes in “{here}” alone, WORKFLOW.md in “{there}” alone, and no file lies in both."
        yield _Doubt(text, conflict_question(text))


def _inside(files: Iterable[str], scopes: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Those of `files` that lie in every one of `scopes`."""
    listed = tuple(files)
    lost = outside(listed, scopes)
    return tuple(path for path in listed if path not in lost)
