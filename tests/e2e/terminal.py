"""A terminal with the program in its foreground: what is typed reaches it as from a keyboard, and it can be closed."""

import fcntl
import os
import pty
import select
import subprocess
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.e2e.conftest import PATIENCE_S, PROGRAM, Desk

CTRL_C = b"\x03"


class Terminal:
    """`agentos <words>` on a terminal of its own; `errors`: a file that takes standard error instead."""

    def __init__(self, desk: Desk, *words: str, errors: Path | None = None, before: str = "") -> None:
        self._main, side = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **desk.environment}
        with (errors or Path(os.devnull)).open("ab") as file:
            self.process = subprocess.Popen(
                [*before.split(), *PROGRAM, *words],
                cwd=desk.target,
                env=environment,
                stdin=side,
                stdout=side,
                stderr=file if errors else side,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        os.close(side)
        self.shown = ""

    def read_until(self, happened: Callable[[], bool]) -> None:
        """Effect: what the program showed until then is in `shown`. A terminal that nobody reads stops it."""
        for _ in range(PATIENCE_S * 20):
            if happened():
                return
            if select.select([self._main], [], [], 0.05)[0]:
                with suppress(OSError):  # nobody has the other side open
                    self.shown += os.read(self._main, 65536).decode("utf-8", "replace")
        raise AssertionError(f"it did not happen in time:\n{self.shown[-3000:]}")

    def read_to_the_end(self) -> int:
        """The exit code; everything shown is in `shown`."""
        try:
            while select.select([self._main], [], [], PATIENCE_S)[0]:
                self.shown += os.read(self._main, 65536).decode("utf-8", "replace")
        except OSError:
            pass  # nobody has the other side open any more
        os.close(self._main)
        return self.process.wait(PATIENCE_S)

    def type(self, keys: bytes) -> None:
        """Effect: the keys are pressed."""
        os.write(self._main, keys)

    def close(self) -> None:
        """Effect: the window is gone."""
        os.close(self._main)
