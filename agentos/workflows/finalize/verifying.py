"""The steps of the finalize stage after the merge: what was merged is measured; what fails is explained."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.check import CheckResult
from agentos.domain.decision import DecisionKind
from agentos.domain.document import Finding, Severity
from agentos.domain.package import ReviewPackage
from agentos.domain.pipeline import Stage
from agentos.workflows.finalize import rules
from agentos.workflows.finalize.diagnosis import Diagnosis, evidence_of, revert_draft, revert_key
from agentos.workflows.kit.checks import Measured, measure, measured, regressions
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.state import RunState, one_more, used, with_item
from agentos.workflows.kit.step import Found, Step
from agentos.workflows.kit.verdict import blocked

VERIFICATION = "verification"
MOST_COMMITS = 10


async def verify(state: RunState, step: Step) -> RunState:
    """What the command matrix says at the merge commit, and what of it fails for the change."""
    repo, merged = step.ctx.repo, state["merge_sha"]
    head = await repo.fetch_base(state["base_branch"])
    if await repo.resolve(merged) is None or not await repo.is_ancestor(merged, head):
        title = f"the merge commit {merged[:12]} is not in {state['base_branch']}, so it was not verified"
        return blocked(step.stage, "verify_failed", title, needs=("put the merge back, then retry; or reject",))
    before = await _without_change(state, step)
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


async def _without_change(state: RunState, step: Step) -> str:
    """The base as it was right before the merge; the commit the change was made on, where a person merged without one."""
    repo = step.ctx.repo
    before = await repo.resolve(f"{state['merge_sha']}^1")
    return state["base_sha"] if before is None or await repo.is_ancestor(before, state["good_sha"]) else before


async def consider_verify(state: RunState, step: Step) -> RunState:
    """Whether a verification that failed is tried once more: what fails each time is no accident, and is explained."""
    limit = step.ctx.settings.limit(Stage.FINALIZE, "max_verify_retries")
    if used(state, rules.VERIFY) < limit:
        return {"rounds": one_more(state, rules.VERIFY)}
    found, ticket = await _diagnosis(state, step), state.get("revert_ticket", 0)
    title = (
        f"{found.base_branch} fails checks since the merge {found.merge_sha[:12]} that passed before, {limit + 1} times"
    )
    stop = blocked(step.stage, "verify_failed", title, evidence=evidence_of(found), needs=rules.mending(found, ticket))
    accepts = (
        (DecisionKind.RETRY, DecisionKind.REJECT)
        if ticket
        else (DecisionKind.APPROVE, DecisionKind.RETRY, DecisionKind.REJECT)
    )
    return {**stop, "wait": {**stop["wait"], "accepts": list(accepts), "subject": state["merge_sha"]}}


async def _diagnosis(state: RunState, step: Step) -> Diagnosis:
    repo, base, good = step.ctx.repo, state["base_sha"], state["good_sha"]
    before = await _without_change(state, step)
    ours = {file.path for file in (await repo.diff_stat(base, good)).per_file}
    theirs = {file.path for file in (await repo.diff_stat(base, before)).per_file}
    return Diagnosis(
        merge_sha=state["merge_sha"],
        base_branch=state["base_branch"],
        before_sha=before,
        failures=tuple(load(Finding, item).where for item in state.get("findings", [])),
        results=(await step.document(Measured, state["artifacts"][VERIFICATION])).results,
        since=await repo.subjects(base, before, most=MOST_COMMITS),
        touched=tuple(sorted(ours)),
        both=tuple(sorted(ours & theirs)),
    )


async def file_revert(state: RunState, step: Step) -> RunState:
    """The revert is an issue of its own, as the person asked, once for each merge."""
    tracker, issue = step.ctx.ports.tracker, step.ctx.issue
    key = revert_key(issue, state["merge_sha"])
    package = await step.document(ReviewPackage, state["artifacts"][ArtifactKind.PACKAGE])
    draft = revert_draft(await _diagnosis(state, step), package.title, issue)

    async def find() -> Found | None:
        found = await tracker.find_issue(key)
        return None if found is None else {"number": found.number}

    async def act() -> None:
        await tracker.file_issue(draft, key)

    made = await step.once(key, find=find, act=act, consent=False)
    return {"revert_ticket": made["number"]}
