"""A machine with something to lose, around a box: files, sockets, a process, a terminal and shared memory, all with canaries."""

import ctypes
import hashlib
import os
import pty
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

SHM_KEY = 0x41674F53
_LIBC = ctypes.CDLL(None, use_errno=True)


def manifest(folder: Path) -> dict[str, str]:
    """What lies below `folder`, in one line a path: kind, mode, owner, time of change, links, attributes and content."""
    found = {}
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        held = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
        target = os.readlink(path) if path.is_symlink() else ""
        extra = os.listxattr(path, follow_symlinks=False)
        owner = f"{status.st_uid}:{status.st_gid}"
        found[str(path)] = f"{status.st_mode:o} {owner} {status.st_mtime_ns} {status.st_nlink} {extra} {held}{target}"
    return found


@contextmanager
def machine(folder: Path) -> Iterator[dict[str, Any]]:
    """The targets of `attempts.py`, with `tree` to work in; nothing of it is left behind."""
    canary = secrets.token_hex(16)
    with ExitStack() as stack:
        targets = {"canary": canary, "word": f"word-{canary}", "canary_name": "secret"}
        targets |= _files(stack, folder, canary)
        targets |= _sockets(stack, Path(targets["outside"]))
        targets |= _process(stack, targets["word"], canary)
        targets |= _terminal(stack)
        targets |= _shared(stack, canary)
        yield targets


def _files(stack: ExitStack, folder: Path, canary: str) -> dict[str, Any]:
    outside = folder / "outside"
    for name in ("tree", "outside/folder", "sibling", "data"):
        (folder / name).mkdir(parents=True)
    for name in ("outside/secret", "sibling/file", "data/database"):
        (folder / name).write_text(canary)
    os.symlink(outside / "secret", folder / "tree" / "planted-link")
    shared = Path(tempfile.gettempdir(), f"agentos-shared-{canary}")
    shared.write_text(canary)
    stack.callback(shared.unlink)
    setuid = None
    if os.getuid() == 0:
        setuid = outside / "id"
        shutil.copy("/usr/bin/id", setuid)
        os.chown(setuid, 12345, 12345)
        setuid.chmod(0o4755)
    return {
        "tree": str(folder / "tree"),
        "outside": str(outside),
        "secret": str(outside / "secret"),
        "folder": str(outside / "folder"),
        "sibling": str(folder / "sibling"),
        "data": str(folder / "data"),
        "home": str(Path.home()),
        "in_home": [each.name for each in Path.home().iterdir() if not folder.is_relative_to(each)],
        "interpreter": os.path.realpath(sys.executable),
        "prefix": sys.prefix,
        "shared_tmp": str(shared.parent),
        "shared_file": str(shared),
        "shared_name": f"agentos-was-here-{canary}",
        "setuid": str(setuid) if setuid else None,
    }


def _sockets(stack: ExitStack, outside: Path) -> dict[str, Any]:
    # Names of Unix sockets are short, and pytest's folders are not.
    short = Path(tempfile.mkdtemp(prefix="s-"))
    stack.callback(shutil.rmtree, short)
    abstract = f"agentos-{secrets.token_hex(8)}"
    listening = {}
    for name, family, kind, address in (
        ("port", socket.AF_INET6, socket.SOCK_STREAM, ("::", 0)),
        ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        ("socket", socket.AF_UNIX, socket.SOCK_STREAM, str(short / "stream")),
        ("datagrams", socket.AF_UNIX, socket.SOCK_DGRAM, str(short / "datagrams")),
        ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{abstract}"),
    ):
        server = stack.enter_context(socket.socket(family, kind))
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen(64)
        listening[name] = server.getsockname()
    return {
        "port": listening["port"][1],
        "udp": listening["udp"][1],
        "socket": listening["socket"],
        "datagrams": listening["datagrams"],
        "abstract": abstract,
    }


def _process(stack: ExitStack, word: str, canary: str) -> dict[str, Any]:
    line = ("/bin/sh", "-c", "read line", word)
    victim = subprocess.Popen(line, stdin=subprocess.PIPE, env={"CANARY": canary}, start_new_session=True)

    def end() -> None:
        os.kill(victim.pid, signal.SIGKILL)
        victim.communicate()

    stack.callback(end)
    return {"victim": victim.pid, "victim_group": os.getpgid(victim.pid)}


def _terminal(stack: ExitStack) -> dict[str, Any]:
    ours, theirs = pty.openpty()
    stack.callback(os.close, ours)
    stack.callback(os.close, theirs)
    return {"terminal": os.ttyname(theirs), "terminal_device": os.fstat(theirs).st_rdev}


def _shared(stack: ExitStack, canary: str) -> dict[str, Any]:
    held = Path("/dev/shm", f"agentos-{canary}")
    held.write_text(canary)
    stack.callback(held.unlink)
    segment = _LIBC.shmget(SHM_KEY, 4096, 0o1600)
    if segment >= 0:
        stack.callback(_LIBC.shmctl, segment, 0, None)
    return {"shm": held.name, "shm_key": SHM_KEY}
