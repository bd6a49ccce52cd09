"""`python tools/orchestrate.py --issue N` is `agentos run --issue N`, from a checkout and with any Python."""

import os
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parents[1] / ".venv"
RESTARTED = "AGENTOS_RESTARTED_UNDER_VENV"


def use_the_checkouts_python() -> None:
    """Starts over under the checkout's `.venv`; there, or where none exists, it returns and changes nothing."""
    python = VENV / "bin" / "python"
    # Whatever a broken environment makes of sys.prefix, nobody restarts twice.
    restarted = os.environ.pop(RESTARTED, None)
    if restarted or Path(sys.prefix).resolve() == VENV.resolve() or not python.is_file():
        return
    os.environ[RESTARTED] = "1"
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - the same program again, no shell wanted


def run() -> int:
    """The exit code of `agentos run` (or of another command named first); hints repeat the path as the caller typed it."""
    try:
        import agentos  # noqa: F401 - asked only whether it is there
    except ImportError:
        print("AgentOS is not set up in this checkout: run `make setup` in it, then try again.", file=sys.stderr)
        return 2
    from agentos.cli.main import main

    return main(prog=f"python {sys.argv[0]}", argv=sys.argv[1:], usual="run")


if __name__ == "__main__":
    use_the_checkouts_python()
    sys.exit(run())
