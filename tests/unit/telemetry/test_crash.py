import os
import signal
import subprocess
import sys

import pytest

PASSES = """
from agentos.telemetry.crash import crash_point
for n in range(1, 5):
    crash_point("other")
    crash_point("here")
    print(n, flush=True)
"""


def run(crash_at: str | None) -> tuple[int, str]:
    environment = {key: value for key, value in os.environ.items() if key != "AGENTOS_CRASH_AT"}
    if crash_at is not None:
        environment["AGENTOS_CRASH_AT"] = crash_at
    done = subprocess.run([sys.executable, "-c", PASSES], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("crash_at", "printed"), [("here", ""), ("here#1", ""), ("here#3", "1\n2\n")])
def test_a_named_point_kills_at_that_pass(crash_at: str, printed: str) -> None:
    assert run(crash_at) == (-signal.SIGKILL, printed)


@pytest.mark.parametrize("crash_at", [None, "", "nowhere", "here#9"])
def test_no_other_point_does_anything(crash_at: str | None) -> None:
    assert run(crash_at) == (0, "1\n2\n3\n4\n")
