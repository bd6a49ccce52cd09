"""Where the outer graph goes: pure functions over the state, all of them read off the table."""

from dataclasses import replace
from typing import assert_never

from agentos.domain.change import ChangeReport
from agentos.domain.decision import ACCEPTED_BY, Decision, DecisionKind, Wait, answers_to, in_a_comment
from agentos.domain.document import IssueBrief
from agentos.domain.pipeline import ROWS, Gate, Outcome, Route, Stage, Verdict, next_move, next_stage
from agentos.domain.status import WaitKind
from agentos.workflows.kit.blocks import defused
from agentos.workflows.kit.edits import EDITS, is_edit
from agentos.workflows.kit.markdown import criteria_markdown
from agentos.workflows.kit.pause import decided
from agentos.workflows.kit.permission import told
from agentos.workflows.kit.protection import is_undecided, permitted
from agentos.workflows.kit.state import BEST, RunState, reset_rounds, with_item, without

ANNOUNCE, STOP, WIND_UP, FINISHED, DECOMPOSE = "announce", "stop_here", "wind_up", "finished", "decompose"
PUBLISHING = (Stage.PR, Stage.REVIEW)
_LOOPS_OF: dict[Stage, tuple[str, ...]] = {Stage.REVIEW: ("review.", "impl.")}


def route_of(state: RunState) -> Route:
    """The route triage chose; the full one until it did."""
    return Route(state.get("route") or Route.FULL)


def gate_behind(stage: Stage, gates_on: frozenset[Gate]) -> Gate | None:
    """The gate a pass of `stage` stops at. `before_merge` is asked inside review: approving the pull request is it."""
    gate = ROWS[stage].gate
    return gate if gate in gates_on and gate is not Gate.BEFORE_MERGE else None


def pauses_after(stage: Stage, following: Stage, until: Stage | None) -> bool:
    """Whether a run that was told to go up to `until` pauses between these two; a stage its route passes over counts as
    reached."""
    if until is None:
        return False
    order = list(Stage)
    return order.index(stage) <= order.index(until) < order.index(following)


def paused(wait: Wait, until: Stage | None, following: Stage | None) -> Wait:
    """`wait`, saying that the run pauses because it was told to, and how it goes on."""
    return replace(
        wait,
        title=f"asked to pause after {until} (--until): {wait.title}",
        needs=(f"approve, which goes on with {following}",),
    )


def after_stage(state: RunState, gates_on: frozenset[Gate], until: Stage | None, limit: int | None = None) -> str:
    """The node after a stage: another stage, the announcement of a wait, the stop, or the clean-up. `limit`: as many
    visits before RETRY halts (None: the table's)."""
    stage = Stage(state["current_stage"])
    if state.get("outcome"):
        return FINISHED if state["outcome"] == Outcome.MERGED else WIND_UP
    if state.get("edited") and stage is not Stage.TRIAGE and state["verdict"] == Verdict.RETRY:
        return str(Stage.TRIAGE)
    visits = state.get("stage_attempts", {}).get(stage, 1)
    move = next_move(stage, Verdict(state["verdict"]), route=route_of(state), visits=visits, limit=limit)
    if move.kind == "halt":
        return ANNOUNCE
    if move.stage is None:
        return FINISHED
    return _after_pass(state, move.stage, gates_on, until) if state["verdict"] == Verdict.PASS else str(move.stage)


def _after_pass(state: RunState, following: Stage, gates_on: frozenset[Gate], until: Stage | None) -> str:
    stage = Stage(state["current_stage"])
    if stage is Stage.TRIAGE and state.get("return_to"):
        return state["return_to"]
    if stage is until is Stage.PR:
        return STOP
    asked = gate_behind(stage, gates_on) is not None and stage not in state.get("skipped", {})
    asked = asked or (stage is Stage.IMPL and is_undecided(state))
    return ANNOUNCE if asked or pauses_after(stage, following, until) else str(following)


def settled(state: RunState, decision: Decision) -> RunState:
    """What a person's decision changes, at a gate or at a blocker."""
    stage = Stage(state["current_stage"])
    update: RunState = {"wait": {}}
    if is_edit(decision):  # nobody lifted a limit
        return update
    match decision.kind:
        case DecisionKind.REJECT | DecisionKind.CANCEL:
            return {**update, "outcome": Outcome.CANCELLED}
        case DecisionKind.APPROVE:
            return {**update, **_agreed(state, stage)}
        case DecisionKind.SKIP:
            return {**update, **_passed_over(state, stage, decision.text)}
        case DecisionKind.ANSWER:
            update["answers"] = [*state.get("answers", []), decision.text]
        case DecisionKind.FEEDBACK:
            update["feedback"] = [*state.get("feedback", []), decision.text]
            update["artifacts"] = without(state.get("artifacts"), BEST)  # it was the best by what was asked before
        case DecisionKind.RETRY | DecisionKind.HOLD | DecisionKind.RESUME:
            pass
        case _:
            assert_never(decision.kind)
    return {**update, **_afresh(state, stage)}


def _agreed(state: RunState, stage: Stage) -> RunState:
    """What approving changes: protected files that were asked about may be published; where a merge fails its checks, its
    revert is wanted as an issue."""
    if stage is Stage.FINALIZE:
        return {"revert_of": state["merge_sha"]} if state.get("merge_sha") else {}
    return permitted(state)


def _afresh(state: RunState, stage: Stage) -> RunState:
    """The limits of `stage`, and of edits, as if nothing was tried yet: a person lets it go on. What was found last stays:
    it is where the next round begins."""
    rounds = dict(state.get("rounds", {}))
    for prefix in (EDITS, *_LOOPS_OF.get(stage, (f"{stage}",))):
        rounds = reset_rounds({"rounds": rounds}, prefix)
    tries = with_item(state.get("stage_attempts"), stage, 0)
    return {"rounds": rounds, "seen": [], "stage_attempts": tries}


def _passed_over(state: RunState, stage: Stage, why: str) -> RunState:
    """The run without the document of `stage`: what was drafted of it does not count as one (I5)."""
    kept = {name: sha for name, sha in state.get("artifacts", {}).items() if name.split("-")[0] != stage}
    update: RunState = {
        "skipped": with_item(state.get("skipped"), stage, why),
        "artifacts": kept,
        "findings": [],
        "seen": [],
    }
    match stage:
        case Stage.LLD:
            update["lld_path"] = ""
        case Stage.SPEC:
            update["spec_path"] = ""
        case _:
            pass
    return update


def after_decision(state: RunState) -> str:
    """The node after a decision: the next stage, the same stage again (also where it is the last), or the clean-up."""
    if state.get("outcome"):
        return WIND_UP
    stage = Stage(state["current_stage"])
    if decided(state).kind is DecisionKind.APPROVE and stage is Stage.TRIAGE and route_of(state) is Route.SPLIT:
        return DECOMPOSE
    if decided(state).kind is DecisionKind.APPROVE and stage in PUBLISHING and state["verdict"] == Verdict.BLOCK:
        return str(stage)  # it asked before it published, and does that now
    if decided(state).kind in (DecisionKind.APPROVE, DecisionKind.SKIP):
        following = next_stage(stage, route=route_of(state))
        return str(stage if following is None else following)
    return str(stage)


def change_gate(brief: IssueBrief, report: ChangeReport, protected: tuple[str, ...]) -> Wait:
    """What is asked before the measured change is published; `protected`: its files that only a person lets through."""
    title = f"before_pr: open a pull request for “{brief.title}” at {report.head_sha[:12]}?"
    about = f"\n\n{told(protected)}" if protected else ""
    summary = f"{report.stat()}\n\n{criteria_markdown(report.criteria)}{about}"
    accepts = ACCEPTED_BY[WaitKind.GATE]
    return Wait(WaitKind.GATE, Stage.IMPL, title, summary, accepts, report.head_sha, Gate.BEFORE_PR, evidence=protected)


def ended_comment(run_number: int, outcome: Outcome, why: str) -> str:
    """What the issue is told at the end of a run that merged nothing; `why` may be empty."""
    return defused(f"Run #{run_number} ended: **{outcome}**." + (f"\n\n{why}" if why else ""))


def wait_comment(wait: Wait, issue_number: int) -> str:
    """What people read on the issue while the run waits, with the commands that answer it."""
    lines = [f"**{wait.title}**", ""]
    if wait.summary:
        lines += [wait.summary, ""]
    if wait.needs:
        lines += ["What would let it go on: " + "; ".join(wait.needs) + ".", ""]
    lines += ["Answer with one of:", ""]
    lines += [f"- `{command}`" for command in answers_to(wait, issue_number)]
    lines += ["", in_a_comment(wait.accepts, wait.subject)]
    return defused("\n".join(lines))
