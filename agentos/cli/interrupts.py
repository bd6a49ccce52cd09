"""Signals while a run works: the first finishes the step and saves, the second leaves at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from agentos.cli.terminal import tell
from agentos.runs.result import ExitCode

if TYPE_CHECKING:
    from langgraph.runtime import RunControl

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def draining(control: "RunControl", *, leave: Callable[[], None]) -> Iterator[None]:
    """While the body runs, the first signal asks `control` to stop after the present step.

    A second one ends this process on the spot, after `leave`: what was done is saved step by step, so nothing is lost
    but the step itself.
    """
    loop = asyncio.get_running_loop()
    asked = False  # not `control`'s own word: a hold or a cancel drains it too

    def stop(name: str) -> None:
        nonlocal asked
        if asked:
            with suppress(OSError):  # a terminal that is gone cannot be tidied up
                leave()
            tell("Left at once. The step that was cut off runs again next time.")
            os._exit(ExitCode.INTERRUPTED)
        asked = True
        control.request_drain(name)
        tell("Stopping after the present step; once more leaves at once.")

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number.name)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
