"""What other programs are started with, and what stands on their command lines, where every user of a machine reads it."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

_tellers: list[Callable[[str], None]] = []
_hooked: list[int] = []


def tell(teller: Callable[[str], None]) -> None:
    """Effect: from now on `teller` is told what Python starts in this process: arguments and environment, a line each."""
    if os.getpid() not in _hooked:
        sys.addaudithook(_listen)
        _hooked.append(os.getpid())
    _tellers.append(teller)


@contextmanager
def heard() -> Iterator[list[str]]:
    """All that this process starts meanwhile, as `tell` says it."""
    found: list[str] = []
    tell(found.append)
    try:
        yield found
    finally:
        _tellers.remove(found.append)


def standing() -> set[str]:
    """The command lines of all processes below this one, as they stand now."""
    lines = set()
    for process in psutil.Process().children(recursive=True):
        try:
            lines.add("\n".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return lines


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if not _tellers or event not in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        return
    told = arguments[1:] if len(arguments) > 1 else arguments
    *words, environment = (*told, None) if event == "os.system" else told
    environment = os.environ if environment is None else environment
    lines = [os.fsdecode(each) for word in words if word is not None for each in _each(word)]
    given = [f"{os.fsdecode(name)}={os.fsdecode(value)}" for name, value in environment.items()]
    for teller in _tellers:
        teller("\n".join((*lines, *given)))


def _each(word: Any) -> list[str | bytes]:
    return list(word) if isinstance(word, list | tuple) else [word]
