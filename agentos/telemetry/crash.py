"""Places where a test may kill the process, so that recovery is proved on real deaths."""

import os
import signal
from collections import Counter

# Read once: a name that changes while the process runs would make a crash test unrepeatable. Not a setting for people,
# and so not part of config/load.py.
_wanted = os.environ.get("AGENTOS_CRASH_AT", "")  # noqa: TID251
_passes: Counter[str] = Counter()


def arm(wanted: str) -> None:
    """Effect: `wanted` (`name` or `name#k`) kills this process; for a test that forks instead of starting anew."""
    global _wanted
    _wanted = wanted
    _passes.clear()


def crash_point(name: str) -> None:
    """Nothing, unless `AGENTOS_CRASH_AT` is `name` or `name#k`: then the process is killed at the k-th pass (from 1)."""
    if not _wanted:
        return
    _passes[name] += 1
    if _wanted in (f"{name}#{_passes[name]}", name):
        os.kill(os.getpid(), signal.SIGKILL)
