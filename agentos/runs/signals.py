"""What people said where the issue and its pull request are, and what of it counts (pure; DESIGN §7)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from agentos.domain.decision import OF_A_REVIEW, Decision, DecisionKind, Wait, source_of_review
from agentos.domain.error import UsageError
from agentos.domain.issue import Comment
from agentos.domain.naming import text_digest
from agentos.domain.run import Run
from agentos.domain.status import WaitKind
from agentos.ports.forge import ReviewNote
from agentos.runs.commands import WORD, Command, Misspelt, Verb, read_command
from agentos.runs.decide import bind
from agentos.store.decisions import DecisionRow

OF_REVIEWS = {"approved": Verb.APPROVE, "changes_requested": Verb.FEEDBACK}
"""What a review of a pull request says by its state."""
MARK = "<!-- agentos:effect "
NO_COMMIT = "0" * 40
"""What an approval is for that does not say what was seen: nothing."""
WORDLESS = "Changes were requested, without a word of which."


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing a person said to the run. `source` names the comment or review, so that it counts once."""

    source: str
    author: str
    author_id: str
    at: str
    said: Command | Misspelt
    edited: bool = False

    @property
    def person(self) -> str:
        """Who said it, by what nobody else can have: the id, where there is one."""
        return self.author_id or self.author

    @property
    def approves(self) -> bool:
        """Whether it would open a gate."""
        return isinstance(self.said, Command) and self.said.verb is Verb.APPROVE

    @property
    def quoted(self) -> str:
        """What it is called in a sentence."""
        word = self.said.verb if isinstance(self.said, Command) else ""
        if self.source.startswith(OF_A_REVIEW):
            return "The review that approves" if word == Verb.APPROVE else "The review that asks for changes"
        return f"`{WORD} {word}`" if word else f"The line with `{WORD}`"


@dataclass(frozen=True, slots=True)
class Scene:
    """How things stand when a signal is judged. `head`: the commit the branch is at on the forge, empty where that is not
    known; `hold`: the hold the run is under; `queued_by`: the signal that asked for the run, where one did."""

    run: Run
    wait: Wait | None
    hold: Decision | None = None
    head: str = ""
    queued_by: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What does not count, with the reason; `stranger`: because of who said it."""

    why: str
    stranger: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered without anything being decided."""

    text: str


def signals_in(
    comments: Iterable[Comment], reviews: Iterable[ReviewNote], of_pull: Iterable[Comment] = ()
) -> tuple[Signal, ...]:
    """Everything said to the run, oldest first; bots say nothing, and what is no command is no signal. `of_pull`: comments
    on the pull request.

    Times have whole seconds: in one place the order there decides within a second; where two places speak in the same one
    nobody can tell, and approvals are taken to be the earlier.
    """
    places = (map(_of_comment, comments), map(_of_comment, of_pull), map(_of_review, reviews))
    found = [(place, signal) for place, said in enumerate(places) for signal in said if signal is not None]
    spoke = Counter(at for _, at in {(place, signal.at) for place, signal in found})
    found.sort(key=lambda each: (each[1].at, spoke[each[1].at] > 1 and not each[1].approves, each[0]))
    return tuple(signal for _, signal in found)


def _of_comment(comment: Comment) -> Signal | None:
    # A comment of ours may stand there under a person's name, whose token we were given.
    said = None if comment.is_bot or MARK in comment.body else read_command(comment.body)
    if said is None:
        return None
    return Signal(
        f"comment:{text_digest(comment.id)[:16]}", comment.author, comment.author_id, comment.at, said, comment.edited
    )


def _of_review(note: ReviewNote) -> Signal | None:
    if note.is_bot:
        return None
    verb = OF_REVIEWS.get(note.state)
    said = read_command(note.body) if verb is None else None
    if verb is Verb.APPROVE:
        said = Command(verb, sha=note.sha or NO_COMMIT)
    elif verb is Verb.FEEDBACK:
        said = Command(verb, note.body.strip() or WORDLESS)
    if said is None:
        return None
    return Signal(source_of_review(note.id), note.author, note.author_id, note.at, said, note.edited)


def judged(signal: Signal, scene: Scene, *, may_decide: bool) -> Decision | Answer | Refused:
    """What `signal` comes to. `may_decide`: its author has the authority, as was just found out."""
    if signal.source == scene.queued_by:  # judged when the run was made
        return Answer(f"run #{scene.run.ref.number} is made for it")
    if not may_decide:
        return Refused("only people who may write to this repository can steer its runs", stranger=True)
    if signal.edited:
        return Refused("it was edited after it was written; write it anew")
    if isinstance(signal.said, Misspelt):
        return Refused(signal.said.why)
    match signal.said.verb:
        case Verb.STATUS:
            return Answer(standing(scene))
        case Verb.QUEUE:
            return Answer(f"there is a run already; {standing(scene)}")
        case _:
            return _bound(signal, signal.said, scene)


def standing(scene: Scene) -> str:
    """Where the run stands, in one sentence."""
    run, wait = scene.run, scene.wait
    what = f"run #{run.ref.number} is {run.job}" + (f" in {run.stage}" if run.stage else "")
    return what + (f" at “{wait.title}”, which takes {', '.join(wait.accepts)}" if wait is not None else "")


def _bound(signal: Signal, said: Command, scene: Scene) -> Decision | Refused:
    if scene.run.started_at is None:
        return Refused(f"it was said before run #{scene.run.ref.number} began; say it anew")
    why = _refusal(said, scene)
    if why:
        return Refused(why)
    stage = said.stage if said.verb is Verb.SKIP else None
    decision = Decision(DecisionKind(said.verb), signal.author, signal.source, said.text, said.sha, stage)
    try:
        return bind(scene.run, scene.wait, decision, held=scene.hold)
    except UsageError as exc:
        return Refused(str(exc))


def _refusal(said: Command, scene: Scene) -> str:
    """Why it cannot be what the run waits for; empty where that stands in nobody's way."""
    wait, number = scene.wait, scene.run.ref.issue.number
    if said.verb is Verb.RETRY and said.stage not in (None, wait.stage if wait is not None else None):
        return f"a new run has to be begun to enter at {said.stage}: `agentos retry {number} {said.stage}` does"
    if said.verb is not Verb.APPROVE or wait is None:
        return ""
    if said.gate is not None and said.gate is not wait.gate:
        return f"the run does not wait at the gate {said.gate} but at “{wait.title}”"
    if _is_of_the_change(wait) and scene.head and scene.head != wait.subject:
        return f"the branch is at {scene.head[:12]} now, and what was shown is {wait.subject[:12]}; look again"
    return ""


def _is_of_the_change(wait: Wait) -> bool:
    """Whether what is approved there is the pull request's head."""
    return wait.kind in (WaitKind.REVIEW, WaitKind.DOSSIER)


def answer_to(wait_id: str, pending: Sequence[DecisionRow]) -> Decision | None:
    """The one word that answers the wait, of all that were recorded for it and not taken yet, oldest first.

    The last one: so feedback wins over an approval, unless that came later (and was for the head, else it would not be
    here). Feedback, or an answer, holds all that was said of its kind.
    """
    words = [row.decision for row in pending if row.decision.wait_id == wait_id]
    if not words:
        return None
    last = words[-1]
    if last.kind not in (DecisionKind.FEEDBACK, DecisionKind.ANSWER):
        return last
    alike = [word for word in words if word.kind is last.kind]
    actors = ", ".join(dict.fromkeys(word.actor for word in alike))
    return replace(last, actor=actors, text="\n\n".join(dict.fromkeys(word.text for word in alike)))


def acknowledgement(signal: Signal, outcome: Decision | Answer | Refused) -> str:
    """What the issue is told of it, once."""
    who = " ".join(re.sub(r"[`<>@|*_\[\]]", " ", signal.author).split())[:40] or "somebody"
    match outcome:
        case Decision():
            what = f" at {outcome.subject[:12]}" if outcome.subject else f" of {outcome.stage}" if outcome.stage else ""
            return f"{signal.quoted} by {who} is recorded: **{outcome.kind}**{what}."
        case Answer():
            return f"{signal.quoted} by {who}: {outcome.text}."
        case Refused():
            once = " Nothing more of theirs is answered here." if outcome.stranger else ""
            return f"{signal.quoted} by {who} does not count: {outcome.why}.{once}"
