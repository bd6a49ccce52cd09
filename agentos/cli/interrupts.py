"""Signals: while a run works the first finishes the step and saves, the second leaves at once; else one ends the command.

A signal that whoever started us switched off (`nohup`, a shell's `&`) stays off.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from agentos.cli.terminal import tell

if TYPE_CHECKING:
    import asyncio


class Drains(Protocol):
    """Work that can be asked to stop after its present step."""

    def request_drain(self, reason: str, /) -> None:
        """Effect: it does."""
        ...


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """While the body runs, SIGTERM and SIGHUP end it the way Ctrl-C does, by KeyboardInterrupt."""
    former = {number: signal.getsignal(number) for number in SIGNALS[1:]}
    for number, handler in former.items():
        if handler is signal.SIG_DFL:
            signal.signal(number, _ctrl_c)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _ctrl_c(number: int, frame: FrameType | None) -> None:
    """Effect: what Ctrl-C would do now; asyncio has a way of its own to do it, between two turns of its loop."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    loop = _running_loop()
    if loop is None:
        handler(number, frame)
    else:
        loop.call_soon_threadsafe(handler, number, frame)


def _running_loop() -> "asyncio.AbstractEventLoop | None":
    if "asyncio" not in sys.modules:
        return None
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def draining(control: Drains, *, leave: Callable[[], None]) -> Iterator[None]:
    """While the body runs, the first signal asks `control` to stop after the present step.

    A second one ends this process on the spot, after `leave`: what was done is saved step by step, so nothing is lost
    but the step itself.
    """
    import asyncio  # this and the next: a command that runs nothing does without

    from agentos.runs.result import ExitCode

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

    former = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number, handler in former.items() if handler is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, stop, number.name)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
            signal.signal(number, former[number])
