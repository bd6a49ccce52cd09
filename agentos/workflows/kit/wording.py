"""Words by which code can tell that something is left open, or that nothing could measure it (pure).

The rules look for certainty, not for suspicion: whatever they find goes back to its author or to a person.
"""

import re
from collections.abc import Iterable

from agentos.domain.document import Finding, Severity

_WORDS = re.compile(r"[\w-]+")
_UNDECIDED = re.compile(
    r"\b(?:TBD|TBC|to be (?:decided|determined|defined|confirmed|specified))\b|\?\?\?", re.IGNORECASE
)
_PHRASES = {"easy to use": "easy", "easier to use": "easy", "user friendly": "easy", "as expected": "fine"}
_PHRASES |= {"as it should": "fine", "at all times": "always"}
_QUALITIES = frozenset(
    _WORDS.findall("""fast faster quick quicker quickly efficient efficiently performant responsive scalable robust reliable reliably
    stable user-friendly friendly intuitive easy easier simple simpler nice nicer nicely clean cleaner elegant modern good
    better well improved maintainable readable flexible secure properly correct correctly sensible sensibly reasonable
    appropriate appropriately acceptable fine okay ok""")
)
_FILLER = frozenset(_WORDS.findall("very more much really quite as and or both all still always overall again enough"))
_LINKING = frozenset(
    _WORDS.findall("""is are be been feel feels look looks seem seems work works working run runs behave behaves stay stays remain remains
    get gets become becomes""")
)
_MEASURED = re.compile(r"[\d`\"'“”‘’]")
_PLAIN_SUCCESS = re.compile(
    r"(?:it )?(?:works?|success(?:ful)?|pass(?:es)?|ok|okay|no errors?|fine)[.!]?", re.IGNORECASE
)
_MOST_WORDS = 40


def is_undecided(text: str) -> bool:
    """Whether `text` says of itself that something in it is still to be decided."""
    return _UNDECIDED.search(text) is not None


def is_vague(text: str) -> bool:
    """Whether `text` says no more than that something has a quality (“the report is fast and robust”): no number, no
    quoted word, nothing that happens or does not."""
    if _MEASURED.search(text):
        return False
    plain = " ".join(text.casefold().split())
    for phrase, word in _PHRASES.items():
        plain = plain.replace(phrase, word)
    words = _WORDS.findall(plain)
    if len(words) > _MOST_WORDS:
        return False
    qualities = 0
    while words and words[-1] in _QUALITIES | _FILLER:
        qualities += words.pop() in _QUALITIES
    return qualities > 0 and (not words or words[-1] in _LINKING)


def undecided_findings(texts: Iterable[tuple[str, str]]) -> tuple[Finding, ...]:
    """A finding for each place, given with its text, in which something is left to be decided."""
    places = dict.fromkeys(where for where, text in texts if is_undecided(text))
    problem, fix = "leaves something to be decided", "decide it, and write down what was decided"
    return tuple(Finding(Severity.MAJOR, where or "a text", problem, fix) for where in places)


def is_plain_success(text: str) -> bool:
    """Whether `text` as an expected result is one that any implementation would meet."""
    return _PLAIN_SUCCESS.fullmatch(text.strip()) is not None or is_vague(text)
