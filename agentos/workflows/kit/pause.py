"""Pausing for a person: one node that asks, and the reading of what was answered."""

from langgraph.types import interrupt

from agentos.domain.decision import Decision, Wait
from agentos.workflows.kit.records import load
from agentos.workflows.kit.state import RunState


async def wait_for_person(state: RunState) -> RunState:
    """The decision that ended the wait in `state["wait"]`.

    Runs again from its top on resume, so it holds the question and the reading of its answer, nothing else. The one
    interrupt of its node: with two, an answer delivered twice would pass both.
    """
    decision = interrupt(state["wait"])
    return {"decision": decision, "wait": {}}


def awaited(state: RunState) -> Wait | None:
    """What the run waits for."""
    data = state.get("wait")
    return load(Wait, data) if data else None


def decided(state: RunState) -> Decision:
    """The decision that ended the last wait."""
    return load(Decision, state["decision"])
