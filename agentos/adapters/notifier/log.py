"""Notices as lines of a file and, where the person wants it, on their desktop."""

import asyncio
import json
import os
import shutil
from pathlib import Path

from agentos.adapters.clock.system import SystemClock
from agentos.domain.naming import clean_text
from agentos.ports.clock import Clock
from agentos.ports.notifier import Notice

_SHOW_TIMEOUT_S = 5.0


class LogNotifier:
    """Appends one JSON line per notice to `path`; `desktop` also hands it to `notify-send` where that is on PATH."""

    def __init__(self, path: Path, *, desktop: bool = False, clock: Clock | None = None) -> None:
        self._path = path
        self._desktop = desktop
        self._clock = clock or SystemClock()

    async def notify(self, notice: Notice) -> None:
        """Effect: one line, whole, however many processes write; what cannot be written is logged instead."""
        title, body, how = (clean_text(text) for text in (notice.title, notice.body, notice.how))
        at = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        line = json.dumps({"at": at, "title": title, "body": body, "how": how}, ensure_ascii=False, sort_keys=True)
        try:
            await asyncio.to_thread(_append, self._path, f"{line}\n".encode())
            if self._desktop:
                await self._show(title, how or body)
        except OSError as exc:
            _warn("notice_lost", title=title, reason=exc.strerror or str(exc))

    async def _show(self, title: str, text: str) -> None:
        program = shutil.which("notify-send")
        if program is None:
            return
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            program, "--app-name=AgentOS", "--", title, text, stdin=quiet, stdout=quiet, stderr=quiet
        )
        try:
            async with asyncio.timeout(_SHOW_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            _warn("notice_not_shown", title=title, reason="notify-send did not answer")


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, line)  # one write at the end of the file: lines of two processes do not mix
    finally:
        os.close(descriptor)


def _warn(event: str, **keys: str) -> None:
    import structlog  # 50 ms that every run would pay, and almost no notice is lost

    structlog.get_logger(__name__).warning(event, **keys)
