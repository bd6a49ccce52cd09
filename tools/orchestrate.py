"""`python tools/orchestrate.py --issue N` is `agentos run --issue N`, from a checkout and with any Python."""

import os
import shutil
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parents[1] / ".venv"
RESTARTED = "AGENTOS_RESTARTED_UNDER_VENV"


def caller() -> str:
    """The Python that was called, as the caller would type it."""
    if RESTARTED in os.environ:
        return os.environ.pop(RESTARTED)
    typed: str = getattr(sys, "orig_argv", ["python3"])[0]  # Python 3.10 brought it
    name = Path(typed).name
    return name if shutil.which(name) else typed


def use_the_checkouts_python() -> None:
    """Starts over under the checkout's `.venv`; there, or where none exists, it returns and changes nothing."""
    python = VENV / "bin" / "python"
    # Whatever a broken environment makes of sys.prefix, nobody restarts twice.
    if RESTARTED in os.environ or Path(sys.prefix).resolve() == VENV.resolve() or not python.is_file():
        return
    os.environ[RESTARTED] = caller()
    os.execv(python, [str(python), *sys.argv])  # noqa: S606 - the same program again, no shell wanted


def run() -> int:
    """The exit code of `agentos run` (or of another command named first); hints repeat the path as the caller typed it."""
    try:
        import agentos  # noqa: F401 - asked only whether it is there
    except ImportError:
        print("AgentOS is not set up in this checkout: run `make setup` in it, then try again.", file=sys.stderr)
        return 2
    from agentos.cli.main import main

    return main(prog=f"{caller()} {sys.argv[0]}", argv=sys.argv[1:], usual="run")


if __name__ == "__main__":
    use_the_checkouts_python()
    sys.exit(run())
