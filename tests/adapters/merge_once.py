"""Merges the first local pull request; killed before its n-th act on the world, where n is given.

Acts are counted from outside, by the interpreter's audit events: starting a process, renaming, linking, deleting.
Usage: merge_once.py TARGET HOME HEAD [N]. Prints how many acts there were.
"""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.forge.local import LocalForge
from agentos.workspace.repository import OwnedRepository

ACTS = ("subprocess.Popen", "os.rename", "os.link", "os.remove")


async def main(target: Path, home: Path, head: str, kill_at: int) -> None:
    repo = await OwnedRepository.open(home, target, "repo")
    later = ManualClock(datetime(2026, 2, 1, tzinfo=UTC))  # a plan made anew by the repeat would be another commit
    forge = LocalForge(repo, target, home / "forge", later)
    acts = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal acts
        if event in ACTS:
            acts += 1
            if acts == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    await forge.merge(1, expected_head=head, message="Merge it")
    print(acts)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int((sys.argv[4:] or ["0"])[0])))
