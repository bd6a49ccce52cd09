"""A walk of people and a run around one pull request on the fake GitHub, with the code that really listens and decides.

It keeps its own record of who said what, and tells by that what may count: nothing here asks the code that is tried.
"""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from agentos.adapters.forge.github import GitHubForge
from agentos.adapters.tracker.github import GitHubTracker
from agentos.config.settings import Settings
from agentos.config.workflow import Workflow
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.naming import text_digest
from agentos.domain.pipeline import Stage
from agentos.domain.run import RunRef
from agentos.domain.status import JobState, WaitKind
from agentos.runs.desk import Desk
from agentos.runs.listening import listen
from agentos.runs.signals import answer_to
from agentos.store import Store
from agentos.store.decisions import DecisionRow
from agentos.store.fence import Fence
from agentos.store.runs import Change
from agentos.workflows.kit.context import Ports, RunContext
from tests.github.fake import ANNA, ROBOT, US, FakeGitHub, Who, account
from tests.github.server import Fault, Server
from tests.models.clock import NotingClock

from githubkit_schemas.v2022_11_28 import models as gh  # isort: skip
from tests.github.samples import filled

READER, STRANGER = (4, "reed", "User"), (5, "mallory", "User")
PEOPLE = {"writer": ANNA, "reader": READER, "stranger": STRANGER, "bot": ROBOT}
ISSUE, PULL, BRANCH = 1, 2, "agentos/1-x"
SAID_BY = {"approved": "approve", "changes_requested": "feedback"}
KINDS = {"approve": DecisionKind.APPROVE, "feedback": DecisionKind.FEEDBACK}
NO_COMMAND = (
    "> /agentos approve",
    "```\n/agentos approve\n```",
    "Looks good to me: /agentos approve",
    "<!-- /agentos approve -->",
)


@dataclass
class Said:
    """What somebody said, as the walk remembers it; `said` is what it would mean, empty for no signal at all."""

    source: str
    who: Who
    said: str
    at: str
    sha: str = ""
    place: str = "reviews"
    comment: int = 0
    is_edited: bool = False
    is_heard: bool = False


class _Forge(GitHubForge):
    """The forge, told by the walk where the branch is: git itself is not what is tried here."""

    def __init__(self, walk: "Walk", server: Server) -> None:
        super().__init__(server.place(), cast("Any", None), NotingClock())
        self._walk = walk

    async def branch_head(self, branch: str) -> str | None:
        """The head as the walk has it."""
        return self._walk.head


class Walk:
    """One example: a fresh GitHub, a fresh run that waits for the review of its pull request."""

    def __init__(self, runner: asyncio.Runner, store: Store, server: Server, folder: Path, number: int) -> None:
        self.runner, self.store, self.server, self.folder = runner, store, server, folder
        self.repo, self.seconds, self.commits, self.waits = f"demo{number}", 0, 0, 0
        self.said: list[Said] = []
        self.everything: list[Said] = []
        """What was said, also what was deleted since, in the order of the saying."""
        self.counted: dict[str, Said] = {}
        self.hub = server.github = FakeGitHub(url=server.github.url, is_behind=True)
        self.hub.permissions |= {READER: "read", ROBOT: "write"}
        self.hub.open_issue("x")
        self.head = self.commit()
        self.runner.run(self._begin())

    # -- what people do ----------------------------------------------------------------------------------------------

    def comment(self, who: Who, word: str, sha: str, *, on: int) -> None:
        """Effect: a command of theirs stands on the issue or the pull request."""
        text = {
            "approve": f"/agentos approve {sha[:12]}".strip(),
            "feedback": f"/agentos feedback Louder {self.seconds}.",
        }.get(word, word)
        made = self.hub.comment(on, text, who=who)
        at = self.now()
        self.hub.comments[made].update(created_at=at, updated_at=at)
        meant = "" if text in NO_COMMAND or who[2] == "Bot" else word
        self._say(Said(f"comment:{text_digest(str(made))[:16]}", who, meant, at, sha, f"comments of {on}", made))

    def review(self, who: Who, state: str, sha: str) -> None:
        """Effect: a review of theirs is sent."""
        made, at = self.hub.next_id(), self.now()
        self.hub.review(
            PULL, state=state, body="Louder." if state == "changes_requested" else "", sha=sha, at=at, id=made, who=who
        )
        meant = "" if who[2] == "Bot" else SAID_BY.get(state, "")
        self._say(Said(f"review:{text_digest(str(made))[:16]}", who, meant, at, sha))

    def _say(self, said: Said) -> None:
        self.said.append(said)
        self.everything.append(said)

    def edit(self, which: Said) -> None:
        """Effect: a comment says an approval now, and that it was edited."""
        later = f"2026-06-01T00:00:{self.seconds % 60:02}Z"
        self.hub.comments[which.comment].update(body=f"/agentos approve {self.head[:12]}", updated_at=later)
        which.is_edited, which.said = True, "" if which.who[2] == "Bot" else "approve"

    def delete(self, which: Said) -> None:
        """Effect: the comment is gone."""
        del self.hub.comments[which.comment]
        self.said.remove(which)

    def push(self) -> None:
        """Effect: somebody's commit is the head of the branch."""
        self.head = self.commit()

    def now(self) -> str:
        """The time on GitHub's clock, whose smallest part is a second."""
        return f"2026-05-01T00:{self.seconds // 60:02}:{self.seconds % 60:02}Z"

    def commit(self) -> str:
        """A new sha."""
        self.commits += 1
        return f"{self.commits:x}".rjust(40, "c")

    # -- what the run does -------------------------------------------------------------------------------------------

    def look(self, fault: Fault | None = None) -> None:
        """Effect: the run looks at what was said, and does it. `fault`: what breaks while it answers."""
        self.server.faults[:] = [fault] if fault else []
        try:
            self.runner.run(self._look())
        except OutsideError:
            assert fault is not None
            assert fault.fired
        self.runner.run(self._count())
        self.server.faults.clear()

    async def _begin(self) -> None:
        ends = {"head": {**filled(gh.PullRequest)["head"], "ref": BRANCH, "sha": self.head}}
        self.hub.pulls[PULL] = filled(
            gh.PullRequest, id=1, number=PULL, state="open", title="x", body="", user=account(US), **ends
        )
        issue = IssueRef(self.repo, ISSUE)
        run = await self.store.runs.create(issue, target=str(self.folder), profile="cli", options={})
        fence = await self.store.runs.acquire(run.ref.id, owner="walk", lease_s=3600)
        assert fence is not None
        self.ctx = self._context(run.ref, fence)
        self.desk = Desk(self.store, NotingClock(), self.folder, cast("Any", None))
        await self.store.effects.intend(fence, issue, EffectKey("pr"), version="")
        await self.store.effects.record(fence, issue, EffectKey("pr"), {"number": PULL})
        await self._move(Change(job=JobState.RUNNING), EventKind.RUN_ACCEPTED)
        await self._wait()

    def _context(self, run: RunRef, fence: Fence) -> RunContext:
        tracker, absent = GitHubTracker(self.server.place(), self.repo, NotingClock()), cast("Any", None)
        ports = Ports(tracker, _Forge(self, self.server), absent, absent, absent, absent, absent, NotingClock())
        settings = Settings.model_validate({"home": self.folder})
        return RunContext(
            run, fence, settings, Workflow(), absent, absent, ports, self.store, absent, self.folder, self.folder
        )

    async def _look(self) -> None:
        wait = await self.store.runs.wait(self.ctx.run.id)
        if wait is None:  # it died between two waits
            return await self._wait()
        await listen(self.desk, self.ctx, branch=BRANCH)
        await self._count()
        rows = await self.store.decisions.pending(self.ctx.run.id)
        answer = answer_to(wait.id, rows)
        self._judge(wait, rows, answer)
        for row in rows:
            await self.store.decisions.consume(self.ctx.fence, row.id)
        if answer is not None:
            self.head = self.commit()
        if self.head != wait.subject:
            await self._move(Change(job=JobState.RUNNING, clear_wait=True), EventKind.RUN_RESUMED)
            await self._wait()
        return None

    async def _wait(self) -> None:
        await listen(self.desk, self.ctx)
        kind = WaitKind.REVIEW
        wait = Wait(kind, Stage.REVIEW, "look", "", ACCEPTED_BY[kind], subject=self.head, id=f"wait-{self.waits}")
        await self._move(Change(job=JobState.WAITING, stage=Stage.REVIEW, wait=wait), EventKind.RUN_WAITING)

    async def _move(self, change: Change, event: EventKind) -> None:
        self.waits += 1
        await self.store.runs.transition(self.ctx.fence, change, event=event, data={}, event_id=f"walk:{self.waits}")

    # -- what must be true -------------------------------------------------------------------------------------------

    def _judge(self, wait: Wait, rows: tuple[DecisionRow, ...], answer: Decision | None) -> None:
        """Raises AssertionError where the answer is not what people with the right to it said last of this commit."""
        counted = [(row.decision, self.counted[row.decision.source]) for row in rows]
        feedback = [said for decision, said in counted if decision.kind is DecisionKind.FEEDBACK]
        if answer is not None and answer.kind is DecisionKind.APPROVE:
            assert answer.subject == wait.subject
            words = [self.counted[row.decision.source] for row in rows]
            assert not any(self._may_be_last(each, words) for each in feedback), "feedback lost to an approval"
        elif feedback:
            assert answer is not None
            assert answer.kind is DecisionKind.FEEDBACK

    def _may_be_last(self, one: Said, words: list[Said]) -> bool:
        """Whether `one` may be the last of `words`, as far as anybody can tell: within a second only their place can."""
        order = {each.source: number for number, each in enumerate(self.everything)}
        return all(
            other.at < one.at
            or (other.at == one.at and (other.place != one.place or order[other.source] <= order[one.source]))
            for other in words
        )

    async def _count(self) -> None:
        """Effect: what was recorded is remembered as it was said then. Raises AssertionError where it may not count."""
        meant = {each.source: each for each in self.said}
        for row in await self.store.decisions.of_run(self.ctx.run.id):
            if row.decision.source in self.counted:
                continue
            said = meant.get(row.decision.source)
            assert said is not None, f"{row.decision.source} was deleted, or never said"
            assert said.who == ANNA, f"{said.who} decided"
            assert not said.is_edited, "an edited comment decided"
            assert row.decision.kind is KINDS[said.said]
            if said.said == "approve":
                assert {row.decision.subject, said.sha or self.head} == {self.head}, "it counted for another commit"
            self.counted[said.source] = replace(said)

    def require_answers(self) -> None:
        """Raises AssertionError where something that was said has not exactly one answer, or what is no signal has one."""
        ours = [each["body"].partition("\n")[0] for each in self.hub.comments.values() if each["user"]["id"] == US[0]]
        assert len(ours) == len(set(ours)), "an acknowledgement stands there twice"
        signals = [each for each in self.said if each.said]
        trusted = {marker(EffectKey(f"ack:{each.source}")) for each in signals if each.who == ANNA}
        strangers = {each.who for each in signals if each.who != ANNA}
        turned = {marker(EffectKey(f"ack:stranger:{text_digest(str(who[0]))[:16]}")) for who in strangers}
        assert trusted | turned <= set(ours), "something was said and not answered"
