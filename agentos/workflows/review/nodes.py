"""The steps of the review stage around the work itself: ask, and do as the person says."""

from dataclasses import replace

from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import OF_A_PUSH, OF_A_REVIEW, Decision, DecisionKind
from agentos.domain.event import EventKind
from agentos.domain.package import ReviewPackage
from agentos.domain.pipeline import Gate, Outcome, Stage
from agentos.workflows.kit.branch import foreign_commits
from agentos.workflows.kit.edits import is_edit, notice_edit
from agentos.workflows.kit.pause import decided
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState, one_more, reset_rounds, used
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import blocked, passed
from agentos.workflows.review import rules

MOST_COMMITS = 20
WORK_LOOPS = "impl."
"""The loops of the work; each cycle starts them anew."""


async def intake(state: RunState, step: Step) -> RunState:
    """The question to the person, unless there is work to do first or nobody needs to be asked."""
    if state.get("feedback"):
        return {}
    package = await _package(state, step)
    if package is None or not rules.is_shown(package, state, step.ctx.run.number):
        return {}
    confidence = await _confidence(step)
    if confidence is not None and rules.may_pass_alone(package.change, confidence, package.ci):
        await step.emit(
            EventKind.DECISION_TAKEN,
            kind=DecisionKind.APPROVE,
            actor="agentos",
            source="merge_authority: auto",
            subject=package.sha,
            text=f"every criterion is proved and the reviewer's confidence is at least {confidence} of 100",
        )
        return {**passed(), "approved_sha": package.sha}
    return {"wait": dump(rules.wait_for(package))}


async def _confidence(step: Step) -> int | None:
    """The reviewer's confidence from which nobody is asked about this issue's change; None where somebody is in any case."""
    settings = step.ctx.settings
    rule = settings.merging((await step.ctx.ports.tracker.get(step.ctx.issue.number)).priority)
    alone = rule.authority == "auto" and Gate.BEFORE_MERGE not in settings.gates_on()
    return rule.confidence if alone else None


async def _package(state: RunState, step: Step) -> ReviewPackage | None:
    kept = state.get("artifacts", {}).get(ArtifactKind.PACKAGE)
    return await step.document(ReviewPackage, kept) if kept else None


async def settle(state: RunState, step: Step) -> RunState:
    """What the decision means for the run; one that does not count is asked for again."""
    decision = decided(state)
    sha = state["good_sha"]
    counts = decision.kind is not DecisionKind.APPROVE or rules.is_bound(decision, sha)
    await step.emit(EventKind.DECISION_TAKEN, **dump(decision), counts=counts)
    if is_edit(decision):
        return await notice_edit(state, step) or {"wait": dump(rules.wait_for(await _shown(state, step)))}
    match decision.kind:
        case DecisionKind.APPROVE if counts:
            return {**passed(), "approved_sha": sha}
        case DecisionKind.FEEDBACK if decision.source.startswith(OF_A_PUSH):
            return await _taken_over(state, step, decision)
        case DecisionKind.FEEDBACK | DecisionKind.RETRY:
            cycle = _next_cycle(state, step, decision)
            heard = dict.fromkeys(await _reviews(step, decision), cycle["cycle"])
            cycle["reviews"] = {**state.get("reviews", {}), **heard}
            return cycle if cycle.get("verdict") else {**cycle, **await notice_edit({**state, **cycle}, step)}
        case DecisionKind.REJECT | DecisionKind.CANCEL:
            return {"outcome": Outcome.CANCELLED}
        case _:
            asked = rules.wait_for(await _shown(state, step))
            return {"wait": dump(rules.again(asked, rules.refused(decision, sha)))}


async def _taken_over(state: RunState, step: Step, decision: Decision) -> RunState:
    """The branch as a person left it is the change from now on, to be measured, reviewed and shown as any other one."""
    repo, base, branch = step.ctx.repo, state["base_sha"], state["branch"]
    head = await repo.fetch_base(branch)
    if not await repo.is_ancestor(base, head):
        return foreign_commits(step, branch, f"{head[:12]} does not build on {base[:12]}, where the work began")
    told = rules.pushed(head, await repo.subjects(state["good_sha"], head, most=MOST_COMMITS))
    return {**_next_cycle(state, step, replace(decision, text=told)), "head_sha": head, "pushed": head}


async def _reviews(step: Step, decision: Decision) -> tuple[str, ...]:
    """The reviews that asked for what is worked in now: that of `decision`, and those said for the same wait before it."""
    rows = await step.ctx.store.decisions.of_run(step.ctx.run.id)
    alike = (row.decision for row in rows if decision.wait_id and row.decision.wait_id == decision.wait_id)
    asked = [decision, *(each for each in alike if each.kind is DecisionKind.FEEDBACK)]
    return tuple(each.source for each in asked if each.source.startswith(OF_A_REVIEW))


async def _shown(state: RunState, step: Step) -> ReviewPackage:
    package = await _package(state, step)
    assert package is not None
    return package


def _next_cycle(state: RunState, step: Step, decision: Decision) -> RunState:
    """One more cycle with fresh rounds of work, or the limit that a person may lift."""
    update: RunState = {
        "feedback": [*state.get("feedback", []), rules.asked_for(decision)],
        "cycle": state.get("cycle", 0) + 1,
        "rounds": one_more({**state, "rounds": reset_rounds(state, WORK_LOOPS)}, rules.CYCLES),
        "approved_sha": "",
        "findings": [],
        "seen": [],
    }
    limit = step.ctx.settings.limit(Stage.REVIEW, "max_feedback_cycles")
    if used(state, rules.CYCLES) < limit:
        return update
    title = f"the change went back for feedback {limit} times (max_feedback_cycles)"
    needs = ("retry, which allows as many cycles again; the last feedback is kept",)
    return {**update, **blocked(step.stage, "max_feedback_cycles", title, needs=needs)}
