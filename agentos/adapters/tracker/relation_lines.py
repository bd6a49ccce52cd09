"""Relations as people write them in the body of an issue, one a line: `Depends on: #9, #12`, `Duplicate of #4`."""

import re

from agentos.domain.issue import Relation, Relations

_WORDS = {
    "depends on": Relation.DEPENDS_ON,
    "blocked by": Relation.DEPENDS_ON,
    "conflicts with": Relation.CONFLICTS_WITH,
    "related": Relation.RELATED,
    "related to": Relation.RELATED,
    "supersedes": Relation.SUPERSEDES,
    "duplicate of": Relation.DUPLICATE_OF,
}
_HIDDEN = re.compile(r"<!--.*?(?:-->|\Z)|^ {0,3}(```+|~~~+).*?(?:^ {0,3}\1|\Z)", re.DOTALL | re.MULTILINE)
_LINE = re.compile(
    rf"^[ \t]*(?:[-*+][ \t]+)?(?:\*\*|__)?(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
    r"(?P<colon>(?:\*\*|__)?:?(?:\*\*|__)?|:)[ \t]+(?P<named>\S.*?)[ \t.]*$",
    re.IGNORECASE | re.MULTILINE,
)
_NAMED = re.compile(r"(?:#[1-9]\d{0,8}(?:[ \t]*(?:,|and|&)[ \t]*|[ \t]+|$))+")
_NUMBER = re.compile(r"#([1-9]\d{0,8})\b")


def relations_in(body: str) -> Relations:
    """The relations that `body` (Markdown) states. A line that begins like one, with a colon, and names no number is
    unclear; without a colon it is prose. Code and hidden comments state nothing."""
    named: dict[str, list[int]] = {relation: [] for relation in Relation}
    unclear: list[str] = []
    for line in _LINE.finditer(_HIDDEN.sub("", body)):
        relation, text = _WORDS[line["word"].lower()], line["named"]
        if _NAMED.fullmatch(text):
            named[relation] += map(int, _NUMBER.findall(text))
        elif ":" in line["colon"]:
            unclear.append(f"{relation}: {text[:80]}")
    found = {relation: tuple(dict.fromkeys(numbers)) for relation, numbers in named.items()}
    return Relations(**found, unclear=tuple(unclear))


def relation_lines(relations: Relations) -> str:
    """`relations` as lines that `relations_in` reads; empty for none."""
    words = {relation: word for word, relation in reversed(_WORDS.items())}
    lines = [
        f"{words[relation].capitalize()}: {', '.join(f'#{number}' for number in relations.of(relation))}"
        for relation in Relation
        if relations.of(relation)
    ]
    return "\n".join(lines)
