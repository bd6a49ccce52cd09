"""The step before anything is shown to a person: the repository's own checks of the commit are through."""

from agentos.workflows.kit import ci
from agentos.workflows.kit.ci_rules import Next
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import passed


async def watch_checks(state: RunState, step: Step) -> RunState:
    """What the checks say now. Red ones of the change's own send it back to work; nobody is shown it before."""
    if state.get("feedback"):  # it is worked on in any case
        return passed()
    update = await ci.look(state, step)
    if update.get("verdict") or update["ci"]["next"] != Next.WORK:
        return update
    return {**update, **await ci.sent_back({**state, **update}, step)}
