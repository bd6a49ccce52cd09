"""What a run needs and looking at runs does not: LangGraph and the agent, more than a second of imports."""

import gc
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

from agentos.domain.error import AgentOSError

_loading = threading.Lock()


def load_engine() -> None:
    """Effect: all of it is imported and the stages' graphs are built. Repeating costs nothing.

    For a thread of its own, as early as possible: git and PostgreSQL answer meanwhile.
    """
    with _loading:  # whoever comes second waits and finds it done
        _load()


def _load() -> None:
    was_on = gc.isenabled()
    # Nothing that an import makes is garbage; looking through it again and again is a tenth of the time.
    gc.disable()
    try:
        _delay("langsmith.types")
        import junitparser  # noqa: F401 - as what follows, wanted in the middle of a run otherwise
        import langchain.agents  # noqa: F401

        import agentos.runs.advance  # noqa: F401
        from agentos.workflows.orchestrator.graph import stage_graphs

        stage_graphs()
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


@contextmanager
def standing_by(home: Path) -> Iterator[None]:
    """The engine and AgentOS's own database at `home` come up in the background; the database stays while the body runs.

    Where one of them does not come, whoever needs it in the body is told.
    """
    from agentos.store.embedded import connect_embedded

    with ThreadPoolExecutor() as pool:
        server = pool.submit(connect_embedded, home)
        pool.submit(load_engine)
        try:
            yield
        finally:
            with suppress(AgentOSError):
                server.result().close()


def _delay(name: str) -> None:
    """Effect: the package `name` runs when something in it is asked for, and not where only a module of it is imported.

    LangChain imports LangSmith's client, and that one word of its 150 modules of types: a fifth of all imports.
    """
    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        return
    package, run = module_from_spec(spec), spec.loader.exec_module

    def ask(word: str) -> Any:
        del package.__getattr__  # once is enough
        run(package)
        return getattr(package, word)

    package.__getattr__ = ask  # type: ignore[method-assign]
    sys.modules[name] = package
    outer, _, inner = name.rpartition(".")
    setattr(sys.modules[outer], inner, package)  # as an import would
