"""The step right before the merge: the repository's own checks of exactly the commit that goes in are through."""

from agentos.domain.decision import DecisionKind
from agentos.domain.pipeline import Verdict
from agentos.workflows.finalize import rules
from agentos.workflows.kit import ci
from agentos.workflows.kit.ci_rules import Next
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import retry


async def watch_checks(state: RunState, step: Step) -> RunState:
    """What the checks say now. Where they turned red for the change, its approval is void and it goes round once more."""
    update = await ci.look(state, step)
    if update.get("verdict") == Verdict.BLOCK:
        accepts = [DecisionKind.RETRY, DecisionKind.REJECT]
        return {**update, "wait": {**update["wait"], "accepts": accepts}}
    if update["ci"]["next"] != Next.WORK:
        return update
    opened = rules.opened_again(state, update["ci"]["asked"])
    why = f"the repository's own checks fail at {state['good_sha'][:12]}, which was approved"
    return {**update, **opened, **retry(state, step.stage, why)}
