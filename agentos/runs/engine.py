"""What a run needs and looking at runs does not: LangGraph and the agent, more than a second of imports."""

import gc


def load_engine() -> None:
    """Effect: all of it is imported and the stages' graphs are built. Repeating costs nothing.

    For a thread of its own, as early as possible: git and PostgreSQL answer meanwhile.
    """
    was_on = gc.isenabled()
    # Nothing that an import makes is garbage; looking through it again and again is a tenth of the time.
    gc.disable()
    try:
        import junitparser  # noqa: F401 - as what follows, wanted in the middle of a run otherwise
        import langchain.agents  # noqa: F401

        import agentos.runs.advance  # noqa: F401
        from agentos.workflows.orchestrator.graph import stage_graphs

        stage_graphs()
        gc.freeze()
    finally:
        if was_on:
            gc.enable()
