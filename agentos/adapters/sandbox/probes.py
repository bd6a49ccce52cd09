"""Runs inside a box and tries to get out: one line of JSON says which attempts worked.

Given as text to an interpreter there, so it stands alone. `TARGETS` in its environment says what there is to reach.
"""

# ruff: noqa: PTH101, PTH107, PTH109, PTH118, PTH123, PTH208, PTH211, S103, T201
# The standard library alone, and as little of it as will do.
import ctypes
import json
import os
import resource
import socket
from collections.abc import Callable
from typing import Any

Targets = dict[str, Any]


def _connect(family: int, address: Any) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(1)
        client.connect(address)


def _call(name: str, *arguments: int | None) -> None:
    if getattr(ctypes.CDLL(None), name)(*arguments) != 0:
        raise OSError(name)


def write_outside(targets: Targets) -> None:
    with open(os.path.join(targets["outside"], "written"), "w"):
        pass


def write_through_a_link(targets: Targets) -> None:
    os.symlink(targets["secret"], "link")
    with open("link", "a"):
        pass


def change_the_mode_outside(targets: Targets) -> None:
    os.chmod(targets["secret"], 0o777)


def read_secret(targets: Targets) -> None:
    with open(targets["secret"]) as file:
        file.read()


def list_home(targets: Targets) -> None:
    if targets["in_home"] and set(os.listdir(targets["home"])) >= set(targets["in_home"]):
        return
    raise OSError("another folder lies there")


def read_the_environment_of_others(targets: Targets) -> None:
    for pid in (1, os.getppid(), targets["victim"]):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if targets["canary"].encode() in file.read():
                    return
        except OSError:
            continue
    raise OSError("no canary")


def signal_outside(targets: Targets) -> None:
    os.kill(targets["victim"], 0)


def limit_outside(targets: Targets) -> None:
    resource.prlimit(targets["victim"], resource.RLIMIT_CORE, (0, 0))


def trace_outside(targets: Targets) -> None:
    _call("ptrace", 16, targets["victim"], None, None)


def connect_to_loopback(targets: Targets) -> None:
    _connect(socket.AF_INET, ("127.0.0.1", targets["port"]))


def connect_past_the_filter_of_tcp(targets: Targets) -> None:
    multipath = 262
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, multipath) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", targets["port"]))


def connect_abroad(_: Targets) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("192.0.2.1", 9))


def connect_to_a_socket_file(targets: Targets) -> None:
    _connect(socket.AF_UNIX, targets["socket"])


def connect_to_an_abstract_socket(targets: Targets) -> None:
    _connect(socket.AF_UNIX, "\0" + targets["abstract"])


def mount(_: Targets) -> None:
    libc = ctypes.CDLL(None)
    if libc.mount(b"none", os.getcwd().encode(), b"tmpfs", 0, None) != 0:
        raise OSError("mount")
    libc.umount(os.getcwd().encode())


def make_a_namespace(_: Targets) -> None:
    _call("unshare", 0x10000000)


def make_a_device(_: Targets) -> None:
    os.mknod("device", 0o060600, os.makedev(254, 0))


def hold_rights(_: Targets) -> None:
    with open("/proc/self/status") as file:
        held = {name: value.split()[0] for name, _, value in (line.partition(":") for line in file) if value.split()}
    if int(held["CapEff"], 16) == 0 and held["NoNewPrivs"] == "1" and held["Seccomp"] == "2":
        raise OSError("none")


ATTEMPTS: tuple[Callable[[Targets], None], ...] = (
    write_outside,
    write_through_a_link,
    change_the_mode_outside,
    read_secret,
    list_home,
    read_the_environment_of_others,
    signal_outside,
    limit_outside,
    trace_outside,
    connect_to_loopback,
    connect_past_the_filter_of_tcp,
    connect_abroad,
    connect_to_a_socket_file,
    connect_to_an_abstract_socket,
    mount,
    make_a_namespace,
    make_a_device,
    hold_rights,
)


def main() -> None:
    """Effect: prints for each attempt whether it worked, and that work itself is possible here."""
    targets = json.loads(os.environ["TARGETS"])
    worked = {}
    for attempt in ATTEMPTS:
        try:
            attempt(targets)
        except (OSError, ctypes.ArgumentError):
            worked[attempt.__name__] = False
        else:
            worked[attempt.__name__] = True
    with open("work", "w") as file:
        file.write("done")
    os.remove("work")
    print("\n" + json.dumps(worked))


if __name__ == "__main__":
    main()
