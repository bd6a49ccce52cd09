"""The whole account of one run, for people: what it went through, what was found, decided, drafted, changed and paid."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.budget import Spend
from agentos.domain.change import ChangeReport, Undone
from agentos.domain.document import Dropped, Finding, IssueBrief, Lld, Review, ReviewVerdict, Severity, Spec
from agentos.domain.event import Event, EventKind
from agentos.domain.package import Fate, fates
from agentos.domain.pipeline import Stage
from agentos.domain.requests import Requests
from agentos.domain.run import Run
from agentos.store import Store
from agentos.store.decisions import DecisionRow
from agentos.workflows.kit.markdown import brief_markdown, lld_markdown, spec_markdown
from agentos.workflows.kit.records import load, load_json
from agentos.workflows.kit.timeline import Visit, visits

OPEN = "open"
DROPPED = "dropped"
_DRAFT = re.compile(r"(?P<kind>.+)-draft-(?P<number>\d+)\.json")
_RENDERED: Mapping[str, tuple[type[Any], Callable[[Any], str]]] = {
    ArtifactKind.BRIEF: (IssueBrief, brief_markdown),
    ArtifactKind.LLD: (Lld, lld_markdown),
    ArtifactKind.SPEC: (Spec, spec_markdown),
}


@dataclass(frozen=True, slots=True)
class JudgedIn:
    """A finding, the stage and the model that found it, and its fate: `fixed`, `left`, `open` while nobody approved, or
    `dropped` where it does not stand, for the `reason`."""

    stage: Stage
    finding: Finding
    model: str
    fate: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reviewer said of one draft or change. `round` is 0 where it was not told."""

    stage: Stage
    round: int
    review: Review


@dataclass(frozen=True, slots=True)
class Redraft:
    """What one draft of a document changed in the one before: a unified diff of how people read them."""

    earlier: str
    later: str
    diff: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """All there is to tell about `run`. `title` is empty until triage ends; `change` is what was measured last of what
    stands, None while there is no commit; `requests` what was asked of GitHub for all runs of the issue; `undone` the
    rounds that made it worse; `patch` the lines of what passed last."""

    run: Run
    title: str
    events: tuple[Event, ...]
    visits: tuple[Visit, ...]
    verdicts: tuple[Verdict, ...]
    findings: tuple[JudgedIn, ...]
    decisions: tuple[DecisionRow, ...]
    cost_by_stage: Mapping[str, Spend]
    cost_by_model: Mapping[str, Spend]
    artifacts: tuple[ArtifactRef, ...]
    redrafts: tuple[Redraft, ...]
    change: ChangeReport | None
    requests: Requests
    undone: tuple[Undone, ...] = ()
    patch: tuple[str, ...] = ()


async def account_of(store: Store, run: Run) -> Account:
    """The account of `run` as the store has it now."""
    events = await store.ledger.read(run.ref.id)
    refs = await store.artifacts.of_run(run.ref.id)
    verdicts, spent = tuple(verdicts_in(events)), await store.costs.spend_by(run.ref.id, "stage")
    brief, patch = await _content(store, refs, "issue-brief.json"), await _content(store, refs, "diff.patch")
    return Account(
        run=run,
        title=load_json(IssueBrief, brief).title if brief else "",
        events=events,
        visits=visits(events),
        verdicts=verdicts,
        findings=judged(verdicts),
        decisions=await store.decisions.of_run(run.ref.id),
        cost_by_stage={stage: spent[stage] for stage in Stage if stage in spent},
        cost_by_model=await store.costs.spend_by(run.ref.id, "model"),
        artifacts=tuple({ref.path: ref for ref in refs}.values()),
        redrafts=await _redrafts(store, refs),
        change=await measured_change(store, refs),
        undone=tuple(load(Undone, event.data) for event in events if event.kind is EventKind.ROUND_UNDONE),
        patch=tuple(patch.decode("utf-8", "replace").splitlines()),
        requests=await store.costs.requests(run.ref.id),
    )


async def _content(store: Store, refs: Iterable[ArtifactRef], name: str) -> bytes:
    """What the document of that name says; empty where there is none."""
    found = [ref for ref in refs if PurePosixPath(ref.path).name == name]
    return await store.artifacts.get(found[-1].sha256) if found else b""


def verdicts_in(events: Iterable[Event]) -> Iterator[Verdict]:
    """Every verdict of a reviewer, in order."""
    for event in events:
        if event.kind is EventKind.REVIEW_JUDGED and event.stage is not None:
            yield Verdict(event.stage, int(event.data.get("round", 0)), _review(event.data))


def judged(verdicts: Iterable[Verdict]) -> tuple[JudgedIn, ...]:
    """Every finding of every reviewer, stage by stage, with what became of it."""
    reviews: dict[Stage, list[Review]] = {}
    for verdict in verdicts:
        reviews.setdefault(verdict.stage, []).append(verdict.review)
    found: list[JudgedIn] = []
    for stage, said in reviews.items():
        left = Fate.LEFT if said[-1].verdict is ReviewVerdict.APPROVE else OPEN
        found += [
            JudgedIn(stage, item.finding, item.model, left if item.fate is Fate.LEFT else item.fate)
            for item in fates(tuple(said))
        ]
        found += [
            JudgedIn(stage, item.finding, review.model, DROPPED, item.reason)
            for review in said
            for item in review.dropped
        ]
    return tuple(found)


def _review(data: Mapping[str, Any]) -> Review:
    findings = tuple(_finding(item) for item in _listed(data, "findings"))
    dropped = tuple(Dropped(_finding(item["finding"]), item["reason"]) for item in _listed(data, "dropped"))
    verdict = ReviewVerdict(data["verdict"])
    return Review(verdict, findings, data.get("subject", ""), data.get("model", ""), dropped=dropped)


def _listed(data: Mapping[str, Any], name: str) -> list[Any]:
    found = data.get(name)
    return found if isinstance(found, list) else []


def _finding(data: Mapping[str, Any]) -> Finding:
    return Finding(Severity(data["severity"]), data["where"], data["problem"], data.get("fix", ""))


async def _redrafts(store: Store, refs: Iterable[ArtifactRef]) -> tuple[Redraft, ...]:
    drafts: dict[str, dict[int, str]] = {}
    for ref in refs:
        name = _DRAFT.fullmatch(PurePosixPath(ref.path).name)
        if name is not None and name["kind"] in _RENDERED:
            drafts.setdefault(name["kind"], {})[int(name["number"])] = ref.sha256
    found: list[Redraft] = []
    for kind, numbered in drafts.items():
        record, render = _RENDERED[kind]
        texts = [
            (f"{kind}-draft-{number}", render(load_json(record, await store.artifacts.get(sha256))))
            for number, sha256 in sorted(numbered.items())
        ]
        found += [redraft(earlier, later) for earlier, later in pairwise(texts)]
    return tuple(found)


def redraft(earlier: tuple[str, str], later: tuple[str, str]) -> Redraft:
    """The difference between two drafts, each given as its name and its text."""
    lines = difflib.unified_diff(earlier[1].splitlines(), later[1].splitlines(), earlier[0], later[0], lineterm="", n=2)
    return Redraft(earlier[0], later[0], tuple(lines))


def shortened(change: Redraft, most: int) -> Redraft:
    """`change` with at most so many lines, the last saying how many more there are."""
    cut = len(change.diff) - most
    if cut <= 1:
        return change
    return replace(change, diff=(*change.diff[:most], f"… {cut} more lines"))


async def measured_change(store: Store, refs: Iterable[ArtifactRef]) -> ChangeReport | None:
    """What was measured last of the run whose documents `refs` are; None while there is no commit."""
    measured = await _content(store, refs, "change.json")
    return load_json(ChangeReport, measured) if measured else None
