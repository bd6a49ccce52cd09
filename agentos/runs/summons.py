"""Commands on issues that no run works on: `/agentos queue` makes one; whatever else is said there is answered once."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from agentos.domain.error import OutsideError, UsageError
from agentos.domain.failure import FailureKind
from agentos.domain.issue import OPT_OUT_LABEL, Comment, Issue
from agentos.domain.run import Run
from agentos.domain.status import LIVE
from agentos.runs.commands import FORMS, WORD, Misspelt, Verb
from agentos.runs.desk import QUEUED_BY, Desk, Target
from agentos.runs.listening import ack_key, may_decide, stranger_key
from agentos.runs.signals import Answer, Refused, Signal, acknowledgement, signals_in
from agentos.runs.start import accept
from agentos.store.runs import WholeRun
from agentos.workflows.kit.blocks import defused


class Summons:
    """What was said on issues without a run and is not settled yet. A process keeps one for each repository."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: dict[tuple[int, str], Signal] = {}
        self._settled: set[tuple[int, str]] = set()

    def note(self, said: Iterable[tuple[int, Comment]]) -> None:
        """Effect: the commands in these comments, each with the number of its issue, are open, but for the settled ones."""
        for number, comment in said:
            for signal in signals_in((comment,), ()):
                if (number, signal.source) not in self._settled:
                    self._open[number, signal.source] = signal

    @property
    def has_open(self) -> bool:
        """Whether something is not settled yet."""
        return bool(self._open)

    async def settle(self, target: Target, trusted: Collection[str]) -> tuple[Run, ...]:
        """The runs that were asked for. Effect: their rows are there; what does not count is answered with one comment.

        What a live run hears by itself stays open until it did. One process at a time may do this for a repository.
        Raises: OutsideError where the tracker cannot be asked; what is open then is looked at again the next time.
        """
        made = []
        for (number, source), signal in sorted(self._open.items(), key=lambda item: item[1].at):
            settled, run = await self._settle(target, number, signal, trusted)
            made += [] if run is None else [run]
            if settled:
                del self._open[number, source]
                self._settled.add((number, source))
        return tuple(made)

    async def _settle(
        self, target: Target, number: int, signal: Signal, trusted: Collection[str]
    ) -> tuple[bool, Run | None]:
        """Whether nothing is left to do about `signal`, and the run that was made for it."""
        runs = await self._desk.store.runs.of_issue(target.issue(number))
        heard = await self._desk.store.effects.get(target.issue(number), ack_key(signal))
        if (heard is not None and heard.state == "recorded") or any(_asked_by(signal, run) for run in runs):
            return True, None
        if any(run.run.job in LIVE for run in runs):
            return False, None
        issue = await _issue(target, number)
        if issue is None or not issue.is_open or OPT_OUT_LABEL in issue.labels:
            return True, None
        if await target.tracker.find_comment(issue.ref, ack_key(signal)) is not None:
            return True, None
        return True, await self._answer(target, issue, signal, trusted)

    async def _answer(self, target: Target, issue: Issue, signal: Signal, trusted: Collection[str]) -> Run | None:
        """The run that `signal` asked for. Effect: where it made none, one comment says why, a stranger's first word alone
        has one; where it made one, the run says so itself."""
        if not await may_decide(target.tracker, trusted, signal):
            refused = Refused("only people who may write to this repository can steer its runs", stranger=True)
            if await target.tracker.find_comment(issue.ref, stranger_key(signal)) is None:
                text = defused(acknowledgement(signal, refused))
                await target.tracker.write_comment(issue.ref, text, stranger_key(signal))
            return None
        outcome = unheard(signal)
        if outcome is None:
            asked = replace(target, options={**target.options, QUEUED_BY: signal.source})
            try:
                return await accept(self._desk, asked, issue.ref.number)
            except UsageError as exc:
                outcome = Refused(f"{exc}. Say it again then")
        await target.tracker.write_comment(issue.ref, defused(acknowledgement(signal, outcome)), ack_key(signal))
        return None


def unheard(signal: Signal) -> Answer | Refused | None:
    """What is answered to somebody who may decide, where no run is; None for the word that makes one (pure)."""
    if signal.edited:
        return Refused("it was edited after it was written; write it anew")
    if isinstance(signal.said, Misspelt):
        return Refused(signal.said.why)
    match signal.said.verb:
        case Verb.QUEUE:
            return None
        case Verb.STATUS:
            return Answer(f"no run works on this issue; `{WORD} {FORMS[Verb.QUEUE]}` begins one")
        case _:
            return Refused(f"no run works on this issue; `{WORD} {FORMS[Verb.QUEUE]}` begins one")


def _asked_by(signal: Signal, run: WholeRun) -> bool:
    return run.options.get(QUEUED_BY) == signal.source


async def _issue(target: Target, number: int) -> Issue | None:
    """The issue; None where there is none, or a pull request has the number."""
    try:
        return await target.tracker.get(number)
    except OutsideError as exc:
        if exc.kind is FailureKind.GONE:
            return None
        raise
