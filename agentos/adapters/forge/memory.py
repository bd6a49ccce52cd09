"""A forge in this process's memory, for tests of everything above the port."""

from dataclasses import replace

from agentos.domain.ci import CiCheck, CiReport
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import Comment
from agentos.domain.naming import clean_text, text_digest
from agentos.ports.forge import PullRequest, PullRequestDraft, ReviewNote, ReviewThread


class MemoryForge:
    """Branches and pull requests, gone with the process. Commits are only names here: any base merges cleanly."""

    def __init__(self, base: str = "main", base_sha: str = "0" * 39 + "1") -> None:
        self._branches = {base: base_sha}
        self._pull_requests: list[PullRequest] = []
        self._reviews: dict[int, list[ReviewNote]] = {}
        self._comments: dict[int, list[Comment]] = {}
        self.reports: dict[str, CiReport] = {}
        """What the CI says, by commit; nothing, and this forge has none."""
        self.after_rerun: dict[str, CiReport] = {}
        """What it says of its commit once that was run again; nothing, and nobody may run it again."""
        self.logs: dict[str, str] = {}
        self.reruns: list[str] = []
        self._threads: dict[int, dict[str, ReviewThread]] = {}

    async def branch_head(self, branch: str) -> str | None:
        """The commit the branch points to; None if it is not there."""
        return self._branches.get(branch)

    async def push(self, branch: str, sha: str, *, expected: str | None) -> None:
        """Effect: the branch is `sha`, if it was `expected` before; else kind CONFLICT. Being `sha` already is fine."""
        now = self._branches.get(branch)
        if now not in (expected, sha):
            raise OutsideError(f"the branch {branch} is at {now or 'nothing'}; left alone", kind=FailureKind.CONFLICT)
        self._branches[branch] = sha

    async def delete_branch(self, branch: str, *, expected: str) -> None:
        """Effect: the branch is gone, if it was `expected`. A missing branch is fine."""
        now = self._branches.get(branch, expected)
        if now != expected:
            raise OutsideError(f"the branch {branch} is at {now}; left alone", kind=FailureKind.CONFLICT)
        self._branches.pop(branch, None)

    async def find_pr(self, branch: str) -> PullRequest | None:
        """The newest pull request whose head is `branch`, open or not."""
        found = next((each for each in reversed(self._pull_requests) if each.branch == branch), None)
        return self._current(found) if found else None

    async def other_prs(self, branch: str) -> tuple[PullRequest, ...]:
        """All open pull requests but those of `branch`, oldest first."""
        return tuple(
            self._current(each) for each in self._pull_requests if each.state == "open" and each.branch != branch
        )

    async def open_pr(self, draft: PullRequestDraft, key: EffectKey) -> PullRequest:
        """A new pull request. Effect: one pull request. A branch with an open one is kind CONFLICT."""
        head = self._branches.get(draft.branch)
        if head is None:
            raise OutsideError(f"the branch {draft.branch} is not there: push it first", kind=FailureKind.GONE)
        found = await self.find_pr(draft.branch)
        if found is not None and found.state == "open":
            raise OutsideError(f"{draft.branch} has the open pull request {found.number}", kind=FailureKind.CONFLICT)
        number = len(self._pull_requests) + 1
        title, body = clean_text(draft.title), clean_text(draft.body)
        url = f"memory-pr:{number}"
        opened = PullRequest(number, url, draft.branch, draft.base, head, title, body, "open", is_draft=draft.unready)
        self._pull_requests.append(opened)
        return opened

    async def edit_pr(self, number: int, *, title: str, body: str) -> None:
        """Effect: title and body are as given."""
        self._keep(replace(self._find(number), title=clean_text(title), body=clean_text(body)))

    async def mark_ready(self, number: int) -> None:
        """Effect: the pull request is no draft any more."""
        self._keep(replace(self._find(number), is_draft=False))

    async def reviews(self, number: int) -> tuple[ReviewNote, ...]:
        """All reviews, oldest first."""
        self._find(number)
        return tuple(self._reviews.get(number, ()))

    async def add_review(self, number: int, review: ReviewNote) -> None:
        """Effect: the pull request has that review, once per id, as a person gives it."""
        self._find(number)
        there = self._reviews.setdefault(number, [])
        if all(each.id != review.id for each in there):
            there.append(review)

    async def threads(self, number: int) -> tuple[ReviewThread, ...]:
        """What people said of single lines, oldest first."""
        self._find(number)
        return tuple(self._threads.get(number, {}).values())

    def say_of_line(self, number: int, review: str, path: str, line: int, *, thread: str = "") -> str:
        """The id of the thread in which the review says something of that line, a new one or `thread`."""
        there = self._threads.setdefault(number, {})
        thread = thread or f"thread-{len(there) + 1}"
        kept = there.get(thread) or ReviewThread(thread, path, line, is_resolved=False, reviews=())
        there[thread] = replace(kept, reviews=(*kept.reviews, review))
        return thread

    async def reply(self, number: int, thread: str, text: str, key: EffectKey) -> None:
        """Effect: one more comment in that thread, each time."""
        found = self._thread(number, thread)
        self._threads[number][thread] = replace(found, marks=(*found.marks, marker(key)))

    async def resolve(self, number: int, thread: str) -> None:
        """Effect: the thread is settled."""
        self._threads[number][thread] = replace(self._thread(number, thread), is_resolved=True)

    async def comments(self, number: int) -> tuple[Comment, ...]:
        """What people wrote to it, oldest first."""
        self._find(number)
        return tuple(self._comments.get(number, ()))

    def say(self, number: int, comment: Comment) -> None:
        """Effect: the pull request has that comment, as a person writes it."""
        self._comments.setdefault(number, []).append(comment)

    async def merge(self, number: int, *, expected_head: str, message: str) -> str:
        """The merge commit. Effect: it is the base branch's head; another head or a closed one is kind CONFLICT."""
        now = self._current(self._find(number))
        if now.state == "closed" or now.head_sha != expected_head:
            raise OutsideError(
                f"pull request {number} is {now.state} at {now.head_sha}; nothing was merged", kind=FailureKind.CONFLICT
            )
        if now.state == "open":
            sha = text_digest(self._branches[now.base], now.head_sha, message)[:40]
            self._branches[now.base] = sha
            self._keep(replace(now, state="merged", merge_sha=sha))
        return self._find(number).merge_sha

    async def close_pr(self, number: int) -> None:
        """Effect: the pull request is closed without a merge; a merged one stays merged."""
        found = self._find(number)
        if found.state == "open":
            self._keep(replace(self._current(found), state="closed"))

    @property
    def runs_checks(self) -> bool:
        """True: those in `reports`."""
        return True

    async def ci(self, sha: str, base: str) -> CiReport | None:
        """The checks of the commit `sha`; None where no commit has any."""
        return self.reports.get(sha, CiReport(sha)) if self.reports else None

    async def rerun(self, handle: str) -> bool:
        """Whether it is run again. Effect: its commit's checks are as `after_rerun` has them."""
        after = self.after_rerun.get(handle)
        if after is not None:
            self.reruns.append(handle)
            self.reports[after.sha] = after
        return after is not None

    async def ci_log(self, check: CiCheck) -> str:
        """What `logs` has for its id."""
        return self.logs.get(check.id, "")

    def _thread(self, number: int, thread: str) -> ReviewThread:
        found = self._threads.get(number, {}).get(thread)
        if found is None:
            raise OutsideError(f"pull request {number} has no thread {thread}", kind=FailureKind.GONE)
        return found

    def _find(self, number: int) -> PullRequest:
        if not 1 <= number <= len(self._pull_requests):
            raise OutsideError(f"there is no pull request {number}", kind=FailureKind.GONE)
        return self._pull_requests[number - 1]

    def _keep(self, changed: PullRequest) -> None:
        self._pull_requests[changed.number - 1] = changed

    def _current(self, found: PullRequest) -> PullRequest:
        if found.state != "open":
            return found
        return replace(found, head_sha=self._branches.get(found.branch, found.head_sha))
