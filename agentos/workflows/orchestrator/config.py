"""What LangGraph is told about a run's thread."""

from typing import TYPE_CHECKING

from agentos.domain.error import UsageError
from agentos.domain.run import RunRef
from agentos.workflows.kit.state import GRAPH_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from langchain_core.runnables import RunnableConfig

RECURSION_LIMIT = 2_000
"""Steps of one invocation; every loop of ours has a far lower bound of its own."""


def thread_config(run: RunRef) -> "RunnableConfig":
    """The configuration that names the run's thread and the version of the graph it is driven by."""
    return {
        "configurable": {"thread_id": run.thread_id},
        "metadata": {"graph_version": GRAPH_VERSION},
        "recursion_limit": RECURSION_LIMIT,
    }


def require_known_version(values: "Mapping[str, Any]", run: RunRef) -> None:
    """Raises UsageError for a run of a graph that this version of AgentOS cannot continue."""
    version = values.get("graph_version")
    if values and version != GRAPH_VERSION:
        raise UsageError(
            f"run {run} was started by another version of AgentOS (graph {version}, this is {GRAPH_VERSION}); "
            f"finish it with that version, or start anew with --resume-from triage"
        )
