"""What an issue's relations to others say about starting it now (R-QUEUE-6)."""

from collections.abc import Mapping
from dataclasses import dataclass

from agentos.domain.issue import Issue, Relation

ORDERING = (Relation.DEPENDS_ON, Relation.CONFLICTS_WITH, Relation.SUPERSEDES, Relation.DUPLICATE_OF)
"""Relations that say something about the order of work; `related` says nothing, so nothing about it refuses a run."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known around an issue.

    `known`: every issue that its relations lead to, None for a number nobody has. `superseded_by`: who says so.
    `busy`: issues with a live run -> how that stands. `split`: issues that ended as parts, none of which need be done.
    """

    known: Mapping[int, Issue | None]
    superseded_by: tuple[int, ...] = ()
    busy: Mapping[int, str] | None = None
    split: frozenset[int] = frozenset()


def refusal(issue: Issue, around: Surroundings) -> str:
    """Why `issue` is not to be started now, with what to do; empty where nothing stands in its way."""
    return _mistake(issue, around) or _instead(issue, around) or _dependency(issue, around) or _conflict(issue, around)


def _mistake(issue: Issue, around: Surroundings) -> str:
    """What is wrong with the relations as written."""
    number = issue.ref.number
    unclear = [item for item in issue.relations.unclear if item.partition(":")[0] in ORDERING]
    if unclear:
        return f"issue {number} says `{unclear[0]}`, which names no issue; write its number"
    for relation in ORDERING:
        named = issue.relations.of(relation)
        if number in named:
            return f"issue {number} names itself under {relation}; take that out"
        strangers = [other for other in named if around.known.get(other) is None]
        if strangers:
            return f"issue {number} names issue {strangers[0]} under {relation}, and there is none; correct the number"
    for relation in ORDERING:
        ring = () if relation is Relation.CONFLICTS_WITH else _ring(issue, relation, around)
        if ring:
            chain = " → ".join(map(str, ring))
            return f"{relation} leads from issue {number} back to it ({chain}); take one of these out"
    return ""


def _ring(issue: Issue, relation: Relation, around: Surroundings) -> tuple[int, ...]:
    """The numbers of a way along `relation` from `issue` back to it; empty where there is none."""
    start = issue.ref.number
    ways: list[tuple[int, ...]] = [(start, other) for other in issue.relations.of(relation)]
    seen = {start}
    while ways:
        way = ways.pop()
        if way[-1] == start:
            return way
        following = around.known.get(way[-1])
        if way[-1] not in seen and following is not None and (following.is_open or relation is not Relation.DEPENDS_ON):
            seen.add(way[-1])
            ways += [(*way, other) for other in following.relations.of(relation)]
    return ()


def _instead(issue: Issue, around: Surroundings) -> str:
    """The issue that is worked on in the place of this one."""
    number, originals = issue.ref.number, issue.relations.duplicate_of
    if originals:
        original = around.known.get(originals[0])
        how = _go_on(original) if original is not None else ""
        return f"issue {number} is a duplicate of {_named(originals[0], original)}: {how}, or take duplicate_of out"
    if around.superseded_by:
        other = around.superseded_by[0]
        newer = around.known.get(other)
        how = _go_on(newer) if newer is not None else f"look at issue {other}"
        return f"issue {number} is superseded by {_named(other, newer)}: {how}, or take supersedes out of that one"
    return ""


def _go_on(other: Issue) -> str:
    return f"`agentos run --issue {other.ref.number}`" if other.is_open else "that one is closed, so close this one too"


def _dependency(issue: Issue, around: Surroundings) -> str:
    number = issue.ref.number
    split = [other for other in issue.relations.depends_on if other in around.split]
    if split:
        return (
            f"issue {number} depends on issue {split[0]}, which was split into parts that need not be done; depend on "
            "those it needs instead"
        )
    open_ones = [
        found
        for other in issue.relations.depends_on
        if (found := around.known.get(other)) is not None and found.is_open
    ]
    if not open_ones:
        return ""
    waits_for = " and ".join(_named(each.ref.number, each) for each in open_ones)
    first = open_ones[0].ref.number
    return (
        f"issue {number} waits for {waits_for}: finish that first (`agentos run --issue {first}`), or take it out of "
        "depends_on"
    )


def _conflict(issue: Issue, around: Surroundings) -> str:
    number = issue.ref.number
    for other, standing in (around.busy or {}).items():
        found = around.known.get(other)
        said_there = found is not None and number in found.relations.conflicts_with
        if other != number and (said_there or other in issue.relations.conflicts_with):
            return (
                f"issue {number} conflicts with {_named(other, found)}, whose {standing}: let that end first (or "
                f"`agentos cancel {other}`), or take it out of conflicts_with"
            )
    return ""


def _named(number: int, issue: Issue | None) -> str:
    if issue is None:
        return f"issue {number}"
    return f"issue {number} “{issue.title}”" + (f" ({issue.status})" if issue.status else "")
