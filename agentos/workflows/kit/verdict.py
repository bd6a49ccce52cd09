"""The state updates by which a stage concludes."""

from agentos.domain.decision import ACCEPTED_BY, Wait
from agentos.domain.document import Finding
from agentos.domain.pipeline import Stage, Verdict
from agentos.domain.status import WaitKind
from agentos.workflows.kit.markdown import numbered
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState, with_item


def passed() -> RunState:
    """The stage did what it is for."""
    return {"verdict": Verdict.PASS, "findings": [], "seen": []}


def retry(state: RunState, stage: Stage, reason: str) -> RunState:
    """The stage shall be visited again, within its limit."""
    return {"verdict": Verdict.RETRY, "stage_errors": with_error(state, stage, reason)}


def blocked(
    stage: Stage, code: str, title: str, *, evidence: tuple[str, ...] = (), needs: tuple[str, ...] = ()
) -> RunState:
    """The run halts where it stands; `title` is the sentence people read, `needs` what would let it go on."""
    wait = Wait(
        WaitKind.BLOCKER,
        stage,
        title,
        summary="\n".join(f"- {line}" for line in evidence),
        accepts=ACCEPTED_BY[WaitKind.BLOCKER],
        code=code,
        evidence=evidence,
        needs=needs,
    )
    return {"verdict": Verdict.BLOCK, "wait": dump(wait)}


def asked(
    stage: Stage, title: str, questions: tuple[str, ...], *, code: str = "question", needs: tuple[str, ...] = ()
) -> RunState:
    """The run halts on questions that only a person can answer."""
    wait = Wait(
        WaitKind.QUESTION,
        stage,
        title,
        summary=numbered(questions),
        accepts=ACCEPTED_BY[WaitKind.QUESTION],
        questions=questions,
        code=code,
        needs=needs,
    )
    return {"verdict": Verdict.BLOCK, "wait": dump(wait)}


def with_error(state: RunState, stage: Stage, reason: str) -> dict[str, list[str]]:
    """The error table with one more error of `stage`."""
    errors = state.get("stage_errors", {})
    return with_item(errors, stage, [*errors.get(stage, []), reason])


def findings_as_evidence(findings: tuple[Finding, ...], *, most: int = 10) -> tuple[str, ...]:
    """One line per finding, for people; more than `most` end in a count."""
    lines = tuple(f"{item.severity}: {item.where}: {item.problem}" for item in findings[:most])
    rest = len(findings) - most
    return (*lines, f"and {rest} more") if rest > 0 else lines
