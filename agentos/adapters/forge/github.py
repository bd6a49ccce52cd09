"""Branches and pull requests of a repository on GitHub: branches by git, the rest by the API."""

import re
from collections.abc import Sequence
from dataclasses import replace

from agentos.adapters.github.checks import GitHubChecks
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.outgoing import incoming, sent
from agentos.adapters.github.pace import Pace
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.queries import MARK_READY
from agentos.adapters.github.reading import cleaned, comment_of, name_of
from agentos.adapters.github.threads import Threads
from agentos.adapters.github.wire import CommentAnswer, LineComment, MergeAnswer, PullAnswer, ReviewAnswer
from agentos.domain.ci import CiCheck, CiReport
from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import Comment
from agentos.domain.naming import clean_text
from agentos.domain.requests import Requests
from agentos.ports.clock import Clock
from agentos.ports.forge import PullRequest, PullRequestDraft, ReviewNote, ReviewThread
from agentos.workspace.repository import OwnedRepository

_NAMED = 5
_WORKFLOW = re.compile(r"\.github/workflows/[^/]+\.ya?ml")
_TITLE_CHARACTERS = 250
_BODY_CHARACTERS = 60_000
_STATES = {"APPROVED": "approved", "CHANGES_REQUESTED": "changes_requested", "COMMENTED": "commented"}


class GitHubForge:
    """Proposes, reviews and merges in `place`. `repo` is the repository we own for it, whose target is that on GitHub."""

    def __init__(self, place: GitHubPlace, repo: OwnedRepository, clock: Clock, pace: Pace | None = None) -> None:
        self._place = place
        self._repo = repo
        self._api = GitHubClient(place, clock, pace)
        self._checks = GitHubChecks(self._api)
        self._threads = Threads(self._api)

    @property
    def requests(self) -> Requests:
        """What this object asked GitHub so far."""
        return self._api.requests

    async def branch_head(self, branch: str) -> str | None:
        """The commit the branch points to on GitHub, asked by git, which is never behind its own pushes."""
        return await self._repo.remote_ref(self._repo.target, f"refs/heads/{branch}")

    async def push(self, branch: str, sha: str, *, expected: str | None) -> None:
        """Effect: the branch is `sha`, if it was `expected` before; else kind CONFLICT."""
        await self._repo.push(self._repo.target, sha, f"refs/heads/{branch}", expected)

    async def delete_branch(self, branch: str, *, expected: str) -> None:
        """Effect: the branch is gone, if it was `expected`. A missing branch is fine."""
        if await self.branch_head(branch) is not None:
            await self._repo.push(self._repo.target, "", f"refs/heads/{branch}", expected)

    async def find_pr(self, branch: str) -> PullRequest | None:
        """The newest pull request whose head is `branch` of this repository, open or not."""
        head = f"{self._place.owner}:{branch}"
        found = await self._api.pages("/pulls", PullAnswer, state="all", head=head)
        newest = max((each for each in found if each.head.ref == branch), key=lambda each: each.number, default=None)
        return None if newest is None else _pull_request(newest)

    async def other_prs(self, branch: str) -> tuple[PullRequest, ...]:
        """All open pull requests but those of `branch`, oldest first."""
        found = await self._api.pages("/pulls", PullAnswer, state="open", direction="asc")
        return tuple(_pull_request(each) for each in found if each.head.ref != branch)

    async def open_pr(self, draft: PullRequestDraft, key: EffectKey) -> PullRequest:
        """A new pull request. Effect: one pull request. A branch with an open one is kind CONFLICT."""
        if await self.branch_head(draft.branch) is None:
            raise OutsideError(
                f"the branch {draft.branch} is not in {self._place.title}: push it first", kind=FailureKind.GONE
            )
        body = {"head": draft.branch, "base": draft.base, **_words(draft.title, draft.body)}
        unready = draft.unready and self._place.drafts
        try:
            return await self._open({**body, "draft": True} if unready else body)
        except OutsideError as exc:
            if unready and exc.kind is FailureKind.INVALID and "raft pull requests are not supported" in str(exc):
                return await self.open_pr(replace(draft, unready=False), key)
            if exc.kind is FailureKind.INVALID and "already exists" in str(exc):
                raise OutsideError(
                    f"{draft.branch} has an open pull request in {self._place.title}", kind=FailureKind.CONFLICT
                ) from exc
            if exc.kind is FailureKind.INVALID and "head invalid" in str(exc):
                raise self._behind(draft.branch) from exc
            raise

    async def _open(self, body: dict[str, object]) -> PullRequest:
        return _pull_request(await self._api.make("POST", "/pulls", body, PullAnswer, again=False))

    async def edit_pr(self, number: int, *, title: str, body: str) -> None:
        """Effect: title and body are as given."""
        await self._api.change("PATCH", f"/pulls/{number}", _words(title, body))

    async def mark_ready(self, number: int) -> None:
        """Effect: the pull request is no draft any more."""
        found = await self._pull(number)
        if not found.draft or found.state != "open":
            return
        try:
            await self._api.ask(MARK_READY, {"input": {"pullRequestId": found.node_id}}, dict[str, object])
        except OutsideError as exc:
            # An answer that was lost, or somebody else who was quicker.
            if exc.kind is not FailureKind.INVALID or (await self._pull(number)).draft:
                raise

    async def reviews(self, number: int) -> tuple[ReviewNote, ...]:
        """All reviews that were sent, oldest first; one that was dismissed counts as a comment."""
        found = await self._api.pages(f"/pulls/{number}/reviews", ReviewAnswer)
        lines = await self._api.pages(f"/pulls/{number}/comments", LineComment) if found else ()
        sent = [each for each in found if each.state != "PENDING"]
        notes = [_note(each, [line for line in lines if line.pull_request_review_id == each.id]) for each in sent]
        return tuple(sorted(notes, key=lambda note: note.at))

    async def threads(self, number: int) -> tuple[ReviewThread, ...]:
        """What people said of single lines, oldest first, read to the last page."""
        return await self._threads.of(number)

    async def reply(self, number: int, thread: str, text: str, key: EffectKey) -> None:
        """Effect: one more comment in that thread, carrying `key` in its first line."""
        await self._threads.reply(thread, text, key)

    async def resolve(self, number: int, thread: str) -> None:
        """Effect: the thread is settled."""
        await self._threads.resolve(thread)

    async def comments(self, number: int) -> tuple[Comment, ...]:
        """What was written to the pull request as a whole, oldest first, read to the last page."""
        await self._pull(number)
        found = await self._api.pages(f"/issues/{number}/comments", CommentAnswer)
        return tuple(comment_of(each, ours=False) for each in found)

    async def merge(self, number: int, *, expected_head: str, message: str) -> str:
        """The merge commit. Effect: the pull request is merged, if its head is `expected_head`; else kind CONFLICT.

        Repeating it finds the merge. GitHub compares the head itself, so that nothing else than was tested goes in.
        """
        found = await self._pull(number)
        if found.merged_at is None and found.state == "open" and found.head.sha != expected_head:
            if await self.branch_head(found.head.ref) == expected_head:
                raise self._behind(found.head.ref)
        elif found.merged_at is None and found.state == "open":
            title, _, rest = clean_text(message).strip().partition("\n")
            body = {"sha": expected_head, "merge_method": self._place.merge_method}
            if self._place.merge_method != "rebase":
                body |= {"commit_title": title[:_TITLE_CHARACTERS], "commit_message": rest.strip()[:_BODY_CHARACTERS]}
            try:
                made = await self._api.make("PUT", f"/pulls/{number}/merge", body, MergeAnswer, again=False)
            except OutsideError as exc:
                # An answer that was lost, or somebody else who was quicker: what is there now decides.
                found = await self._pull(number)
                if found.merged_at is None:
                    raise await self._not_merged(found, exc) from exc
            else:
                return made.sha
        return self._merged(found, expected_head)

    async def close_pr(self, number: int) -> None:
        """Effect: the pull request is closed without a merge; a merged one stays merged."""
        if (await self._pull(number)).state == "open":
            await self._api.change("PATCH", f"/pulls/{number}", {"state": "closed"})

    @property
    def runs_checks(self) -> bool:
        """True: check runs and statuses."""
        return True

    async def ci(self, sha: str, base: str) -> CiReport:
        """The checks of the commit `sha`, all of them, and what `base` requires."""
        paths = [entry.path for entry in await self._repo.list_paths(sha)] if await self._repo.resolve(sha) else []
        return await self._checks.report(sha, base, has_workflows=any(map(_WORKFLOW.fullmatch, paths)))

    async def rerun(self, handle: str) -> bool:
        """Whether it is run again. Effect: once more, each time."""
        return await self._checks.rerun(handle)

    async def ci_log(self, check: CiCheck) -> str:
        """What a check that ended said; empty where nothing is there to read any more."""
        return await self._checks.log(check)

    async def _pull(self, number: int) -> PullAnswer:
        return await self._api.get(f"/pulls/{number}", PullAnswer)

    def _behind(self, branch: str) -> OutsideError:
        return OutsideError(
            f"GitHub has {branch} of {self._place.title} and does not show its last push yet; it goes on in a moment",
            kind=FailureKind.TRANSIENT,
        )

    def _merged(self, found: PullAnswer, expected_head: str) -> str:
        """Its merge commit. Raises: OutsideError CONFLICT where it was not merged at that head."""
        if found.merged_at is None or found.head.sha != expected_head or not found.merge_commit_sha:
            state = "closed" if found.state == "closed" and found.merged_at is None else f"at {found.head.sha[:12]}"
            raise OutsideError(
                f"pull request {found.number} of {self._place.title} is {state}, not open at {expected_head[:12]}; "
                "nothing was merged",
                kind=FailureKind.CONFLICT,
            )
        return found.merge_commit_sha

    async def _not_merged(self, found: PullAnswer, refused: OutsideError) -> OutsideError:
        """Why GitHub did not merge: paths that conflict, as far as git can tell, else its own words."""
        known = await self._repo.resolve(found.head.sha) is not None
        if refused.kind not in (FailureKind.INVALID, FailureKind.CONFLICT) or not known:
            return refused
        try:
            base = await self._repo.fetch_base(found.base.ref)
            conflicts = (await self._repo.merge_tree(base, found.head.sha)).conflicts
        except (OutsideError, UsageError):
            conflicts = ()
        if not conflicts:
            return refused
        listed = clean_text(", ".join(conflicts[:_NAMED]))
        return OutsideError(
            f"{found.head.ref} does not merge cleanly into {found.base.ref}: {listed}", kind=FailureKind.CONFLICT
        )


def _words(title: str, body: str) -> dict[str, object]:
    return {"title": clean_text(title)[:_TITLE_CHARACTERS], "body": sent(body)}


def _pull_request(found: PullAnswer) -> PullRequest:
    return PullRequest(
        number=found.number,
        url=found.html_url,
        branch=found.head.ref,
        base=found.base.ref,
        head_sha=found.head.sha,
        title=clean_text(found.title),
        body=incoming(clean_text(found.body or "")),
        state="merged" if found.merged_at else found.state,
        merge_sha=(found.merge_commit_sha or "") if found.merged_at else "",
        is_draft=found.draft,
    )


def _note(found: ReviewAnswer, lines: Sequence[LineComment]) -> ReviewNote:
    said = [f"{clean_text(each.path)}:{each.line or each.original_line or 0}: {cleaned(each.body)}" for each in lines]
    return ReviewNote(
        id=str(found.id),
        author=name_of(found.user),
        state=_STATES.get(found.state, "commented"),
        body="\n".join(filter(None, [cleaned(found.body), *said])),
        sha=found.commit_id or "",
        at=found.submitted_at or "",
        author_id=str(found.user.id) if found.user is not None else "",
        is_bot=found.user is not None and found.user.kind == "Bot",
        edited=any(each.updated_at != each.created_at for each in lines),
    )
