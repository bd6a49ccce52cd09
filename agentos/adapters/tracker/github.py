"""Issues of a repository on GitHub: labels are the board, and comments of ours carry their key in a hidden first line."""

import re
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote

from agentos.adapters.github.account import account_of
from agentos.adapters.github.client import GitHubClient
from agentos.adapters.github.fresh import Fresh
from agentos.adapters.github.news import RepositoryNews
from agentos.adapters.github.outgoing import incoming, sent
from agentos.adapters.github.pace import Pace
from agentos.adapters.github.place import GitHubPlace
from agentos.adapters.github.project import GitHubProject
from agentos.adapters.github.reading import cleaned, comment_of, key_line, last_line, name_of, said_in
from agentos.adapters.github.refusal import Moved
from agentos.adapters.github.wire import Account, CommentAnswer, IssueAnswer, PermissionAnswer, TimelineEvent
from agentos.adapters.tracker.relation_lines import relation_lines, relations_in
from agentos.adapters.tracker.ticket import one_line
from agentos.domain.effect import STATUS_COMMENT, EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.failure import PASSING, FailureKind
from agentos.domain.issue import Comment, Issue, IssueDraft, IssueRef, Relations
from agentos.domain.naming import fitted, text_digest
from agentos.domain.requests import Requests
from agentos.domain.status import ATTENTION_LABEL, LABELS, READY_LABEL, Status, shown_label
from agentos.ports.clock import Clock
from agentos.ports.tracker import Board, News

RESOLUTION = EffectKey("resolution")
_BY_LABEL = {
    "agentos:queued": Status.READY,
    "agentos:running": Status.IN_PROGRESS,
    "agentos:waiting": Status.IN_REVIEW,
    "agentos:blocked": Status.BLOCKED,
    "agentos:done": Status.DONE,
}
_OURS = frozenset({*LABELS, ATTENTION_LABEL})
_ON_ITS_WAY = frozenset({Status.READY, Status.IN_PROGRESS, Status.APPROVED})
"""Soon overtaken by what is shown next, so that it may be late; what is shown of work at rest is what people go by."""
T = TypeVar("T")
_TITLE_CHARACTERS = 250
_LOGIN = re.compile(r"[A-Za-z0-9_-]+(\[bot\])?")
_PRIORITY = re.compile(r"priority\s*[:/]\s*(\S.*)", re.IGNORECASE)


class GitHubTracker:
    """The issues of `place`; `repo` is their repo-key.

    Labels are the board, and the project where `place` names one: without it, a new process reads the status off the one
    `agentos:` label, and off an issue that is closed.
    """

    def __init__(self, place: GitHubPlace, repo: str, clock: Clock, pace: Pace | None = None) -> None:
        self._place = place
        self._repo = repo
        self._api = GitHubClient(place, clock, pace)
        self._us: Account | None = None
        self._shown: dict[int, Board] = {}
        self._fresh = Fresh(clock)
        self._project = GitHubProject(self._api) if place.project else None
        self._news = RepositoryNews(self._api, clock.now())

    @property
    def requests(self) -> Requests:
        """What this object asked GitHub so far."""
        return self._api.requests

    async def ready(self) -> tuple[int, ...]:
        """The open issues with the label that asks for work, and those whose card people moved to Ready."""
        moved = await self._project.ready() if self._project is not None else ()
        return tuple(sorted({*moved, *await self._labelled(READY_LABEL)}))

    async def waiting(self) -> frozenset[int]:
        """The open issues with the label of those that wait for a person."""
        return await self._labelled(ATTENTION_LABEL)

    async def news(self) -> News:
        """What changed since it was asked last; the first time, in the last week. A card that was moved, which changes
        nothing of its issue, is among it as the last `ready` saw the project."""
        us = await self._account()
        touched, said = await self._news.fresh()
        touched |= self._project.take_moved() if self._project is not None else frozenset()
        return News(touched, tuple((number, comment_of(each, ours=_is(us, each.user))) for number, each in said))

    async def get(self, number: int) -> Issue:
        """The issue with that number as it is now. A pull request is none: GONE."""
        found = await self._issue(number)
        title, body = one_line(found.title), cleaned(found.body)
        return Issue(
            ref=IssueRef(self._repo, number),
            title=title,
            body=body,
            digest=text_digest(title, body),
            is_open=found.state == "open",
            status=found.state,
            priority=next((match[1].lower() for name in found.label_names if (match := _PRIORITY.fullmatch(name))), ""),
            labels=tuple(map(one_line, found.label_names)),
            assignees=tuple(each.login for each in found.assignees),
            author=name_of(found.user),
            url=found.html_url,
            relations=await self._relations(found, body),
        )

    async def superseded_by(self, number: int) -> tuple[int, ...]:
        """The issues here that say they supersede that one, found among those that mention it."""
        events = await self._there(number, self._api.pages(f"/issues/{number}/timeline", TimelineEvent))
        mentions = [event.source.issue for event in events if event.event == "cross-referenced" and event.source]
        theirs = (each for each in mentions if each is not None and self._is_here(each))
        found = [each.number for each in theirs if number in relations_in(cleaned(each.body)).supersedes]
        return tuple(dict.fromkeys(found))

    async def comments(self, issue: IssueRef) -> tuple[Comment, ...]:
        """All comments, oldest first, read to the last page; ours without the line that carries their key."""
        found = await self._comments(issue)
        us = await self._account()
        return tuple(comment_of(each, ours=_is(us, each.user)) for each in found)

    async def may_write(self, author: str, author_id: str) -> bool:
        """Whether the account with that name and number may write, as GitHub says now; a name alone proves nothing."""
        if not _LOGIN.fullmatch(author):
            return False
        try:
            found = await self._api.get(f"/collaborators/{quote(author, safe='')}/permission", PermissionAnswer)
        except OutsideError as exc:
            if exc.kind is not FailureKind.GONE:
                raise
            return False
        is_theirs = found.user is not None and str(found.user.id) == author_id
        return is_theirs and found.permission in ("admin", "maintain", "write")

    async def find_comment(self, issue: IssueRef, key: EffectKey) -> str | None:
        """The id of our comment whose first line carries `key`; a marker in anybody else's text does not count."""
        found, us = await self._comments(issue), await self._account()
        return next((str(each.id) for each in found if _is(us, each.user) and key_line(each) == marker(key)), None)

    async def write_comment(self, issue: IssueRef, text: str, key: EffectKey) -> str:
        """The id of a new comment carrying `key`. Effect: one comment, each time: the caller looks for the key first."""
        body = {"body": f"{marker(key)}\n\n{sent(text)}"}
        path = f"/issues/{issue.number}/comments"
        made = await self._there(issue.number, self._api.make("POST", path, body, CommentAnswer, again=False))
        self._fresh.add(issue.number, made)
        return str(made.id)

    async def edit_comment(self, issue: IssueRef, comment_id: str, text: str) -> None:
        """Effect: our comment has that text, below its key."""
        found = next((each for each in await self._comments(issue) if str(each.id) == comment_id), None)
        first = key_line(found) if found is not None and _is(await self._account(), found.user) else ""
        if not first.startswith("<!-- agentos:effect "):
            raise OutsideError(f"{issue} has no comment {comment_id} of ours to edit", kind=FailureKind.GONE)
        body = f"{first}\n\n{sent(text)}"
        is_picture = first == marker(STATUS_COMMENT)
        await self._api.change("PATCH", f"/issues/comments/{comment_id}", {"body": body}, picture=is_picture)
        self._fresh.edited(int(comment_id), body)

    async def board(self, issue: IssueRef) -> Board | None:
        """What labels and project show now; None where no label is ours. While the labels are as this process left them,
        the status is the one it showed: labels tell fewer. A card that somebody moved tells where it lies."""
        board = await self._of_labels(issue)
        if board is None or self._project is None:
            return board
        card = await self._project.status(issue.number)
        told = card is not None and self._project.can_show(board.status)
        return replace(board, status=card) if card is not None and told else board

    async def _of_labels(self, issue: IssueRef) -> Board | None:
        found = await self._issue(issue.number)
        names = found.label_names
        label, attention = shown_label(names), ATTENTION_LABEL in names
        if READY_LABEL in names:
            return Board(Status.READY, label, attention)
        shown = self._shown.get(issue.number)
        if shown is not None and (shown.label, shown.attention) == (label, attention):
            return shown
        if _OURS.isdisjoint(names):
            return None
        status = _BY_LABEL[label] if label else Status.BACKLOG
        return Board(Status.DONE if found.state == "closed" else status, label, attention)

    async def show(self, issue: IssueRef, board: Board) -> None:
        """Effect: of our labels, the issue has exactly those, and its card in the project lies where the status says;
        labels of people stay, but for the one that asked for the work. It is neither closed nor opened."""
        names = (await self._issue(issue.number)).label_names
        wanted = [each for each in (board.label, ATTENTION_LABEL if board.attention else None) if each]
        gone = _OURS if board.status is Status.READY else _OURS | {READY_LABEL}
        is_picture = board.status in _ON_ITS_WAY
        for name in names:
            if name in gone and name not in wanted:
                await self._take_label(issue, name, picture=is_picture)
        if missing := [each for each in wanted if each not in names]:
            body = {"labels": missing}
            await self._api.change("POST", f"/issues/{issue.number}/labels", body, picture=is_picture)
        if self._project is not None:
            await self._project.move(issue.number, board.status, picture=is_picture)
        self._shown[issue.number] = board

    async def find_issue(self, key: EffectKey) -> IssueRef | None:
        """The issue we filed under `key`: ours, with the key in its last line."""
        us = await self._account()
        found = await self._api.pages("/issues", IssueAnswer, state="all", creator=us.login)
        ours = (each for each in found if each.pull_request is None and _is(us, each.user))
        number = next((each.number for each in ours if last_line(each.body) == marker(key)), None)
        return None if number is None else IssueRef(self._repo, number)

    async def file_issue(self, draft: IssueDraft, key: EffectKey) -> IssueRef:
        """A new issue carrying `key`. Effect: one issue, not started."""
        objective = f"Objective: {one_line(draft.objective)}" if draft.objective else ""
        parts = [sent(draft.body).strip(), objective, relation_lines(Relations(related=draft.related)), marker(key)]
        body = {
            "title": one_line(draft.title)[:_TITLE_CHARACTERS] or "Follow-up",
            "body": "\n\n".join(filter(None, parts)),
        }
        labelled = {**body, "labels": list(draft.labels)}
        made = await self._api.make("POST", "/issues", labelled, IssueAnswer, again=False)
        return IssueRef(self._repo, made.number)

    async def close(self, issue: IssueRef, resolution: str) -> None:
        """Effect: the issue is closed; `resolution` is its last comment of that kind, written if it says something new."""
        text = fitted(resolution).strip() or "Done."
        found, us = await self._comments(issue), await self._account()
        said = [said_in(each) for each in found if _is(us, each.user) and key_line(each) == marker(RESOLUTION)]
        if said[-1:] != [incoming(sent(text))]:
            await self.write_comment(issue, text, RESOLUTION)
        if (await self._issue(issue.number)).state != "closed":
            done = {"state": "closed", "state_reason": "completed"}
            await self._api.change("PATCH", f"/issues/{issue.number}", done)
        if self._project is not None:
            await self._project.move(issue.number, Status.DONE)
        self._shown.pop(issue.number, None)

    async def _labelled(self, label: str) -> frozenset[int]:
        """The open issues with that label, as GitHub lists them."""
        asked = {"labels": label, "state": "open", "sort": "created", "direction": "asc"}
        found = await self._api.pages("/issues", IssueAnswer, **asked)
        return frozenset(each.number for each in found if each.pull_request is None)

    async def _issue(self, number: int) -> IssueAnswer:
        found = await self._there(number, self._api.get(f"/issues/{number}", IssueAnswer))
        if found.pull_request is not None:
            raise self._gone(number, f"{number} is a pull request, not an issue")
        return found

    async def _comments(self, issue: IssueRef) -> tuple[CommentAnswer, ...]:
        pages = self._api.pages(f"/issues/{issue.number}/comments", CommentAnswer)
        found = await self._there(issue.number, pages)
        return (*found, *self._fresh.missing(issue.number, found))

    async def _relations(self, found: IssueAnswer, body: str) -> Relations:
        """What the body says, and what GitHub itself was told: what blocks it, what it is part of, and its parts."""
        said, summary = relations_in(body), found.issue_dependencies_summary
        said = replace(said, related=tuple(dict.fromkeys((*said.related, *await self._family(found)))))
        if summary is None or not summary.total_blocked_by:
            return said
        blockers = await self._api.pages(f"/issues/{found.number}/dependencies/blocked_by", IssueAnswer)
        here = [each.number for each in blockers if self._is_here(each)]
        return replace(said, depends_on=tuple(dict.fromkeys((*said.depends_on, *here))))

    async def _family(self, found: IssueAnswer) -> tuple[int, ...]:
        """The issue that it is a part of, and its own parts, as far as they are here."""
        start, _, parent = (found.parent_issue_url or "").rpartition("/")
        is_here = start.lower() == f"{self._place.api_url}{self._place.path}/issues".lower() and parent.isdigit()
        above = (int(parent),) if is_here else ()
        if found.sub_issues_summary is None or not found.sub_issues_summary.total:
            return above
        parts = await self._api.pages(f"/issues/{found.number}/sub_issues", IssueAnswer)
        return (*above, *(each.number for each in parts if self._is_here(each)))

    def _is_here(self, issue: IssueAnswer) -> bool:
        return issue.pull_request is None and issue.html_url.lower().startswith(f"{self._place.url}/".lower())

    async def _take_label(self, issue: IssueRef, name: str, *, picture: bool) -> None:
        try:
            path = f"/issues/{issue.number}/labels/{quote(name, safe='')}"
            await self._api.change("DELETE", path, picture=picture)
        except OutsideError as exc:
            if exc.kind is not FailureKind.GONE:  # somebody else took it first
                raise

    async def _account(self) -> Account:
        """The account that writes for us, by its number: comments of everybody else are not ours."""
        if self._us is None:
            self._us = await account_of(self._api)
        return self._us

    async def _there(self, number: int, asked: Awaitable[T]) -> T:
        """What was asked about issue `number`, or that there is no such issue."""
        try:
            return await asked
        except OutsideError as exc:
            if exc.kind is not FailureKind.GONE:
                raise
            if isinstance(exc, Moved):
                raise await self._moved(number, exc) from exc
            raise self._gone(number, str(exc)) from exc

    async def _moved(self, number: int, exc: Moved) -> OutsideError:
        """Where issue `number` was transferred to, as far as we may see it there."""
        try:
            place = (await self._api.get_moved(exc.place, IssueAnswer)).html_url
        except OutsideError as unseen:
            if unseen.kind in PASSING:
                raise
            place = exc.place or "a repository that GitHub does not name"
        return OutsideError(
            f"issue {number} of {self._place.title} was transferred to {place}: the work on it ends here; "
            "in a clone of that repository it may be begun anew",
            kind=FailureKind.GONE,
        )

    def _gone(self, number: int, why: str) -> OutsideError:
        return OutsideError(
            f"there is no issue {number} in {self._place.title} ({why}); open one at {self._place.url}/issues/new",
            kind=FailureKind.GONE,
        )


def _is(us: Account, user: Account | None) -> bool:
    """Whether `user` is the account that writes for us."""
    return user is not None and user.id == us.id
