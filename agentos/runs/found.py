"""What the traces of a lost run prove, and where a new run goes on from there (pure)."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import ChangeReport, problems_of
from agentos.domain.decision import Decision, DecisionKind
from agentos.domain.document import IssueBrief, ReviewVerdict
from agentos.domain.package import ReviewPackage
from agentos.domain.pipeline import Route, Stage, next_stage
from agentos.domain.status import JobState
from agentos.runs.traces import CHANGE, File, Traces, front_of
from agentos.workflows.implementation.rules import effective_verdict
from agentos.workflows.kit.drafting import SENT_BACK, Approval
from agentos.workflows.kit.edits import said_by
from agentos.workflows.kit.reading import Unreadable, read_lld, read_spec
from agentos.workflows.kit.records import dump_json

SHORT = 12
_DOCUMENTS: Mapping[Stage, tuple[ArtifactKind, Callable[[str], object]]] = {
    Stage.LLD: (ArtifactKind.LLD, read_lld),
    Stage.SPEC: (ArtifactKind.SPEC, read_spec),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """What is proved of one stage, in words. `files`: what it stands on, by the name the state has for it, and `beside`
    them; `without`: why the stage made nothing, where that was wanted; `subject`: what a gate behind it asks about."""

    stage: Stage
    what: str
    files: Mapping[str, File] = field(default_factory=dict)
    beside: tuple[File, ...] = ()
    without: str = ""
    subject: str = ""
    base_sha: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of run #`former`. `ended`: why there is nothing to go on with; empty where there is."""

    former: int
    ended: str = ""
    brief: IssueBrief | None = None
    proofs: tuple[Proof, ...] = ()
    change: ChangeReport | None = None

    @property
    def behind(self) -> Stage | None:
        """The last stage that need not be done again."""
        return self.proofs[-1].stage if self.proofs else None

    @property
    def ahead(self) -> Stage:
        """The stage that comes next."""
        if self.behind is None or self.brief is None:
            return Stage.TRIAGE
        return next_stage(self.behind, route=self.brief.route) or self.behind

    def file(self, name: str) -> File | None:
        """What the state calls `name`."""
        return next((proof.files[name] for proof in self.proofs if name in proof.files), None)


def find(traces: Traces) -> Found:
    """What `traces` prove. What they do not prove is as good as lost."""
    ended = _ended(traces)
    found = Found(traces.number, ended) if ended else _found(traces)
    if traces.pr is not None and traces.pr.merge_sha and not ended and found.behind is not Stage.REVIEW:
        lost = f"its change is merged as {traces.pr.merge_sha[:SHORT]}, but the record of it is lost: close it by hand"
        return Found(traces.number, f"{traces.issue.ref}: {lost}")
    return found


def _found(traces: Traces) -> Found:
    file = traces.file(Stage.TRIAGE, "issue-brief.json")
    brief = file.read(IssueBrief) if file is not None else None
    if file is None or brief is None or brief.issue_number != traces.issue.ref.number:
        return Found(traces.number)
    triage = Proof(Stage.TRIAGE, f"issue brief {file.sha256[:SHORT]}", {ArtifactKind.BRIEF: file}, subject=file.sha256)
    proofs = (triage, *_documents(traces, brief))
    found = Found(traces.number, "", brief, proofs)
    change = _change(traces, found)
    return found if change is None else replace(found, proofs=(*proofs, *_changed(traces, *change)), change=change[1])


def _ended(traces: Traces) -> str:
    issue, number, pr = traces.issue, traces.issue.ref.number, traces.pr
    if not traces.number:
        return f"no run of {issue.ref} left a trace here; `agentos run --issue {number}` begins one"
    if not issue.is_open and not (pr is not None and pr.merge_sha and traces.branch_head):
        return f"{issue.ref} is closed ({issue.status or 'done'}), so its run has ended"
    job, outcome, _ = traces.standing
    if job in (JobState.CANCELLED, JobState.SUCCEEDED):
        return f"run #{traces.number} of {issue.ref} ended as {outcome}; `agentos run --issue {number}` begins anew"
    return ""


def _documents(traces: Traces, brief: IssueBrief) -> Iterator[Proof]:
    """Design and spec as far as they follow each other: a spec without the design it answers to proves nothing."""
    lld = ""
    for stage, (kind, _) in _DOCUMENTS.items() if brief.route is not Route.TRIVIAL else ():
        sources = (said_by(brief), lld) if stage is Stage.SPEC else (said_by(brief),)
        without = _without(traces, stage)
        proof = Proof(stage, f"none: {without}", without=without) if without else _approved(traces, stage, sources)
        if proof is None:
            return
        lld = proof.files[kind].sha256 if kind in proof.files else ""
        yield proof


def _without(traces: Traces, stage: Stage) -> str:
    """Why the newest run that came to `stage` made no document there; empty where it made one."""
    folder = next((each for each in traces.folders if each.worked_on(stage)), None)
    visit = folder.visit(stage) if folder is not None else None
    return visit.skipped if visit is not None else ""


def _approved(traces: Traces, stage: Stage, sources: tuple[str, ...]) -> Proof | None:
    """The document that was approved as an answer to exactly `sources`, found by its digest (I5)."""
    kind, _ = _DOCUMENTS[stage]
    approved, shown = traces.file(stage, f"{kind}-approval.json"), traces.file(stage, f"{kind}.md")
    approval = approved.read(Approval) if approved is not None else None
    if approved is None or approval is None or approval.sources != sources or shown is None:
        return None
    digest, front = approval.document, front_of(shown)
    document = traces.content(digest) or _from_comment(traces, stage, digest)
    base_sha = str(front.get("base_sha", ""))
    if document is None or front.get("digest") != digest or base_sha not in traces.commits:
        return None
    if any(said.kind in SENT_BACK and said.subject == digest for _, said in traces.decisions):
        return None
    review = traces.content(approval.review)
    posted = ", posted on the issue" if digest in traces.posted else ""
    return Proof(
        stage,
        f"{kind} {digest[:SHORT]}, approved{posted}",
        {kind: document, **({f"{kind}-review": review} if review is not None else {})},
        (approved, shown),
        subject=digest,
        base_sha=base_sha,
    )


def _from_comment(traces: Traces, stage: Stage, digest: str) -> File | None:
    """The document with that digest as its comment has it, where that can be read back to the letter."""
    kind, read = _DOCUMENTS[stage]
    try:
        content = dump_json(read(traces.posted[digest]))
    except (KeyError, Unreadable):
        return None
    is_it = hashlib.sha256(content).hexdigest() == digest
    return File(f"{kind}.json", kind, digest, content) if is_it else None


def _change(traces: Traces, found: Found) -> tuple[File, ChangeReport] | None:
    """The change that passed its checks and its review, at a commit that is here, made from the documents as they are."""
    file = traces.file(Stage.IMPL, CHANGE)
    report = file.read(ChangeReport) if file is not None else None
    if file is None or report is None or not {report.base_sha, report.head_sha} <= traces.commits:
        return None
    review = report.review
    approves = review is not None and effective_verdict(review) is ReviewVerdict.APPROVE
    passed = approves and review is not None and review.subject == report.head_sha
    made_from = [proof.files[name].since for proof in found.proofs for name in proof.files if name in set(ArtifactKind)]
    is_current = all(since < file.since for since in made_from)
    return (file, report) if passed and is_current and not problems_of(report) else None


def _changed(traces: Traces, file: File, report: ChangeReport) -> Iterator[Proof]:
    """The change, its pull request, and what a person said of that."""
    sha, pr = report.head_sha, traces.pr
    kept = {
        "change": file,
        "baseline": traces.file(Stage.IMPL, "checks-baseline.json"),
        "session": traces.last("agent-"),
    }
    files: dict[str, File] = {name: each for name, each in kept.items() if each is not None}
    yield Proof(
        Stage.IMPL, f"commit {sha[:SHORT]}, measured and reviewed", files, subject=sha, base_sha=report.base_sha
    )
    packed = traces.file(Stage.PR, "review-package.json")
    package = packed.read(ReviewPackage) if packed is not None else None
    if pr is None or pr.state == "closed" or pr.head_sha != sha:
        return
    is_packed = packed is not None and package is not None and package.sha == sha
    files = {ArtifactKind.PACKAGE: packed} if is_packed and packed is not None else {}
    yield Proof(Stage.PR, f"{pr.url}, {pr.state} at that commit", files)
    by = next((said.actor for stage, said in traces.decisions if _approves(said, sha) and stage is Stage.REVIEW), "")
    if is_packed and (by or pr.merge_sha):
        proposed = traces.file(Stage.FINALIZE, "follow-ups.json")
        what = f"merged as {pr.merge_sha[:SHORT]}" if pr.merge_sha else f"approved by {by}"
        yield Proof(
            Stage.REVIEW, what, {"follow-ups": proposed} if proposed is not None else {}, subject=sha if by else ""
        )


def _approves(said: Decision, subject: str) -> bool:
    return said.kind is DecisionKind.APPROVE and bool(subject) and said.subject == subject
