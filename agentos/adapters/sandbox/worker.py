"""The process that becomes a command: made ahead, so that a command has not to wait for it."""

import base64
import os
import resource
import signal
import socket
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from agentos.adapters.sandbox.order import Order, Place, read_order
from agentos.adapters.sandbox.rights import SETFCAP, give_up_rights
from agentos.adapters.sandbox.room import (
    bound_tasks,
    bury,
    end_with_parent,
    fork_into_room,
    furnish,
    protect,
    settle,
)
from agentos.adapters.sandbox.seccomp import load, refusing_filter
from agentos.adapters.sandbox.tree import DEFAULT_SIGNALS
from agentos.adapters.sandbox.watch import THREADS_EACH

NOT_RUN = 126
_FILTER = refusing_filter() or b""
"""Made once, for every worker."""
ORDER_MOST_BYTES = 200_000
"""Below what a Unix socket takes in one message by default."""


def receive(door: socket.socket) -> tuple[bytes, list[int]]:
    """An order and its two descriptors, which no program that is started will inherit; nothing where nobody sends more."""
    raw, descriptors, _, _ = socket.recv_fds(door, ORDER_MOST_BYTES, 2)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # unlike all others that Python opens, these are not so by themselves
    return raw, descriptors


class Worker(NamedTuple):
    """One that waits. Through `door` it takes an order with two descriptors: where its output goes, and complaints."""

    pid: int
    door: socket.socket


def hire(place: Place) -> Worker:
    """A worker at `place`. Effect: a child of this process, which in a room holds it and has the worker as its own child.

    Where there can be no room, the worker refuses its order.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    owner, refusal = (os.geteuid(), os.getegid()), ""
    try:
        pid = os.fork() if place == "machine" else fork_into_room(network=place == "open room")
    except OSError as error:
        place, refusal = "machine", str(error)
        pid = os.fork()
    if pid == 0:
        ours.close()
        _wait(theirs, refusal or _prepared(place, owner))
    theirs.close()
    return Worker(pid, ours)


def _prepared(place: Place, owner: tuple[int, int]) -> str:
    """Why no command can run here. Effect: everything that does not depend on the order is done. In a room, this returns
    in its second process; the first one holds it."""
    try:
        os.setsid()
        end_with_parent()
        _go_first_when_memory_runs_out()
        if place != "machine":
            settle(*owner, network=place == "open room")
            worker = os.fork()
            if worker:
                os._exit(bury(worker))
            end_with_parent()
    except OSError as error:
        return str(error)
    return ""


def _wait(door: socket.socket, refusal: str) -> None:
    """Never returns: this process waits for its order, becomes the command, or stands guard over it and ends as it does."""
    complaint = -1
    try:
        raw, (output, complaint) = receive(door)
        if refusal:
            raise OSError(refusal)
        os._exit(_obey(read_order(raw), output, complaint))
    except BaseException as error:  # noqa: BLE001 - this process has no other way to say it
        if complaint >= 0:
            said = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            os.write(complaint, said.encode("utf-8", "replace")[:4000])
    finally:
        os._exit(NOT_RUN)


def _obey(order: Order, output: int, complaint: int) -> int:
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, target)
    os.close(output)
    signal.set_wakeup_fd(-1)
    for each in DEFAULT_SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    _bound(order)
    if order.rules is None:
        _become(order)
    return _confine(order, order.rules, complaint)


def _become(order: Order) -> NoReturn:
    for number, content in order.feeds.items():
        _feed(int(number), base64.b64decode(content))
    if order.rights != "all":
        give_up_rights(SETFCAP if order.rights == "map" else -1)
    os.chdir(order.cwd)
    os.execve(order.argv[0], order.argv, order.env)  # noqa: S606


def _confine(order: Order, rules: dict[str, object], complaint: int) -> int:
    """The exit code of the command under `sandlock`, where that supervises it from this process; else this process
    becomes the command."""
    import sandlock

    _require_addresses(order.hosts)
    bound_tasks(order.bounds.processes * THREADS_EACH)
    furnish(order.writable, order.visible, order.temporary)
    protect(order.protected)
    give_up_rights()
    if not order.supervised:
        # Processes are counted in this room; the kernel counts nothing for root, so they are looked at from outside, too.
        _limit({resource.RLIMIT_NPROC: order.bounds.processes, resource.RLIMIT_NOFILE: order.bounds.open_files})
        os.chdir(order.cwd)
        sandlock.confine(sandlock.Sandbox(**rules))
        load(_FILTER)
        os.execve(order.argv[0], order.argv, order.env)  # noqa: S606
    box = sandlock.Sandbox(**rules, env=order.env, cwd=order.cwd, name=f"agentos-{os.getpid()}")
    process = box.popen(list(order.argv), stdin=sandlock.StdioMode.NULL)
    os.close(complaint)
    done = process.wait()
    if done.reason == sandlock.ExitReason.EXITED and done.error is None:
        return int(done.exit_code)
    return 128 + (done.signal if done.signal and done.signal > 0 else signal.SIGKILL)


def _require_addresses(hosts: tuple[str, ...]) -> None:
    """Raises OSError for a host without an address: the box would refuse it without a word."""
    for host in hosts:
        try:
            socket.getaddrinfo(host.partition(":")[0], None)
        except OSError as error:
            raise OSError(f"{host} has no address here ({error.strerror})") from error


def _feed(number: int, content: bytes) -> None:
    """Effect: descriptor `number` gives `content`, to the program that follows."""
    made = os.memfd_create("feed")
    os.write(made, content)
    os.lseek(made, 0, os.SEEK_SET)
    os.dup2(made, number)
    os.close(made)


def _bound(order: Order) -> None:
    """Effect: what the kernel bounds by itself, one process or one file at a time, is bounded."""
    bounds = order.bounds
    kinds = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: bounds.disk_bytes,
        resource.RLIMIT_CPU: int(bounds.cpu_s) + 2,  # the whole tree is looked at before, and stopped with a word
    }
    if order.rules is None:
        kinds[resource.RLIMIT_NOFILE] = bounds.open_files
    _limit(kinds)


def _limit(kinds: Mapping[int, int]) -> None:
    for kind, most in kinds.items():
        hard = resource.getrlimit(kind)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))


def _go_first_when_memory_runs_out() -> None:
    """Effect: where the machine has no memory left, the kernel takes it from this process and its children."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("1000")
    except OSError:
        return  # no Linux
