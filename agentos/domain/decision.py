"""What a person says to a waiting run, and what a run says while it waits."""

from dataclasses import dataclass
from enum import StrEnum

from agentos.domain.naming import text_digest
from agentos.domain.pipeline import Gate, Stage
from agentos.domain.status import WaitKind


class DecisionKind(StrEnum):
    """What a person says."""

    APPROVE = "approve"
    REJECT = "reject"
    FEEDBACK = "feedback"
    ANSWER = "answer"
    RETRY = "retry"
    SKIP = "skip"
    HOLD = "hold"
    RESUME = "resume"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of one person. `subject` is the commit sha or digest it is bound to (I5); `source` says where
    it was read (`cli`, a comment id, a review id) and makes each one count once; `wait_id` names the wait it answers."""

    kind: DecisionKind
    actor: str
    source: str
    text: str = ""
    subject: str = ""
    stage: Stage | None = None
    wait_id: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a run waits for: written once when it pauses, shown to people, compared when they answer.

    `subject`: the commit sha or digest an approval binds to. `accepts`: the decisions that make sense here.
    `title`: one line. `summary`: Markdown for people. `needs`: what would let it go on, for a blocker.
    `id`: the interrupt that asks, so that an answer opens this wait and no other. `sets`: settings with which the run
    goes on by itself, as `key=value`.
    """

    kind: WaitKind
    stage: Stage
    title: str
    summary: str
    accepts: tuple[DecisionKind, ...]
    subject: str = ""
    gate: Gate | None = None
    questions: tuple[str, ...] = ()
    code: str = ""
    evidence: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    id: str = ""
    sets: tuple[str, ...] = ()


OF_A_REVIEW = "review:"
OF_A_PUSH = "pushed:"
"""Where feedback was read that nobody wrote: a person pushed commits to the run's branch."""


def source_of_review(review_id: str) -> str:
    """Where a decision was read that a review of the pull request says."""
    return f"{OF_A_REVIEW}{text_digest(review_id)[:16]}"


ACCEPTED_BY: dict[WaitKind, tuple[DecisionKind, ...]] = {
    WaitKind.GATE: (DecisionKind.APPROVE, DecisionKind.FEEDBACK, DecisionKind.REJECT),
    WaitKind.REVIEW: (DecisionKind.APPROVE, DecisionKind.FEEDBACK, DecisionKind.REJECT),
    WaitKind.QUESTION: (DecisionKind.ANSWER, DecisionKind.REJECT),
    WaitKind.BLOCKER: (DecisionKind.RETRY, DecisionKind.FEEDBACK, DecisionKind.REJECT),
    WaitKind.DOSSIER: (DecisionKind.APPROVE, DecisionKind.RETRY, DecisionKind.REJECT),
}
"""Which decisions each kind of wait can take; hold, cancel and skip are handled by the run itself."""


def answers_to(wait: Wait, issue_number: int, *, program: str = "agentos") -> tuple[str, ...]:
    """The commands that answer `wait`, as people type them."""
    text = {DecisionKind.FEEDBACK: ' "…"', DecisionKind.ANSWER: ' "…"'}
    sets = "".join(f" --set {each}" for each in wait.sets)
    raising = (f"{program} run --issue {issue_number}{sets}",) if sets else ()
    return raising + tuple(f"{program} {kind} {issue_number}{text.get(kind, '')}" for kind in wait.accepts)


def in_a_comment(accepts: tuple[DecisionKind, ...], subject: str = "") -> str:
    """The same for a comment, as a sentence: each is the first line of one. `subject`: what an approval is for."""
    texts = {DecisionKind.APPROVE: f" {subject[:12]}" if subject else ""}
    texts |= dict.fromkeys((DecisionKind.FEEDBACK, DecisionKind.ANSWER, DecisionKind.REJECT), " …")
    said = ", ".join(f"`/agentos {kind}{texts.get(kind, '')}`" for kind in accepts)
    return f"Or write it in a comment, as its first line: {said}. It is heard when the run is taken up next."
