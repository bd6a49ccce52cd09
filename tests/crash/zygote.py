"""A process that has imported everything and forks a driver for each order: a cell then costs its run, not its imports.

Orders and answers are JSON, a line each: {"target", "environment", "crash_at", "fault", "trace", "mutant", "obedient",
"most_waits", "alone", "started"} -> {"ended", "signal", "statements", "peak_bytes"}. "alone": nobody decides, and waits
for the network are short. With "words" it is `tools/orchestrate.py` that is called in the target, with exactly this
environment; its output goes to the files "out" and "err", and "ended" is its exit code.
"""

import asyncio
import atexit
import faulthandler
import json
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agentos.telemetry.crash as crash

_tracing: list[Any] = []
_passes: Counter[str] = Counter()
_real_point = crash.crash_point


_restarts: dict[str, Callable[[], None]] = {}


def _point(name: str) -> None:
    if _tracing:
        _passes[name] += 1
        print(f"{name}#{_passes[name]}", file=_tracing[0], flush=True)
    if name in _restarts:
        _restarts.pop(name)()
    _real_point(name)


crash.crash_point = _point  # before anybody imports the name

import githubkit  # noqa: E402, F401
import httpx  # noqa: E402, F401
import junitparser  # noqa: E402, F401
import langchain.agents  # noqa: E402, F401

import agentos.adapters.agent.native.agent  # noqa: E402
import agentos.adapters.deployer.artifact  # noqa: E402
import agentos.adapters.forge.github  # noqa: E402
import agentos.adapters.forge.local  # noqa: E402
import agentos.adapters.model.scripted_model  # noqa: E402
import agentos.adapters.notifier.log  # noqa: E402
import agentos.adapters.sandbox.process  # noqa: E402
import agentos.adapters.tracker.files  # noqa: E402
import agentos.adapters.tracker.github  # noqa: E402, F401
from agentos.adapters.clock.system import SystemClock  # noqa: E402
from agentos.workflows.kit.step import Step  # noqa: E402
from agentos.workflows.orchestrator.graph import stage_graphs  # noqa: E402
from tests.crash.database_faults import count_statements, restart_server  # noqa: E402
from tests.crash.drive import drive, go  # noqa: E402
from tests.crash.mutant import do_then_record  # noqa: E402
from tests.security.obedient import obey  # noqa: E402
from tests.started import tell  # noqa: E402
from tools import orchestrate  # noqa: E402

PATIENCE_S = 120


def _child(order: dict[str, Any], answer: int) -> None:
    if order.get("words") is not None:
        os.environ.clear()
    os.environ.update(order["environment"])
    if order.get("mutant"):
        Step.once = do_then_record  # type: ignore[method-assign]  # the point of the mutant
    if order.get("obedient"):
        obey()
    if order.get("started"):
        file = Path(order["started"]).open("a", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115 - until this process ends
        tell(lambda line: print(line, file=file, flush=True))
    if order.get("trace"):
        _tracing.append(Path(order["trace"]).open("a", encoding="utf-8"))  # noqa: SIM115 - until this process ends
    fault = order.get("fault") or {}
    statements = count_statements(**fault.get("statement", {}))
    if restart := fault.get("restart"):
        _restarts[restart["at"]] = lambda: restart_server(Path(restart["home"]))
    crash.arm(order.get("crash_at", ""))
    try:
        ended = _ended(order)
    except BaseException:  # noqa: BLE001 - whatever it was, the test shall see it
        ended = traceback.format_exc()
    os.write(answer, json.dumps({"ended": ended, "statements": statements()}).encode())
    os._exit(0)


def _ended(order: dict[str, Any]) -> str:
    """What the order came to, in words."""
    if order.get("words") is not None:
        return str(_called(order))
    if not order.get("alone"):
        return drive(Path(order["target"]), order.get("most_waits"))
    real = SystemClock.sleep
    SystemClock.sleep = lambda self, seconds: real(self, seconds / 100)  # type: ignore[method-assign]  # hasty, not another
    return go(Path(order["target"]))


def _called(order: dict[str, Any]) -> int:
    """The exit code of the command line, called as from a shell in the target. One that hangs says where, and ends."""
    os.chdir(order["target"])
    for stream, place in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        os.dup2(os.open(place, os.O_RDWR | os.O_CREAT, 0o600), stream)
    faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
    sys.argv = [orchestrate.__file__, *order["words"]]
    try:
        return orchestrate.run()
    except SystemExit as left:
        return int(left.code or 0)
    except BaseException:  # noqa: BLE001 - Python would print it, too
        traceback.print_exc()
        return 1
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()


def main() -> None:
    """Serves orders until the input ends."""
    stage_graphs()
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(order, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            told = json.loads(pipe.read() or '{"ended": "", "statements": 0}')
        _, status, used = os.wait4(child, 0)
        killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        print(json.dumps({**told, "signal": killed, "peak_bytes": used.ru_maxrss * 1024}), flush=True)


if __name__ == "__main__":
    asyncio.set_event_loop(None)
    main()
