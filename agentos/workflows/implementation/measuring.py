"""From check results to one report of the change."""

from agentos.domain.change import ChangeReport, TouchedFile
from agentos.domain.check import TestOutcome, judge_criteria
from agentos.domain.document import Evidence, IssueBrief
from agentos.ports.agent import AgentFinished
from agentos.workflows.implementation import rules
from agentos.workflows.kit.checks import Measured, measure, regressions
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step


async def report_of(state: RunState, step: Step) -> ChangeReport:
    """The newest report of the change."""
    return await step.document(ChangeReport, state["artifacts"]["change"])


async def change_report(state: RunState, step: Step, brief: IssueBrief, evidence: tuple[Evidence, ...]) -> ChangeReport:
    """The command matrix at the head against the base, and each criterion by its tests before and after."""
    head = state["head_sha"]
    base = await step.document(Measured, state["artifacts"]["baseline"])
    after = await measure(step, head)
    outcomes = {test: outcome for result in after.values() for test, outcome in result.tests.items()}
    stat = await step.ctx.repo.diff_stat(state["base_sha"], head)
    before = await _before(state, step, rules.tests_named(evidence, after), [item.path for item in stat.per_file])
    session = state["artifacts"].get("session")
    return ChangeReport(
        base_sha=state["base_sha"],
        head_sha=head,
        summary=(await step.document(AgentFinished, session)).summary if session else "",
        files=tuple(TouchedFile(item.path, item.insertions, item.deletions) for item in stat.per_file),
        insertions=stat.insertions,
        deletions=stat.deletions,
        checks=tuple(after.values()),
        criteria=judge_criteria(brief.criteria, evidence, before=before, after=outcomes, checks=after),
        regressions=regressions(base, after),
    )


async def _before(state: RunState, step: Step, tests: tuple[str, ...], changed: list[str]) -> dict[str, TestOutcome]:
    """What the named tests do on the base commit with the head's test files laid over it; `changed`: paths of the change."""
    overlay = await step.ctx.repo.read_files(state["head_sha"], rules.test_files(tests, changed))
    if not overlay:
        return {}
    results = await measure(step, state["base_sha"], overlay=overlay, only_tests=tests)
    return rules.seen_before(tests, results.values())
