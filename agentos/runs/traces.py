"""What is left of an issue's runs outside the database: records, documents, comments, branch and pull request.

Nothing is changed but that our own copy of the repository knows the commits that are to be found.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from agentos.domain.artifact import ArtifactKind
from agentos.domain.block import StatusBlock
from agentos.domain.change import ChangeReport
from agentos.domain.decision import Decision
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.event import Event, EventKind
from agentos.domain.issue import Issue, IssueRef
from agentos.domain.naming import branch_name
from agentos.domain.pipeline import Stage
from agentos.ports.forge import Forge, PullRequest
from agentos.runs.desk import Desk, Target
from agentos.runs.document import RunDocument, StageRecord
from agentos.runs.unknown import mirrors, told_by
from agentos.store.artifacts import INDEX
from agentos.workflows.kit.drafting import read_posted
from agentos.workflows.kit.existing import parted
from agentos.workflows.kit.reading import Unreadable
from agentos.workflows.kit.records import load, load_json
from agentos.workspace.repository import OwnedRepository

Record = TypeVar("Record")
CHANGE, BUNDLE = "change.json", "change.bundle"
FOUND_AGAIN = "found again: "
TAKEN = ("approved ", "docs/", FOUND_AGAIN)
"""How the reasons begin for which a stage makes no document because one is there."""
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class _Line(BaseModel):
    """A line of the index."""

    name: str
    kind: ArtifactKind
    sha256: str


@dataclass(frozen=True, slots=True)
class File:
    """A mirrored document: exactly what was put there. `since` orders files by when they came to say this: the number of
    the run, then the line of its index."""

    name: str
    kind: ArtifactKind
    sha256: str
    content: bytes
    since: tuple[int, int] = (0, 0)

    def read(self, kind: type[Record]) -> Record | None:
        """The record in it; None where another version of AgentOS wrote it."""
        try:
            return load_json(kind, self.content)
        except ValidationError:
            return None


@dataclass(frozen=True, slots=True)
class Folder:
    """The mirror of one run. `files` by name, what was put last at the end; `damaged` are not what was put there."""

    number: int
    path: Path
    record: RunDocument | None
    events: tuple[Event, ...]
    files: Mapping[str, File]
    damaged: tuple[str, ...]

    def visit(self, stage: Stage) -> StageRecord | None:
        """Its last visit of `stage`."""
        visits = [each for each in (self.record.stages if self.record is not None else ()) if each.stage == stage]
        return visits[-1] if visits else None

    def worked_on(self, stage: Stage) -> bool:
        """Whether it came to `stage` and did not just take what was there."""
        visit = self.visit(stage)
        return visit is not None and not visit.skipped.startswith(TAKEN)


@dataclass(frozen=True, slots=True)
class Traces:
    """All of it. `folders`: newest run first; `status`: what our status comment tells programs; `posted`: Markdown of the
    documents on the issue, by digest; `base_head`, `branch_head`: where the forge has these branches now, empty where it
    has none; `commits`: those the documents speak of that are here."""

    issue: Issue
    folders: tuple[Folder, ...]
    status: StatusBlock | None
    posted: Mapping[str, str]
    branch: str
    base_branch: str
    base_head: str
    branch_head: str
    pr: PullRequest | None
    commits: frozenset[str]

    @property
    def number(self) -> int:
        """The newest run there was; 0 where none left a trace."""
        told = 0 if self.status is None else self.status.run
        return max([told, *(each.number for each in self.folders)])

    @property
    def newest(self) -> Folder | None:
        """The mirror of that run; None where it is not on this machine."""
        return next((each for each in self.folders if each.number == self.number), None)

    @property
    def standing(self) -> tuple[str, str, str]:
        """Job, outcome and stage of that run, as far as anything tells."""
        record = self.newest.record if self.newest is not None else None
        told = self.status if record is None else record.standing
        return ("", "", "") if told is None else (str(told.job), str(told.outcome or ""), str(told.stage or ""))

    @property
    def decisions(self) -> tuple[tuple[Stage | None, Decision], ...]:
        """What people decided, with the stage that heard of it; what did not count for anything is left out."""
        told = [each for folder in reversed(self.folders) for each in folder.events]
        taken = [each for each in told if each.kind is EventKind.DECISION_TAKEN and each.data.get("counts", True)]
        names = {field.name for field in fields(Decision)}
        return tuple(
            (each.stage, load(Decision, {key: value for key, value in each.data.items() if key in names}))
            for each in taken
        )

    def file(self, stage: Stage, name: str) -> File | None:
        """The file of that name that holds: of the newest run that has one, if none came to `stage` since to make another."""
        for folder in self.folders:
            if name in folder.files:
                return folder.files[name]
            if folder.worked_on(stage):
                return None
        return None

    def content(self, digest: str) -> File | None:
        """The file with that digest, wherever it is."""
        files = (each for folder in self.folders for each in folder.files.values())
        return next((each for each in files if each.sha256 == digest), None)

    def last(self, *starts: str) -> File | None:
        """What the newest run put last under a name that starts so."""
        files = self.newest.files if self.newest is not None else {}
        names = [name for name in files if name.startswith(starts)]
        return files[names[-1]] if names else None


async def gather(desk: Desk, target: Target, issue: Issue, outside: tuple[OwnedRepository, Forge]) -> Traces:
    """What there is of the issue's runs. Raises OutsideError and UsageError of tracker, forge and repository."""
    repo, forge = outside
    folders = tuple(read_folders(desk.home, issue.ref))
    comments = await target.tracker.comments(issue.ref)
    branch, base_branch = await _branch(repo, folders, issue), await repo.default_branch()
    base_head = await repo.fetch_base(base_branch)
    return Traces(
        issue=issue,
        folders=folders,
        status=told_by(comments),
        posted=dict(filter(None, (read_posted(each.body) for each in comments if each.is_bot))),
        branch=branch,
        base_branch=base_branch,
        base_head=base_head,
        branch_head=await forge.branch_head(branch) or "",
        pr=await forge.find_pr(branch),
        commits=await _commits(repo, folders),
    )


def read_folders(home: Path, issue: IssueRef) -> Iterator[Folder]:
    """The mirror of every run of `issue` on this machine, the newest first."""
    for number, path in mirrors(home, issue):
        files, damaged = _files(path)
        record, events = files.get("run.json"), files.get("events.jsonl")
        yield Folder(
            number=number,
            path=path,
            record=None if record is None else record.read(RunDocument),
            events=tuple(_events(events.content)) if events is not None else (),
            files=files,
            damaged=damaged,
        )


def _files(folder: Path) -> tuple[dict[str, File], tuple[str, ...]]:
    """The files that are what the index says was put there, and the names of those that are not."""
    known: dict[str, dict[str, tuple[int, ArtifactKind]]] = {}
    for n, line in enumerate(_lines(folder / INDEX)):
        digests = known.pop(line.name, {})  # what was put last comes last
        same = next(reversed(digests), "") == line.sha256
        known[line.name] = digests if same else {**digests, line.sha256: (n, line.kind)}
    files, damaged = {}, []
    for name, digests in known.items():
        path = folder / Path(name).name
        content = path.read_bytes() if path.is_file() else b""
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 in digests:
            n, kind = digests[sha256]
            files[name] = File(name, kind, sha256, content, (int(folder.name), n))
        else:
            damaged.append(name)
    return files, tuple(damaged)


def _lines(index: Path) -> Iterator[_Line]:
    for raw in index.read_bytes().splitlines() if index.is_file() else ():
        try:
            yield _Line.model_validate_json(raw)
        except ValidationError:
            continue  # the end of a line that a power cut took: what it would have named was not put there


def _events(content: bytes) -> Iterator[Event]:
    for line in content.splitlines():
        try:
            yield _EVENT.validate_python({"run_id": 0, **json.loads(line)})
        except ValueError:
            continue  # a kind that this version does not know


async def _branch(repo: OwnedRepository, folders: tuple[Folder, ...], issue: Issue) -> str:
    """The issue's branch: as a record names it, else the only one with its number, else what it would be called."""
    for folder in folders:
        if folder.record is not None and "worktree" in folder.record.git:
            return folder.record.git["worktree"]
    refs = await repo.target.refs(f"refs/heads/agentos/{issue.ref.number}-*")
    named = [name.removeprefix("refs/heads/") for name in refs]
    return named[0] if len(named) == 1 else branch_name(issue.ref.number, issue.title)


async def _commits(repo: OwnedRepository, folders: tuple[Folder, ...]) -> frozenset[str]:
    """The commits that documents name and our repository has; from a bundle where it had lost them."""
    named = {sha for folder in folders for sha in _named_in(folder)} - {""}
    if not all([await repo.resolve(sha) for sha in named]):
        for folder in folders:
            if BUNDLE in folder.files:
                with contextlib.suppress(OutsideError):  # it builds on commits that are gone: nothing is found, then
                    await repo.unbundle(folder.path / BUNDLE)
    return frozenset([sha for sha in named if await repo.resolve(sha) is not None])


def _named_in(folder: Folder) -> Iterator[str]:
    change = folder.files.get(CHANGE)
    report = change.read(ChangeReport) if change is not None else None
    if report is not None:
        yield from (report.base_sha, report.head_sha)
    for name in ("lld.md", "spec.md"):
        if name in folder.files:
            yield str(front_of(folder.files[name]).get("base_sha", ""))


def front_of(document: File) -> Mapping[str, Any]:
    """What an approved document in Markdown says of itself; empty where it says nothing."""
    try:
        return parted(document.content, document.name)[0]
    except (Unreadable, UsageError):
        return {}
