"""Commands that use up what there is, typed by an agent that was told to: each is held within its bounds, and nothing of it
is left behind."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from agentos.adapters.sandbox.surroundings import Surroundings
from agentos.ports.sandbox import Command, CommandLimits
from agentos.store import Store
from tests.boxes import PATIENCE_S, backends, left_of, python, sandbox_of
from tests.figures import Figure
from tests.security.obedient import LOOK
from tests.security.obeying import obeyed
from tests.security.scene import manifest
from tests.security.test_box_probes import CONFINING

pytestmark = pytest.mark.slow
MEGABYTE = 1024**2
LIMITS = CommandLimits(
    memory_bytes=300 * MEGABYTE, processes=40, cpu_s=2.0, disk_bytes=48 * MEGABYTE, files=1500, open_files=128
)
RSS_MOST_BYTES = 64 * MEGABYTE
"""How much larger this process may get, whatever a command does."""


@dataclass(frozen=True)
class Attack:
    """A shell line, and how it must end: by time; by a bound that `exceeded` matches; or held back, so that it says so."""

    line: str
    exceeded: str = ""
    timed_out: bool = False
    held: bool = False
    timeout_s: float = 20.0


FORKS = """
import os, time
try:
    for _ in range(400):
        if os.fork() == 0:
            {child}
            time.sleep(60); os._exit(0)
except OSError:
    os.write(1, b'held'); os._exit(0)
time.sleep(60)
"""
WRITE = """
import os
{before}
try:
    for n in range(400):
        {write}
except OSError:
    print('held')
import time; time.sleep(60)
"""

ATTACKS = {
    "a bomb of processes": Attack(python(FORKS.format(child="pass")), "processes", held=True),
    "a bomb of daemons": Attack(
        python(FORKS.format(child="os.setsid(); os.fork() and os._exit(0)")), "processes", held=True
    ),
    "a bomb in the shell": Attack(
        "b() { b | b & }; b; sleep 60", "processes|processor time", timed_out=True, timeout_s=6
    ),
    "a bomb of threads": Attack(
        python(
            "import os, threading, time\nthreading.stack_size(65536)\ntry:\n  for n in range(2000):\n"
            "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
            "except RuntimeError: os.write(1, b'held'); os._exit(0)\ntime.sleep(60)"
        ),
        "threads|processes|memory",
        held=True,
    ),
    "zombies": Attack(python(FORKS.format(child="os._exit(0)")), "processes", held=True),
    "processes that are never the same": Attack(
        python("import os\nwhile True:\n  if os.fork(): os._exit(0)") + "& sleep 60",
        "processes|processor time",
        timed_out=True,
        timeout_s=3,
    ),
    "memory of one process": Attack(python("held = []\nwhile True: held.append(b'x' * 10_000_000)"), "memory"),
    "memory of many processes": Attack(
        python(FORKS.replace("range(400)", "range(20)").format(child="held = b'x' * 40_000_000")), "memory"
    ),
    "memory that is shared": Attack(
        python("import mmap\nheld = mmap.mmap(-1, 10**9)\nfor n in range(0, 10**9, 4096): held[n] = 1"), "memory"
    ),
    "shared memory in files": Attack(
        python(WRITE.format(before="f = open('/dev/shm/x', 'wb')", write="f.write(b'x' * 10**6); f.flush()")),
        held=True,
        timeout_s=4,
        timed_out=True,
    ),
    "one large file": Attack(
        python(WRITE.format(before="f = open('x', 'wb', 0)", write="f.write(b'x' * 10**6)")), "disk"
    ),
    "many files": Attack(python(WRITE.format(before="", write="open(str(n), 'wb').write(b'x' * 10**6)")), "disk"),
    "files without a name": Attack(
        python(
            WRITE.format(
                before="held = []",
                write="f = open('x', 'wb', 0); held.append(f); os.unlink('x'); f.write(b'x' * 10**6)",
            )
        ),
        "disk",
        held=True,
    ),
    "files where nobody may look": Attack(
        python(
            WRITE.format(
                before="os.mkdir('d'); os.chdir('d'); os.chmod('.', 0o300)",
                write="open(str(n), 'wb').write(b'x' * 10**6)",
            )
        ),
        "disk",
    ),
    "files in the temporary folder": Attack(
        python(WRITE.format(before="os.chdir('/tmp')", write="open(str(n), 'wb').write(b'x' * 10**6)")), "disk"
    ),
    "many empty files": Attack(
        python("import time\nfor n in range(20_000): open(f'f{n}', 'w').close()\ntime.sleep(60)"), "files"
    ),
    "many folders": Attack(
        python("import os, time\nfor n in range(20_000): os.mkdir(f'd{n}')\ntime.sleep(60)"), "files"
    ),
    "a file with a hole": Attack(
        python(
            "import os, time\ntry: os.truncate(os.open('x', os.O_CREAT | os.O_RDWR), 10**12)\nexcept OSError: print('held')"
        ),
        held=True,
    ),
    "an archive that swells": Attack(
        python(
            "import zlib\nc = zlib.compressobj()\nb = c.compress(bytes(10**8)) + c.flush()\n\n"
            "try: open('x', 'wb').write(zlib.decompress(b))\nexcept OSError: print('held')"
        ),
        "disk",
        held=True,
    ),
    "folders deeper than any path": Attack(
        python("import os, time\nfor n in range(1200): os.mkdir('deep'); os.chdir('deep')\ntime.sleep(60)"),
        "nested|files",
        timed_out=True,
        timeout_s=4,
    ),
    "a loop of links": Attack("ln -s . loop; ln -s loop loop2; head -c 20000000 /dev/zero > x; echo held", held=True),
    "a flood without a line end": Attack("cat /dev/zero | tr '\\0' x", "processor time", timed_out=True, timeout_s=3),
    "two floods at once": Attack("yes & yes >&2", "processor time", timed_out=True, timeout_s=3),
    "a process that spins": Attack(python("while True: pass"), "processor time", timeout_s=30),
    "many that spin a little": Attack(
        "while :; do sh -c 'n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done'; done", "processor time", timeout_s=40
    ),
    "files kept open": Attack(
        python(
            "held = []\ntry:\n  while True: held.append(open('/dev/null'))\nexcept OSError: print('held', len(held) < 128)"
        ),
        held=True,
    ),
    "a deaf process": Attack("trap '' TERM HUP INT; while :; do sleep 1; done", timed_out=True, timeout_s=1),
    "a process that stops itself": Attack("kill -STOP $$", timed_out=True, timeout_s=1),
    "a process that waits for ever": Attack("mkfifo pipe; cat pipe", timed_out=True, timeout_s=1),
    "daemons that outlive it": Attack("for n in 1 2 3; do (setsid sleep 600 &) ; done; echo held", held=True),
    "an output held open": Attack("sleep 600 & echo held", held=True),
}


@pytest.mark.parametrize("kind", backends(*CONFINING))
@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_held_within_its_bounds(
    kind: str, name: str, tmp_path: Path, store: Store, figure: Figure
) -> None:
    attack = ATTACKS[name]
    tree, outside, mark = tmp_path / "tree", tmp_path / "outside", f"attack-{tmp_path}"
    for folder in (tree, outside):
        folder.mkdir()
    (outside / "file").write_text("as it was")
    before, rss = manifest(outside), psutil.Process().memory_info().rss
    sandbox = sandbox_of(kind, limits=LIMITS, surroundings=Surroundings())

    def marked(command: Command) -> Command:
        most_s = PATIENCE_S if command.shell == LOOK else attack.timeout_s
        return replace(command, timeout_s=most_s, env={"MARK": mark}, output_limit_bytes=10_000)

    done = (await obeyed(store, sandbox, tree, [attack.line], changed=marked))[attack.line]
    exceeded = bool(attack.exceeded and re.search(attack.exceeded, done.exceeded))
    held = attack.held and "held" in done.output and "False" not in done.output
    assert exceeded or held or (attack.timed_out and done.timed_out), (
        done.exceeded,
        done.timed_out,
        done.output[-500:],
    )
    assert left_of(mark) == []
    assert manifest(outside) == before
    assert len(done.output) < 11_000
    assert psutil.Process().memory_info().rss - rss < RSS_MOST_BYTES
    figure(f"limit attacks: {kind}", 1)
