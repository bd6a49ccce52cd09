"""What the stages that write documents share: keeping drafts, reviews and approvals, and finding an approved one again."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Generic, TypeVar

from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.decision import DecisionKind
from agentos.domain.document import Finding, IssueBrief, Review, Severity
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Stage
from agentos.workflows.kit.board import say
from agentos.workflows.kit.markdown import findings_markdown
from agentos.workflows.kit.records import dump, load_json
from agentos.workflows.kit.reviewing import DraftLoop, ReviewReply, findings_of, weigh_draft, weigh_review
from agentos.workflows.kit.state import RunState, one_more, used, with_item
from agentos.workflows.kit.step import Step

Document = TypeVar("Document")
REVIEWER = "reviewer"
MOST_POSTED = 50_000
MOST_CHARACTERS = 40_000
"""Of a document: as much as every prompt that takes one shows, so that nobody ever judges or builds half of it."""
SENT_BACK = frozenset({DecisionKind.FEEDBACK, DecisionKind.REJECT})


@dataclass(frozen=True, slots=True)
class Approval:
    """That the document with the digest `document` was approved as an answer to exactly `sources` (I5)."""

    document: str
    sources: tuple[str, ...]
    review: str


@dataclass(frozen=True, slots=True)
class Drafting(Generic[Document]):
    """One kind of document: the stage that writes it, its record, and how people read it."""

    stage: Stage
    kind: ArtifactKind
    record: type[Document]
    render: Callable[[Document], str]
    title: str

    def loop(self, step: Step) -> DraftLoop:
        """The bound of this stage's rounds."""
        return DraftLoop(self.stage, step.ctx.settings.limit(self.stage, "max_revisions"))

    def round(self, state: RunState) -> int:
        """The number of the latest draft, counted from 1 over the whole run; a person's decision does not reset it."""
        return used(state, f"draft.{self.stage}")

    async def latest(self, state: RunState, step: Step) -> Document | None:
        """The document as it stands: the latest draft, or what an earlier run left."""
        digest = state.get("artifacts", {}).get(self.kind)
        return await step.document(self.record, digest) if digest else None

    async def last_findings(self, state: RunState, step: Step) -> str:
        """What was found last and what its reviewer said before, as Markdown; empty where nothing was.

        A draft that code sends back was not seen by the reviewer: what they held against the one before still counts.
        """
        digest = state.get("artifacts", {}).get(self._review)
        said = (await step.document(Review, digest)).findings if digest else ()
        found = tuple(dict.fromkeys((*findings_of(state), *said)))
        return findings_markdown(found) if found else ""

    async def keep_draft(self, state: RunState, step: Step, draft: Document) -> RunState:
        """The state with `draft` as the document as it stands, one round on."""
        ref = await step.keep_record(self.kind, draft, name=f"{self.kind}-draft-{self.round(state) + 1}")
        loop = self.loop(step)
        rounds = one_more({**state, "rounds": one_more(state, loop.name)}, f"draft.{self.stage}")
        artifacts = with_item(state.get("artifacts"), self.kind, ref.sha256)
        seen = state.get("seen", []) if used(state, loop.name) else []
        return {"artifacts": artifacts, "rounds": rounds, "seen": seen}

    def too_long(self, document: Document) -> tuple[Finding, ...]:
        """A finding where the document is longer than its readers are shown."""
        length = len(self.render(document))
        if length <= MOST_CHARACTERS:
            return ()
        problem = f"has {length} characters, of which readers are shown {MOST_CHARACTERS}"
        return (
            Finding(Severity.MAJOR, "the whole document", problem, "say it shorter; leave out what follows anyway"),
        )

    def checked(self, state: RunState, step: Step, findings: tuple[Finding, ...]) -> RunState:
        """The state after the mechanical checks of the latest draft found `findings`."""
        return weigh_draft(state, self.loop(step), state["artifacts"][self.kind], findings)

    async def keep_review(self, state: RunState, step: Step, reply: ReviewReply) -> RunState:
        """The state after the reviewer answered `reply`: findings where the draft goes back, none where it is approved."""
        subject, model = state["artifacts"][self.kind], step.ctx.choice.of(self.stage, REVIEWER)
        draft = self.render(await step.document(self.record, subject))
        review = reply.to_review(subject=subject, model=model, draft=draft)
        name = f"{self.kind}-review-{self.round(state)}"
        ref = await step.keep_record(ArtifactKind.REVIEW, review, name=name)
        await step.emit(
            EventKind.REVIEW_JUDGED,
            verdict=str(review.verdict),
            findings=[dump(item) for item in review.findings],
            dropped=[dump(item) for item in review.dropped],
            round=self.round(state),
            subject=subject,
            model=model,
        )
        update = weigh_review(state, self.loop(step), review)
        return {**update, "artifacts": with_item(state["artifacts"], self._review, ref.sha256)}

    async def keep_approved(self, state: RunState, step: Step, sources: tuple[str, ...]) -> ArtifactRef:
        """Where people read the approved document. Effect: it, its Markdown and its approval are in the store."""
        digest = state["artifacts"][self.kind]
        document = await step.document(self.record, digest)
        await step.keep_record(self.kind, document)
        approval = Approval(digest, sources, state["artifacts"][self._review])
        await step.keep_record(ArtifactKind.REVIEW, approval, name=self._approval)
        text = with_front_matter(self.render(document), self.kind, state, step.ctx.issue.number)
        return await step.keep(self.kind, text.encode(), suffix=".md")

    async def post(self, state: RunState, step: Step) -> None:
        """Effect: the document is on the issue with its digest, once."""
        digest = state["artifacts"][self.kind]
        text = self.render(await step.document(self.record, digest))
        await say(step, f"{self.stage}:{digest[:12]}", posted(self.title, digest, text))

    async def approved_before(self, step: Step, sources: tuple[str, ...]) -> tuple[Approval, str] | None:
        """The newest approval of such a document for this issue and the path of its Markdown; None where it answers to
        other `sources` or a person sent it back since."""
        kept = await kept_before(step, f"{self._approval}.json")
        if kept is None:
            return None
        approval = load_json(Approval, await step.ctx.store.artifacts.get(kept.ref.sha256))
        decisions = [row.decision for row in await step.ctx.store.decisions.of_run(kept.run_id)]
        sent_back = any(each.kind in SENT_BACK and each.subject == approval.document for each in decisions)
        if sent_back or approval.sources != sources:
            return None
        markdown = named(kept.refs, f"{self.kind}.md")
        return approval, markdown.path if markdown is not None else ""

    @property
    def _review(self) -> str:
        return f"{self.kind}-review"

    @property
    def _approval(self) -> str:
        return f"{self.kind}-approval"


def schema_of(kind: ArtifactKind) -> str:
    """The schema that such a document names."""
    return f"agentos.{kind}/v1"


def with_front_matter(markdown: str, kind: ArtifactKind, state: RunState, number: int) -> str:
    """The approved document as it may be kept in the repository: `kit/existing.py` takes it from there."""
    digests = {
        "digest_of_issue": state["issue_digest"],
        "digest": state["artifacts"][kind],
        "base_sha": state["base_sha"],
    }
    if kind is ArtifactKind.SPEC:
        digests["lld_digest"] = state["artifacts"].get(ArtifactKind.LLD, "")
    lines = [f"schema: {schema_of(kind)}", f"issue: {number}", "status: approved"]
    lines += [f'{key}: "{value}"' for key, value in digests.items()]
    return "\n".join(["---", *lines, "---", "", markdown])


def posted(title: str, digest: str, markdown: str) -> str:
    """A document as a comment: with its digest, bounded, and without hidden lines that could pass for our own marks."""
    body = markdown.replace("<!--", "&lt;!--")
    if len(body) > MOST_POSTED:
        body = body[:MOST_POSTED].rpartition("\n")[0] + "\n\n(cut here; the whole document is in the run's artifacts)"
    return f"**{title}**, digest `{digest}`\n\n{body}"


def read_posted(text: str) -> tuple[str, str] | None:
    """Digest and Markdown of a document that was `posted`; None for any other comment. Only the digest proves anything."""
    found = re.match(r"\*\*[^*\n]+\*\*, digest `([0-9a-f]{64})`\n\n", text)
    return None if found is None else (found[1], text[found.end() :].replace("&lt;!--", "<!--"))


async def brief_of(state: RunState, step: Step) -> IssueBrief:
    """The issue brief that triage handed on."""
    return await step.document(IssueBrief, state["artifacts"][ArtifactKind.BRIEF])


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a run and all the others of that run."""

    run_id: int
    ref: ArtifactRef
    refs: tuple[ArtifactRef, ...]


async def kept_before(step: Step, name: str) -> Kept | None:
    """The file `name` of the newest run of this issue that has one."""
    store, issue = step.ctx.store, step.ctx.issue
    for run in await store.runs.find(repo=issue.repo, number=issue.number):
        refs = await store.artifacts.of_run(run.ref.id)
        ref = named(refs, name)
        if ref is not None:
            return Kept(run.ref.id, ref, refs)
    return None


def named(refs: tuple[ArtifactRef, ...], name: str) -> ArtifactRef | None:
    """The newest of `refs` whose file is called `name`."""
    return next((ref for ref in reversed(refs) if PurePosixPath(ref.path).name == name), None)
