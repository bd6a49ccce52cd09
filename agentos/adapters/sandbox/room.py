"""Namespaces of its own for one command: nobody else's processes, network or shared memory, and of all folders those it was
given. Landlock alone leaves holes: it says nothing about the mode, owner and times of a file, about sockets that lie in
a folder, about limits set on other processes, or about network protocols other than TCP.

The C library is called directly, because Python has no words for most of this. Everything fails with OSError; nothing must
run then.
"""

# ruff: noqa: PTH103, PTH120, PTH123, PTH211, S108
# pathlib would double the start-up of the launcher; what is shared here is shared with nobody else.
import ctypes
import fcntl
import os
import signal
import socket
import stat
import struct
from contextlib import suppress

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_SPACES = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWIPC | _CLONE_NEWUTS
_CLONE = {"x86_64": 56, "aarch64": 220}  # <asm/unistd.h>
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE, _MS_SLAVE = 2, 4, 8, 4096, 16384, 1 << 18, 1 << 19
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY, _NO_SUID = 1, 2
_MOUNT_SETATTR = 442  # the same on every machine
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_COUNTS_TASKS, _LEAST_TASKS = (6, 14), 512
_ROOT = "/tmp"
"""Where the root folder of a room is made: a folder that every system has, and that no room shows."""
_LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SHARED_MEMORY = b"size=64m,mode=1777"

_libc = ctypes.CDLL(None, use_errno=True)
_with_lock = ctypes.PyDLL(None, use_errno=True)


def fork_into_room(*, network: bool) -> int:
    """As `os.fork`, but the new process is the first one of a new room: all of it ends with this one.

    `network`: the room has the machine's, not one of its own.
    """
    # With the interpreter's lock held, and told as os.fork tells it, this is a fork like any other.
    ctypes.pythonapi.PyOS_BeforeFork()
    flags = _SPACES if network else _SPACES | _CLONE_NEWNET
    pid = int(_with_lock.syscall(_CLONE[os.uname().machine], flags | signal.SIGCHLD, 0, 0, 0, 0))
    number = ctypes.get_errno()
    if pid:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    if pid < 0:
        raise OSError(number, f"namespaces of its own: {os.strerror(number)}")
    return pid


def settle(uid: int, gid: int, *, network: bool) -> None:
    """Effect: this process, the first one of its room, is user `uid` there as it was outside; the loopback interface
    works. Until the room is furnished, it is not closed."""
    for name, content in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(content)
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)  # what is mounted outside until a command comes is seen inside
    if not network:
        _raise_loopback()


def bury(child: int) -> int:
    """The exit code of `child`, once it ended. The first process of a room inherits and buries all orphans."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def furnish(writable: tuple[str, ...], visible: tuple[str, ...], temporary: str) -> None:
    """Effect: this room has a root folder of its own. In it lie the `visible`, to be read, and the `writable`, each at its
    place; the devices everybody needs; `temporary` at /tmp; shared memory and processes of its own; and nothing else."""
    held = {place: _hold(place) for place in {*writable, temporary, *DEVICES}}
    for place in {*visible} - {"/proc"}:  # it has one of its own
        with suppress(FileNotFoundError):  # it went since somebody looked
            held.setdefault(place, _hold(place))
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", _ROOT, "tmpfs", _MS_NOSUID | _MS_NODEV, b"mode=755")
    _show(held[temporary], "/tmp")
    os.makedirs(f"{_ROOT}/dev/shm")
    _mount("tmpfs", f"{_ROOT}/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, SHARED_MEMORY)
    for place in sorted(held):  # a folder before what lies in it
        _show(held[place], place)
    for name, target in _LINKS.items():
        os.symlink(target, f"{_ROOT}/dev/{name}")
    os.makedirs(f"{_ROOT}/proc", exist_ok=True)
    _mount("proc", f"{_ROOT}/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _enter(_ROOT)
    _set_attributes("/", _AT_RECURSIVE, on=_READ_ONLY | _NO_SUID)
    for place in (*writable, "/tmp", "/dev/shm"):
        _set_attributes(place, 0, off=_READ_ONLY)
    for descriptor in held.values():
        os.close(descriptor)


def protect(paths: tuple[str, ...]) -> None:
    """Effect: what lies at `paths`, inside a folder that may be written, may only be read; a link there is nobody's to keep."""
    for path in paths:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
            _mount(f"/proc/self/fd/{descriptor}", path, None, _MS_BIND)
            _set_attributes(path, 0, on=_READ_ONLY | _NO_SUID)
        os.close(descriptor)


def bound_tasks(most: int) -> None:
    """Effect: this room holds no more than `most` processes and threads, whoever they belong to; where the kernel counts
    them for each room, from Linux 6.14 on. Before, the number is the whole machine's and stays as it is."""
    release = os.uname().release.split(".")
    if tuple(int("".join(filter(str.isdigit, part))) for part in release[:2]) < _COUNTS_TASKS:
        return
    with suppress(OSError), open("/proc/sys/kernel/pid_max", "w", encoding="ascii") as file:
        file.write(str(max(most, _LEAST_TASKS)))


def end_with_parent() -> None:
    """Effect: the kernel kills this process when its parent ends, and with the first one of a room all of it."""
    _checked("prctl", _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def _hold(place: str) -> int:
    return os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)


def _show(descriptor: int, place: str) -> None:
    """Effect: what `descriptor` is open on lies at `place` in the root folder to come."""
    source, target, mode = f"/proc/self/fd/{descriptor}", _ROOT + place, os.fstat(descriptor).st_mode
    if stat.S_ISLNK(mode):
        if not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(os.readlink("", dir_fd=descriptor), target)
        return
    if stat.S_ISDIR(mode):
        os.makedirs(target, exist_ok=True)
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    _mount(source, target, None, _MS_BIND | _MS_REC)


def _enter(root: str) -> None:
    """Effect: `root` is the root folder of this process, and nothing that lies outside can be reached."""
    os.chdir(root)
    _checked("pivot_root", _libc.syscall(_PIVOT_ROOT[os.uname().machine], b".", b"."))
    _checked("leaving the old root", _libc.umount2(b".", _MNT_DETACH))
    os.chdir("/")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: bytes | None = None) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    _checked(f"mounting {target}", _libc.mount(*words, ctypes.c_ulong(flags), data))


def _set_attributes(path: str, flags: int, *, on: int = 0, off: int = 0) -> None:
    attributes = struct.pack("QQQQ", on, off, 0, 0)
    done = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), flags, attributes, ctypes.c_size_t(32))
    _checked(f"the rights of {path}", done)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _checked(what: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
