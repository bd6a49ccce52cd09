"""The one entry point: words to a request, the request to its command, what came of it to an exit code."""

import errno
import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module

from agentos.cli.args import Request, parse
from agentos.cli.interrupts import as_ctrl_c
from agentos.cli.terminal import as_called, tell
from agentos.domain.error import AgentOSError, BugError, FenceLost, OutsideError, UsageError, refusal_of_machine
from agentos.domain.failure import FailureKind

ALREADY_RUNNING, USAGE, FAILED, INTERRUPTED = 6, 2, 1, 130
_OF_THE_PROGRAM = ("-h", "--help", "--version")
_FOR_A_PERSON = (FailureKind.GONE, FailureKind.INVALID, FailureKind.DENIED)


def main(argv: list[str] | None = None, prog: str = "agentos", usual: str = "") -> int:
    """The exit code of the command in `argv`; `usual` is the command meant by options without one."""
    words = sys.argv[1:] if argv is None else argv
    if usual and words and words[0].startswith("-") and words[0] not in _OF_THE_PROGRAM:
        words = [usual, *words]
    request = Request("", prog)
    try:
        request = parse(words, prog)
        with as_ctrl_c():
            code = _command(request.command)(request)
        sys.stdout.flush()  # here, where a reader that left can still be dealt with
        return code
    except AgentOSError as exc:
        return _say(exc, _code(exc), request)
    except KeyboardInterrupt:
        tell("Interrupted. What was done is saved; the same command goes on from there.")
        return INTERRUPTED
    except OSError as exc:
        return _unwritable(exc, request)
    except Exception:  # noqa: BLE001 - the last door: no traceback reaches a person who did nothing wrong
        return _say(_fault(), FAILED, request)


def _code(error: AgentOSError) -> int:
    if isinstance(error, FenceLost) or type(error).__name__ == "AlreadyRunning":
        return ALREADY_RUNNING
    # Refused before a run was under way: what is missing or wrong there, only a person can put right.
    for_a_person = isinstance(error, OutsideError) and error.kind in _FOR_A_PERSON
    return USAGE if for_a_person or isinstance(error, UsageError) else FAILED


def _unwritable(error: OSError, request: Request) -> int:
    """The exit code where the machine refuses to be written to. Effect: what nobody reads goes nowhere from here on,
    else Python would complain while closing it."""
    # A pipe or a terminal that is gone: whoever read there left.
    left = isinstance(error, BrokenPipeError) or (error.errno == errno.EIO and error.filename is None)
    refusal = None if left else refusal_of_machine(error)
    if refusal is None and not left:
        return _say(_fault(), FAILED, request)
    code = INTERRUPTED if refusal is None else _say(refusal, FAILED, request)
    for stream in (sys.stdout, sys.stderr) if left else (sys.stdout,):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _fault() -> BugError:
    """What is said of an error nobody foresaw, while it is handled. Effect: its traceback is in a file."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="agentos-fault-", suffix=".txt", encoding="utf-8", delete=False
    ) as file:
        file.write(traceback.format_exc())
    return BugError(f"this is a fault of AgentOS, what happened stands in {file.name}; please report it")


def _say(error: Exception, code: int, request: Request) -> int:
    tell(f"agentos: {as_called(str(error), request)}")
    return code


_MODULES = {
    "run": "run_commands",
    "serve": "serve_command",
    "rebuild": "rebuild_command",
    "status": "look_commands",
    "show": "show_commands",
    "diff": "look_commands",
    "logs": "look_commands",
    "costs": "costs_command",
    "config": "machine_commands",
    "doctor": "machine_commands",
    "init": "setup_commands",
    "new": "setup_commands",
    "demo": "demo",
}


def _command(name: str) -> Callable[[Request], int]:
    """The command's function, imported only now: `--help` needs none of it."""
    gc.disable()  # what imports make stays; looking for garbage among it takes a tenth of the time
    module = import_module(f"agentos.cli.{_MODULES.get(name, 'run_commands')}")
    gc.enable()
    command: Callable[[Request], int] = getattr(module, name if name in _MODULES else "decide")
    return command
