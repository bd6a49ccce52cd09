"""The forge of a repository that has none: branches in the person's repository, pull requests as files."""

import asyncio
from datetime import datetime
from pathlib import Path

from agentos.adapters.clock.system import SystemClock
from agentos.adapters.forge.checkout import FastForward, checkouts_of
from agentos.adapters.forge.local_record import DiffSize, MergePlan, PullRequestRecord, Records, ReviewRecord
from agentos.domain.ci import CiCheck
from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import Comment
from agentos.domain.naming import clean_text
from agentos.ports.clock import Clock
from agentos.ports.forge import PullRequest, PullRequestDraft, ReviewNote, ReviewThread
from agentos.workspace.git import Git
from agentos.workspace.repository import OwnedRepository

_NAMED = 5


class LocalForge:
    """Proposes, reviews and merges in the repository at `target`, a folder of this machine.

    `repo` is the repository we own for it; `records` the folder of its pull requests. The target gets branches and, by
    a merge, its base branch moved; where that is checked out, the files move along.
    """

    def __init__(self, repo: OwnedRepository, target: Path, records: Path, clock: Clock | None = None) -> None:
        self._repo = repo
        self._target = target
        self._records = Records(records)
        self._clock = clock or SystemClock()

    async def branch_head(self, branch: str) -> str | None:
        """The commit the branch points to in the target; None if it is not there."""
        return await self._repo.remote_ref(self._target, f"refs/heads/{branch}")

    async def push(self, branch: str, sha: str, *, expected: str | None) -> None:
        """Effect: the target's branch is `sha`, if it was `expected` before; else kind CONFLICT."""
        await self._repo.push(self._target, sha, f"refs/heads/{branch}", expected)

    async def delete_branch(self, branch: str, *, expected: str) -> None:
        """Effect: the target's branch is gone, if it was `expected`. A missing branch is fine."""
        if await self.branch_head(branch) is not None:
            await self._repo.push(self._target, "", f"refs/heads/{branch}", expected)

    async def find_pr(self, branch: str) -> PullRequest | None:
        """The newest pull request of `branch`. One whose head a person merged by hand is merged."""
        found = [record for record in await asyncio.to_thread(self._records.all) if record.branch == branch]
        return await self._current(found[-1]) if found else None

    async def other_prs(self, branch: str) -> tuple[PullRequest, ...]:
        """All open pull requests but those of `branch`, oldest first."""
        records = await asyncio.to_thread(self._records.all)
        found = [
            await self._current(record) for record in records if record.state == "open" and record.branch != branch
        ]
        return tuple(each for each in found if each.state == "open")

    async def get_pr(self, number: int) -> PullRequest:
        """The pull request with that number. Raises: OutsideError GONE."""
        return await self._current(await asyncio.to_thread(self._records.get, number))

    async def open_pr(self, draft: PullRequestDraft, key: EffectKey) -> PullRequest:
        """A new pull request. Effect: one record. A branch with an open one is kind CONFLICT, nothing to merge INVALID."""
        head = await self.branch_head(draft.branch)
        if head is None:
            raise OutsideError(
                f"the branch {draft.branch} is not in {self._target}: push it first", kind=FailureKind.GONE
            )
        base = await self._repo.fetch_base(draft.base)
        if await self._repo.is_ancestor(head, base):
            raise OutsideError(f"{draft.branch} has nothing that {draft.base} has not", kind=FailureKind.INVALID)
        record = PullRequestRecord(
            number=0,
            key=key,
            branch=draft.branch,
            base=draft.base,
            head_sha=head,
            title=clean_text(draft.title),
            body=clean_text(draft.body),
            opened_at=self._now(),
            diff=await self._diff(base, head),
        )
        return _pull_request(await asyncio.to_thread(self._records.add, record))

    async def edit_pr(self, number: int, *, title: str, body: str) -> None:
        """Effect: title and body are as given, head and diff as they are now."""
        record = await asyncio.to_thread(self._records.get, number)
        changes: dict[str, object] = {"title": clean_text(title), "body": clean_text(body)}
        head = await self.branch_head(record.branch)
        if record.state == "open" and head is not None:
            changes |= {"head_sha": head, "diff": await self._diff(await self._repo.fetch_base(record.base), head)}
        await asyncio.to_thread(self._change, number, changes)

    async def mark_ready(self, number: int) -> None:
        """Nothing: there are no drafts on this machine."""
        await asyncio.to_thread(self._records.get, number)

    async def reviews(self, number: int) -> tuple[ReviewNote, ...]:
        """All reviews, oldest first."""
        record = await asyncio.to_thread(self._records.get, number)
        return tuple(ReviewNote(**review.model_dump()) for review in record.reviews)

    async def add_review(self, number: int, review: ReviewNote) -> None:
        """Effect: the pull request has that review, once per id: how a person at the command line reviews."""
        kept = ReviewRecord(
            id=review.id,
            author=clean_text(review.author),
            state=review.state,
            body=clean_text(review.body),
            sha=review.sha,
            at=review.at,
        )
        await asyncio.to_thread(self._records.add_review, number, kept)

    async def threads(self, number: int) -> tuple[ReviewThread, ...]:
        """None: of single lines, people speak in the ticket's thread."""
        await asyncio.to_thread(self._records.get, number)
        return ()

    async def reply(self, number: int, thread: str, text: str, key: EffectKey) -> None:
        """Raises: OutsideError GONE, for there are no threads."""
        raise _no_thread(number, thread)

    async def resolve(self, number: int, thread: str) -> None:
        """Raises: OutsideError GONE, for there are no threads."""
        raise _no_thread(number, thread)

    async def comments(self, number: int) -> tuple[Comment, ...]:
        """None: to a pull request of this machine people speak in the ticket's thread."""
        await asyncio.to_thread(self._records.get, number)
        return ()

    async def merge(self, number: int, *, expected_head: str, message: str) -> str:
        """The merge commit. Effect: it is the base branch's head, checked-out files included.

        Repeated after a crash anywhere, it ends the same way with the same commit. Kind CONFLICT: another head, a base
        that does not merge cleanly, or changes of the person's own in the way; nothing has moved then.
        """
        record = await asyncio.to_thread(self._records.get, number)
        if record.state == "merged" and record.head_sha == expected_head:
            return record.merge_sha
        head = await self.branch_head(record.branch) or record.head_sha
        if record.state == "closed" or head != expected_head:
            state = "closed" if record.state == "closed" else f"at {head[:12]}, not at {expected_head[:12]}"
            raise OutsideError(f"local pull request {number} is {state}; nothing was merged", kind=FailureKind.CONFLICT)
        base = await self._repo.fetch_base(record.base)
        merged = await self._merged_by(head, base)
        if merged is None:
            plan = await self._plan(record, base, head, message)
            await self._deliver(record, plan)
            merged = plan.sha
        await self._drop_temporary(number)
        done: dict[str, object] = {"state": "merged", "merge_sha": merged, "head_sha": head}
        await asyncio.to_thread(self._change, number, done)
        return merged

    async def close_pr(self, number: int) -> None:
        """Effect: the pull request is closed without a merge; a merged one stays merged."""
        record = await asyncio.to_thread(self._records.get, number)
        if record.state == "open":
            await asyncio.to_thread(self._change, number, {"state": "closed"})

    @property
    def runs_checks(self) -> bool:
        """False: nobody but us runs checks here."""
        return False

    async def ci(self, sha: str, base: str) -> None:
        """None: nobody but us runs checks here."""

    async def rerun(self, handle: str) -> bool:
        """False: as `ci`."""
        return False

    async def ci_log(self, check: CiCheck) -> str:
        """Nothing: as `ci`."""
        return ""

    async def _current(self, record: PullRequestRecord) -> PullRequest:
        if record.state != "open":
            return _pull_request(record)
        head = await self.branch_head(record.branch) or record.head_sha
        merged = await self._merged_by(head, await self._repo.fetch_base(record.base))
        if merged is not None:
            record = record.model_copy(update={"state": "merged", "merge_sha": merged})
        return _pull_request(record.model_copy(update={"head_sha": head}))

    async def _merged_by(self, head: str, base: str) -> str | None:
        """The commit that brought `head` into the base's own line of commits; None if the base has not got it."""
        if await self._repo.resolve(head) is None or not await self._repo.is_ancestor(head, base):
            return None
        args = ("rev-list", "--first-parent", "--ancestry-path", f"{head}..{base}")
        later = (await self._repo.git.run(*args)).text.split()
        if not later:
            return head
        parent = await self._repo.resolve(f"{later[-1]}^")
        return head if parent == head else later[-1]

    async def _plan(self, record: PullRequestRecord, base: str, head: str, message: str) -> MergePlan:
        """The merge to carry out: the one written down earlier while base and head are as they were, else a new one."""
        known = record.plan
        if known and (known.base_sha, known.head_sha) == (base, head) and await self._repo.resolve(known.sha):
            return known
        result = await self._repo.merge_tree(base, head)
        if result.tree is None:
            listed = clean_text(", ".join(result.conflicts[:_NAMED]))
            raise OutsideError(
                f"{record.branch} does not merge cleanly into {record.base}: {listed}", kind=FailureKind.CONFLICT
            )
        at = self._now()
        sha = await self._repo.commit_tree(result.tree, [base, head], message, datetime.fromisoformat(at))
        plan = MergePlan(base_sha=base, head_sha=head, sha=sha, at=at)
        await asyncio.to_thread(self._change, record.number, {"plan": plan})
        return plan

    async def _deliver(self, record: PullRequestRecord, plan: MergePlan) -> None:
        ref = f"refs/heads/{record.base}"
        checkouts = await checkouts_of(self._target, record.base)
        if not checkouts:
            await self._repo.push(self._target, plan.sha, ref, plan.base_sha)
            return
        temporary = _temporary_ref(record.number)
        await self._repo.push(self._target, plan.sha, temporary, await self._repo.remote_ref(self._target, temporary))
        try:
            for checkout in checkouts:
                await FastForward(checkout, plan.base_sha, plan.sha, self._clock).run()
        except OutsideError as exc:
            await self._drop_temporary(record.number)
            raise OutsideError(f"{exc}, then: {_hint(record.branch)}", kind=exc.kind) from exc
        # The ref moves last: a crash before it repeats the merge, which finds the files done and takes them as they are.
        reason = ("-m", f"agentos: merge local pull request {record.number}")
        args = ("update-ref", *reason, ref, plan.sha, plan.base_sha)
        moved = await Git(checkouts[0].git_dir).run(*args, check=False)
        if moved.exit_code != 0 and await self._repo.remote_ref(self._target, ref) != plan.sha:
            raise OutsideError(
                f"{record.base} was moved while it was merged into; {_hint(record.branch)}", kind=FailureKind.CONFLICT
            )

    async def _drop_temporary(self, number: int) -> None:
        left = await self._repo.remote_ref(self._target, _temporary_ref(number))
        if left is not None:
            await self._repo.push(self._target, "", _temporary_ref(number), left)

    async def _diff(self, base: str, head: str) -> DiffSize:
        fork = (await self._repo.git.run("merge-base", base, head, check=False)).text or base
        size = await self._repo.diff_stat(fork, head)
        files = [
            {"path": clean_text(f.path), "insertions": f.insertions, "deletions": f.deletions} for f in size.per_file
        ]
        facts = {"files": size.files, "insertions": size.insertions, "deletions": size.deletions, "per_file": files}
        return DiffSize.model_validate(facts)

    def _change(self, number: int, changes: dict[str, object]) -> None:
        self._records.change(number, **changes)

    def _now(self) -> str:
        return self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _temporary_ref(number: int) -> str:
    """Where the merge commit waits in the target while the files move; gone afterwards.

    It is a branch beside the pull request's own, because git takes away the empty folders of branches alone.
    """
    return f"refs/heads/agentos/merging-{number}"


def _hint(branch: str) -> str:
    issue = branch.removeprefix("agentos/").partition("-")[0]
    return f"`agentos retry {issue}`" if issue.isdecimal() else "merge again"


def _no_thread(number: int, thread: str) -> OutsideError:
    return OutsideError(f"local pull request {number} has no thread {thread}", kind=FailureKind.GONE)


def _pull_request(record: PullRequestRecord) -> PullRequest:
    return PullRequest(
        number=record.number,
        url=f"local-pr:{record.number}",
        branch=record.branch,
        base=record.base,
        head_sha=record.head_sha,
        title=record.title,
        body=record.body,
        state=record.state,
        merge_sha=record.merge_sha,
    )
