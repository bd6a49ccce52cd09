"""The steps of the finalize stage after the merge: what was merged is measured; what fails is explained."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.check import CheckResult
from agentos.domain.decision import DecisionKind
from agentos.domain.document import Finding, Severity
from agentos.domain.pipeline import Stage
from agentos.workflows.finalize import rules
from agentos.workflows.finalize.diagnosis import evidence_of
from agentos.workflows.finalize.reverting import VERIFICATION, diagnosis, taken_in
from agentos.workflows.kit.checks import Measured, measure, measured, regressions
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState, one_more, used, with_item
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import blocked


async def verify(state: RunState, step: Step) -> RunState:
    """What the command matrix says at the merge commit, and what of it fails for the change."""
    repo, merged = step.ctx.repo, state["merge_sha"]
    head = await repo.fetch_base(state["base_branch"])
    if await repo.resolve(merged) is None or not await repo.is_ancestor(merged, head):
        title = f"the merge commit {merged[:12]} is not in {state['base_branch']}, so it was not verified"
        return blocked(step.stage, "verify_failed", title, needs=("put the merge back, then retry; or reject",))
    before = (await taken_in(state, step)).before
    after, failures = await failures_at(state, step, rules.to_measure(state, head), before)
    ref = await step.keep_record(ArtifactKind.CHECKS, measured(after), name="checks-merge")
    findings = [Finding(Severity.BLOCKER, failure, "fails at the merge commit") for failure in failures]
    return {
        "findings": [dump(item) for item in findings],
        "artifacts": with_item(state.get("artifacts"), VERIFICATION, ref.sha256),
    }


async def failures_at(
    state: RunState, step: Step, sha: str, base: str
) -> tuple[dict[str, CheckResult], tuple[str, ...]]:
    """What the command matrix says at `sha`; and what of it fails neither at the commit the change was made on nor at
    `base`, which is measured only where it matters."""
    known = state.get("artifacts", {}).get("baseline")
    before = await step.document(Measured, known) if known else Measured(())
    after = await measure(step, sha)
    failures = regressions(before, after)
    if failures and base != state["base_sha"]:
        there = regressions(measured(await measure(step, base)), after)
        failures = tuple(failure for failure in failures if failure in there)
    return after, failures


async def consider_verify(state: RunState, step: Step) -> RunState:
    """Whether a verification that failed is tried once more: what fails each time is no accident, and is explained."""
    limit = step.ctx.settings.limit(Stage.FINALIZE, "max_verify_retries")
    if used(state, rules.VERIFY) < limit:
        return {"rounds": one_more(state, rules.VERIFY)}
    found = await diagnosis(state, step)
    title = (
        f"{found.base_branch} fails checks since the merge {found.merge_sha[:12]} that passed before, {limit + 1} times"
    )
    stop = blocked(step.stage, "verify_failed", title, evidence=evidence_of(found), needs=rules.mending(found, state))
    accepts = (
        (DecisionKind.RETRY, DecisionKind.REJECT)
        if state.get("revert_ticket")
        else (DecisionKind.APPROVE, DecisionKind.RETRY, DecisionKind.REJECT)
    )
    return {**stop, "wait": {**stop["wait"], "accepts": list(accepts), "subject": state["merge_sha"]}}
