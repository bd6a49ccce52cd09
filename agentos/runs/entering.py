"""How a new run goes on with what was found of a lost one: the state it starts with, and what it must ask again (pure)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import ChangeReport
from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.document import IssueBrief
from agentos.domain.event import EventKind
from agentos.domain.package import ReviewPackage
from agentos.domain.pipeline import Stage, Verdict
from agentos.domain.status import WaitKind
from agentos.runs.found import Found
from agentos.runs.traces import CHANGE, File, Traces
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.state import RunState
from agentos.workflows.orchestrator.state import OrchestrationState, initial

_PATHS = {"issue-brief.md": "issue_brief_path", "lld.md": "lld_path", "spec.md": "spec_path"}
_ASKED_AGAIN = frozenset({Stage.TRIAGE, Stage.LLD, Stage.SPEC, Stage.IMPL, Stage.PR})
"""Stages whose blocker or question is put again as it was; review and finalize ask anew by themselves."""
_TURNS = frozenset({EventKind.RUN_WAITING, EventKind.RUN_BLOCKED, EventKind.RUN_RESUMED, EventKind.RUN_ENDED})
_OWN = ("run.json", "events.jsonl")
_BRIEFS = ("issue-brief-draft-", "issue-brief-given")


@dataclass(frozen=True, slots=True)
class Entry:
    """How the new run begins: before `stage`, with the question `asks` where the lost one waited for its answer.

    `state` lacks the paths of documents, which are known once they are kept; `files` in the order they came to be.
    """

    stage: Stage
    asks: Wait | None
    state: OrchestrationState
    files: tuple[File, ...]
    options: Mapping[str, Any]
    held: Decision | None

    def at(self, paths: Mapping[str, str]) -> OrchestrationState:
        """The state, where the documents lie at `paths` by their names."""
        there: Any = {key: paths[name] for name, key in _PATHS.items() if name in paths}
        state: OrchestrationState = {**self.state, **there}
        return state


def entry_of(traces: Traces, found: Found, *, started_at: str) -> Entry:
    """How the run after `found` begins."""
    wait = _last_wait(traces)
    asks = wait if wait is not None and _is_asked_again(traces, wait, found) else None
    made: Any = _made(traces, found)
    state: OrchestrationState = {**initial(traces.issue.ref.number, started_at=started_at), **made}
    if asks is not None:
        state.update(_asking(traces, asks, state))
    elif found.behind is not None and not _has_passed(traces, found):
        state.update({"entry_stage": found.behind, "current_stage": found.behind, "verdict": Verdict.PASS})
    else:
        state["entry_stage"] = found.ahead
    return Entry(found.ahead, asks, state, _files(traces, found), _options(traces, wait), _hold(traces))


def _made(traces: Traces, found: Found) -> RunState:
    """What the stages made that need not be done again."""
    brief, change, pr = found.brief, found.change, traces.pr
    if brief is None:
        return {}
    bases = [proof.base_sha for proof in found.proofs if proof.base_sha]
    made: RunState = {
        "issue_digest": brief.issue_digest,
        "route": brief.route,
        "answers": list(brief.answers),
        "branch": traces.branch,
        "base_branch": traces.base_branch,
        "base_sha": bases[-1] if bases else traces.base_head,
        "artifacts": {name: file.sha256 for proof in found.proofs for name, file in proof.files.items()},
        "skipped": {proof.stage: proof.without for proof in found.proofs if proof.without},
    }
    if change is not None:
        made.update({"head_sha": change.head_sha, "good_sha": change.head_sha})
    package = found.file(ArtifactKind.PACKAGE)
    record = package.read(ReviewPackage) if package is not None else None
    if record is not None:
        made["deployment"] = dump(record.deployment)
    if pr is not None and found.behind in (Stage.PR, Stage.REVIEW):
        made.update({"pr_number": pr.number, "pr_url": pr.url})
    if found.behind is Stage.REVIEW:
        made["approved_sha"] = found.proofs[-1].subject
    return made


def _has_passed(traces: Traces, found: Found) -> bool:
    """Whether the gate behind the last stage was passed: a person approved exactly what it asks about, or what lies
    behind it is there."""
    last = found.proofs[-1]
    approvals = [
        said.subject for stage, said in traces.decisions if said.kind is DecisionKind.APPROVE and stage is last.stage
    ]
    is_proposed = last.stage is Stage.IMPL and traces.pr is not None and traces.pr.state == "open"
    return is_proposed or last.stage in (Stage.PR, Stage.REVIEW) or bool(last.subject and last.subject in approvals)


def _last_wait(traces: Traces) -> Wait | None:
    """What the lost run waited for, also where it was put on hold then; None where it had gone on."""
    turns = [each for each in (traces.newest.events if traces.newest is not None else ()) if each.kind in _TURNS]
    stands = bool(turns) and turns[-1].kind in (EventKind.RUN_WAITING, EventKind.RUN_BLOCKED)
    return replace(load(Wait, turns[-1].data), id="") if stands else None


def _is_asked_again(traces: Traces, wait: Wait, found: Found) -> bool:
    """Whether the question stands as it was; of what the world refused nobody knows whether it still would."""
    if wait.subject and traces.content(wait.subject) is None:
        return False
    is_question = wait.kind in (WaitKind.BLOCKER, WaitKind.QUESTION) and not wait.code.startswith("outside_")
    return is_question and wait.stage is found.ahead and wait.stage in _ASKED_AGAIN


def _asking(traces: Traces, wait: Wait, state: OrchestrationState) -> RunState:
    """The state of a run that stands at `wait`, with what its stage had made so far."""
    stage = wait.stage
    artifacts = dict(state.get("artifacts", {}))
    artifacts.update({name: file.sha256 for name, file in _unfinished(traces, stage)})
    update: RunState = {"entry_stage": stage, "current_stage": stage, "verdict": Verdict.BLOCK, "wait": dump(wait)}
    update["artifacts"] = artifacts
    brief = traces.last(*_BRIEFS) if stage is Stage.TRIAGE else None
    read = brief.read(IssueBrief) if brief is not None else None
    if read is not None:
        update.update({"issue_digest": read.issue_digest, "route": read.route})
    change = traces.file(Stage.IMPL, CHANGE) if stage is Stage.IMPL else None
    report = change.read(ChangeReport) if change is not None else None
    if report is not None and {report.base_sha, report.head_sha} <= traces.commits:
        update.update({"base_sha": report.base_sha, "head_sha": report.head_sha})
    return update


def _unfinished(traces: Traces, stage: Stage) -> Iterator[tuple[str, File]]:
    """What `stage` had made when it asked, by the names the state has for it."""
    drafts: dict[Stage, dict[str, tuple[str, ...]]] = {
        Stage.TRIAGE: {ArtifactKind.BRIEF: _BRIEFS},
        Stage.LLD: {ArtifactKind.LLD: ("lld-draft-",), "lld-review": ("lld-review-",)},
        Stage.SPEC: {ArtifactKind.SPEC: ("spec-draft-",), "spec-review": ("spec-review-",)},
        Stage.IMPL: {"baseline": ("checks-baseline",), "session": ("agent-",), "change": (CHANGE,)},
    }
    for name, starts in drafts.get(stage, {}).items():
        file = traces.last(*starts)
        if file is not None:
            yield name, file


def _files(traces: Traces, found: Found) -> tuple[File, ...]:
    """All that the newest run left, and of older ones what is still in use."""
    newest = traces.newest.files.values() if traces.newest is not None else ()
    kept = {file.name: file for file in newest if file.name not in _OWN}
    used = {file.name: file for proof in found.proofs for file in (*proof.files.values(), *proof.beside)}
    return tuple(sorted({**kept, **used}.values(), key=lambda file: file.since))


def _options(traces: Traces, wait: Wait | None) -> dict[str, Any]:
    """How the lost run was asked to go; a gate it stood at asks, whatever the settings say by now."""
    record = traces.newest.record if traces.newest is not None else None
    asked = dict(record.asked) if record is not None else {}
    return asked | ({f"orchestrator.gates.{wait.gate}": True} if wait is not None and wait.gate is not None else {})


def _hold(traces: Traces) -> Decision | None:
    """The hold the lost run was under."""
    said = [said for _, said in traces.decisions if said.kind in (DecisionKind.HOLD, DecisionKind.RESUME)]
    return said[-1] if said and said[-1].kind is DecisionKind.HOLD else None
