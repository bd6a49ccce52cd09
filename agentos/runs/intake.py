"""Finding work: issues that people moved to Ready or asked for in a comment become runs, queued and not begun (I3)."""

from collections.abc import Collection
from dataclasses import dataclass, field

from agentos.domain.effect import EffectKey
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import OPT_OUT_LABEL, IssueRef
from agentos.domain.run import Run
from agentos.domain.status import TERMINAL, Status
from agentos.ports.tracker import Board, Tracker
from agentos.runs.desk import Desk, Target
from agentos.runs.start import NotYet, accept
from agentos.runs.summons import Summons
from agentos.store.turns import turn
from agentos.workflows.kit.blocks import defused

WAITING = EffectKey("waiting-reason")
"""The one comment that says why an issue that is Ready is not begun yet (I3 exempts it)."""
BEGUN = "Not waiting any more: a run has this issue now."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an issue that is Ready has no run; `is_told`: the issue says so, too."""

    number: int
    why: str
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What one look brought: new runs, refusals that were not told before, and by number what was touched meanwhile and what
    shows that it waits for a person."""

    runs: tuple[Run, ...] = ()
    refused: tuple[Refusal, ...] = ()
    touched: frozenset[int] = frozenset()
    waiting: frozenset[int] = frozenset()


@dataclass
class Intake:
    """The way from the tracker of one repository into the queue. A process keeps one, which remembers what it told."""

    desk: Desk
    summons: Summons = field(init=False)
    told: dict[int, str] = field(default_factory=dict)
    _touched: frozenset[int] = frozenset()  # kept while a look fails half-way: news are told once

    def __post_init__(self) -> None:
        self.summons = Summons(self.desk)

    async def look(self, target: Target, trusted: Collection[str], *, takes: bool = True) -> Found:
        """What there is to do. Effect: every issue that is to be worked on has its run; `takes` off: none is made.

        Several processes may look at once: one at a time takes issues in. Where nothing changed, nothing is paid for.
        Raises: OutsideError where tracker or database cannot be reached.
        """
        shown, ready = await target.tracker.waiting(), await target.tracker.ready()
        news = await target.tracker.news()
        self._touched |= news.touched
        self.summons.note(news.said)
        self.told = {number: why for number, why in self.told.items() if number in ready}
        waiting = [number for number in ready if await self._lacks_run(target, number)]
        made, refused = list[Run](), list[Refusal]()
        if takes and (waiting or self.summons.has_open):
            async with turn(self.desk.store.db, f"intake {target.repo}") as ours:
                if ours:
                    made += await self.summons.settle(target, trusted)
                    taken = [await self._take(target, number) for number in waiting]
                    made += [each for each in taken if isinstance(each, Run)]
                    refused += [each for each in taken if isinstance(each, Refusal)]
        touched, self._touched = self._touched, frozenset()
        return Found(tuple(made), tuple(refused), touched, shown)

    async def _lacks_run(self, target: Target, number: int) -> bool:
        return await self.desk.store.runs.live(target.issue(number)) is None

    async def _take(self, target: Target, number: int) -> Run | Refusal | None:
        """The run that was made for an issue that is Ready, or why none was, if that is news."""
        try:
            if await self._is_left_over(target, number):
                return None
            run = await accept(self.desk, target, number)
        except NotYet as exc:
            return await self._refuse(target, number, str(exc), told_there=True)
        except UsageError as exc:
            return await self._refuse(target, number, str(exc), told_there=False)
        except OutsideError as exc:
            if exc.kind is not FailureKind.GONE:
                raise
            return None
        if self.told.pop(number, ""):
            await keep_waiting_reason(target.tracker, run.ref.issue, BEGUN)
        return run

    async def _is_left_over(self, target: Target, number: int) -> bool:
        """Whether it is Ready only because the last run ended before it could show anything. Effect: then it is no more.

        Every other run took it off before its first stage; so whoever moved it to Ready did so after that.
        """
        last = await self.desk.store.runs.latest(target.issue(number))
        if last is None or last.job not in TERMINAL or last.stage is not None:
            return False
        shown = await self.desk.store.effects.get(last.ref.issue, EffectKey("board"))
        if shown is not None and shown.run_id == last.ref.id and shown.state == "recorded":
            return False
        issue = await target.tracker.get(number)
        if OPT_OUT_LABEL not in issue.labels:
            await target.tracker.show(issue.ref, Board(Status.BACKLOG))
        return True

    async def _refuse(self, target: Target, number: int, why: str, *, told_there: bool) -> Refusal | None:
        if self.told.get(number) == why:
            return None
        if told_there:
            await keep_waiting_reason(target.tracker, target.issue(number), not_begun(why))
        self.told[number] = why
        return Refusal(number, why, told_there)


def not_begun(why: str) -> str:
    """What an issue that is Ready is told while it waits."""
    return f"Not begun yet: {why}."


async def keep_waiting_reason(tracker: Tracker, issue: IssueRef, text: str) -> None:
    """Effect: the issue's one comment about why it waits says `text`. Repeating is harmless."""
    text = defused(text)
    comment = await tracker.find_comment(issue, WAITING)
    if comment is None:
        await tracker.write_comment(issue, text, WAITING)
        return
    said = {each.id: each.body for each in await tracker.comments(issue)}
    if text not in said.get(comment, ""):
        await tracker.edit_comment(issue, comment, text)
