"""An issue brief that a person wrote, as JSON or as Markdown: read into the reply a drafter would have given (pure)."""

import re
from typing import Any

from pydantic import ValidationError

from agentos.domain.naming import clean_text
from agentos.workflows.triage.reply import BriefReply

MOST_CHARACTERS = 64_000
_LISTS = {
    "acceptance criteria": "criteria",
    "criteria": "criteria",
    "constraints": "constraints",
    "allowed scope": "allowed_scope",
    "scope": "allowed_scope",
    "out of scope": "out_of_scope",
    "dependencies": "dependencies",
    "open questions": "open_questions",
    "parts": "parts",
}
_TEXTS = {"objective": "objective", "failure mode": "failure_mode"}
_NO_ITEMS = frozenset({"none", "none.", "not limited by the issue."})
_DEFAULTS: dict[str, Any] = {"complexity": 5, "risk": "medium", "route_reason": "a person wrote the brief"}
"""The long way: what nobody judged is designed and reviewed."""
_TITLE = re.compile(r"#\s+(?:Issue brief:\s*)?(.*?)(?:\s*\(#\d+\))?\s*")
_HEADING = re.compile(r"##+\s+(.+?)\s*:?\s*")
_OBJECTIVE = re.compile(r"\*\*Objective\.?\*\*:?\s*(.*)")
_JUDGED = re.compile(
    r"complexity\W{0,5}(\d+)(?:\s*of\s*10)?\W+risk\W{0,5}(low|medium|high)\b(?:\W+work\W{0,5}(\w+))?(?:.*?:\s*(.+))?",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s+(?:AC-\d+:\s*)?(.*)")


class NotABrief(ValueError):
    """The text makes no brief; it says why, a line for each reason."""


def read_brief(text: str) -> BriefReply:
    """The brief in `text`. Raises NotABrief.

    JSON has the fields of `BriefReply`; Markdown is the form of `issue-brief.md`, as far as it is there: a title, an
    objective and criteria are enough.
    """
    cleaned = clean_text(text).strip()
    if len(cleaned) > MOST_CHARACTERS:
        raise NotABrief(f"it is longer than {MOST_CHARACTERS} characters")
    try:
        if cleaned.startswith("{"):
            brief = BriefReply.model_validate_json(cleaned)
        else:
            brief = BriefReply.model_validate({**_DEFAULTS, **_fields(cleaned)})
    except ValidationError as exc:
        raise NotABrief("\n".join(_sentence(each["loc"], each["msg"]) for each in exc.errors()[:10])) from exc
    if not brief.objective or not brief.criteria:
        lacking = "objective" if not brief.objective else "acceptance criteria"
        raise NotABrief(f"it has no {lacking}; they stand under `## {lacking.capitalize()}`")
    return brief


def _sentence(place: tuple[int | str, ...], message: str) -> str:
    where = ".".join(map(str, place))
    return f"{where}: {message}" if where else message


def _fields(markdown: str) -> dict[str, Any]:
    found: dict[str, Any] = {"objective": "", "criteria": []}
    section = ""
    for line in markdown.split("\n"):
        title, heading, objective = _TITLE.fullmatch(line), _HEADING.fullmatch(line), _OBJECTIVE.fullmatch(line)
        judged = _JUDGED.match(line)
        if heading is not None:
            section = _known(heading[1])
        elif title is not None:
            found["title"] = title[1]
        elif objective is not None:
            section, found["objective"] = "objective", objective[1]
        elif judged is not None:
            section = ""
            found |= {"complexity": int(judged[1]), "risk": judged[2].lower()}
            found |= {"work": judged[3].lower()} if judged[3] else {}
            found |= {"route_reason": judged[4]} if judged[4] else {}
        else:
            _add(found, section, line)
    return found


def _known(heading: str) -> str:
    """The field that a heading opens; empty for what a brief does not take over (questions answered before)."""
    word = heading.casefold()
    if word in ("questions answered", "source"):
        return ""
    field = _LISTS.get(word) or _TEXTS.get(word)
    if field is None:
        raise NotABrief(f"“{heading}” is no part of a brief; there are: {', '.join([*_TEXTS, *_LISTS])}")
    return field


def _add(found: dict[str, Any], section: str, line: str) -> None:
    if section in _TEXTS.values():
        found[section] = f"{found.get(section, '')}\n{line}".strip("\n")
        if section == "failure_mode" and found[section].strip().casefold() == "none named.":
            found[section] = ""
        return
    plain = line.strip()
    if not section or not plain or plain.casefold() in _NO_ITEMS:
        return
    items = found.setdefault(section, [])
    item = _ITEM.fullmatch(plain)
    if item is None and items and line[:1].isspace():
        items[-1] += f" {plain}"
    else:
        items.append(item[1] if item is not None else plain)
