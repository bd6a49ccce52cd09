"""The outer graph's own steps: saying what a run waits for, reading the decision, stopping where it was asked to."""

from pathlib import PurePosixPath

from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import ChangeReport
from agentos.domain.decision import ACCEPTED_BY, DecisionKind, Wait, answers_to
from agentos.domain.document import IssueBrief
from agentos.domain.event import EventKind
from agentos.domain.pipeline import ROWS, Gate, Outcome, Stage, Verdict, next_stage
from agentos.domain.status import WaitKind
from agentos.ports.agent import AgentFinished
from agentos.ports.notifier import Notice
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.board import INTAKE_COMMENT, close_issue, keep_comment, say
from agentos.workflows.kit.pause import awaited, decided
from agentos.workflows.kit.protection import undecided_files
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState, one_more, used
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import blocked
from agentos.workflows.orchestrator.decomposing import resolution
from agentos.workflows.orchestrator.rules import (
    change_gate,
    ended_comment,
    gate_behind,
    paused,
    route_of,
    settled,
    wait_comment,
)

WAITS = "waits"
PERMITTING = (DecisionKind.APPROVE, DecisionKind.REJECT)
"""Decisions that are about the protected files of the change as well."""


async def prepare_wait(state: RunState, step: Step) -> RunState:
    """What the run waits for now: the blocker the stage named, or the gate behind it."""
    stage = Stage(state["current_stage"])
    update: RunState = {"rounds": one_more(state, WAITS)}
    if state["verdict"] == Verdict.BLOCK:
        return update
    if state["verdict"] == Verdict.RETRY:
        errors = state.get("stage_errors", {}).get(stage, [])
        title = (
            f"{stage} was tried {state['stage_attempts'][stage]} times: {errors[-1] if errors else 'no reason given'}"
        )
        return {**update, "wait": blocked(stage, "retries_spent", title, evidence=tuple(errors))["wait"]}
    gate = ROWS[stage].gate
    assert gate is not None
    wait = await _gate_wait(state, step, stage, gate)
    if gate_behind(stage, step.ctx.settings.gates_on()) is None and not undecided_files(state):
        wait = paused(wait, step.ctx.settings.until, next_stage(stage, route=route_of(state)))
    return {**update, "wait": dump(wait)}


async def announce(state: RunState, step: Step) -> RunState:
    """The wait is said on the issue, once."""
    wait = awaited(state)
    assert wait is not None
    text = wait_comment(wait, step.ctx.issue.number)
    if wait.code == INTAKE_COMMENT:  # one comment, however often the issue still lacks something
        await keep_comment(step, INTAKE_COMMENT, text)
    else:
        await say(step, f"wait:{step.ctx.run.number}:{used(state, WAITS)}", text, consent=False)
    return {"current_stage": state["current_stage"]}


async def notify(state: RunState, step: Step) -> RunState:
    """People are told that something waits for them, at most once."""
    wait = awaited(state)
    assert wait is not None
    number = step.ctx.issue.number
    how = " or ".join(answers_to(wait, number))
    notice = Notice(f"{step.ctx.issue}: {wait.title}", wait.summary, how)
    await step.at_most_once(
        f"notify:{wait.gate or wait.kind}:{step.ctx.run.number}.{used(state, WAITS)}",
        lambda: step.ctx.ports.notifier.notify(notice),
    )
    return {"current_stage": state["current_stage"]}


async def settle(state: RunState, step: Step) -> RunState:
    """The decision is in the ledger and in the state."""
    decision = decided(state)
    about = undecided_files(state) if decision.kind in PERMITTING else ()
    await step.emit(EventKind.DECISION_TAKEN, **dump(decision), **({"protected": list(about)} if about else {}))
    if decision.kind is DecisionKind.SKIP:
        await step.emit(EventKind.STAGE_SKIPPED, reason=f"{decision.actor}: {decision.text}")
    return settled(state, decision)


async def stop_here(state: RunState, step: Step) -> RunState:
    """The run ends where it was asked to."""
    return {"outcome": Outcome.PR_OPENED, "completed_at": step.ctx.ports.clock.now().isoformat()}


async def close_unchanged(state: RunState, step: Step) -> RunState:
    """An issue for which nothing had to be changed is closed, with why; any other one stays as it is."""
    if state["outcome"] != Outcome.NO_CHANGE:
        return {}
    session = await step.document(AgentFinished, state["artifacts"]["session"])
    text = defused(f"Nothing had to be changed.\n\n{session.summary}")
    await close_issue(step, text, version=f"no_change:{step.ctx.run.number}")
    return {}


async def say_goodbye(state: RunState, step: Step) -> RunState:
    """How the run ended, and why, is said on the issue."""
    outcome = Outcome(state["outcome"])
    why = decided(state).text if outcome is Outcome.CANCELLED and state.get("decision") else ""
    if outcome is Outcome.DECOMPOSED:
        why = resolution(await step.document(IssueBrief, state["artifacts"][ArtifactKind.BRIEF]), state["parts"])
    if outcome is Outcome.NO_CHANGE:
        why = (await step.document(AgentFinished, state["artifacts"]["session"])).summary
    await say(step, f"ended:{step.ctx.run.number}", ended_comment(step.ctx.run.number, outcome, why), consent=False)
    return {"completed_at": step.ctx.ports.clock.now().isoformat()}


async def _gate_wait(state: RunState, step: Step, stage: Stage, gate: Gate) -> Wait:
    kept = state.get("artifacts", {})
    brief = await step.document(IssueBrief, kept[ArtifactKind.BRIEF])
    accepts = ACCEPTED_BY[WaitKind.GATE]
    if gate is Gate.BEFORE_PR:
        report = await step.document(ChangeReport, kept["change"])
        return change_gate(brief, report, undecided_files(state))
    if gate is Gate.BEFORE_MERGE:
        title = f"before_merge: go on to merge “{brief.title}” at {state['approved_sha'][:12]}?"
        return Wait(WaitKind.GATE, stage, title, state.get("pr_url", ""), accepts, state["approved_sha"], gate)
    kind, path = _DOCUMENTS[stage]
    subject = kept.get(kind)
    if subject is None:
        title = f"{gate}: “{brief.title}” goes on without {kind}; is that right?"
        return Wait(WaitKind.GATE, stage, title, state.get("skipped", {}).get(stage, ""), accepts, "", gate)
    title = f"{gate}: is the {kind} of “{brief.title}” right?"
    return Wait(
        WaitKind.GATE, stage, title, f"Read `{PurePosixPath(str(state.get(path, kind))).name}`.", accepts, subject, gate
    )


_DOCUMENTS = {
    Stage.TRIAGE: (ArtifactKind.BRIEF, "issue_brief_path"),
    Stage.LLD: (ArtifactKind.LLD, "lld_path"),
    Stage.SPEC: (ArtifactKind.SPEC, "spec_path"),
}
