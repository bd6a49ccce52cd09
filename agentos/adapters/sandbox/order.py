"""What the launcher is told to run, and what it answers: plain JSON on a socket, one order and one answer a command."""

import json
from typing import Literal, NamedTuple, TypeAlias

Place: TypeAlias = Literal["machine", "room", "open room"]
"""Where a command runs: among everybody's processes, in namespaces of its own, or in such with the machine's network."""


class Bounds(NamedTuple):
    """What the whole tree of one command may use. `files`: how many files and folders its writable folders may hold."""

    memory_bytes: int
    processes: int
    cpu_s: float
    disk_bytes: int
    files: int
    open_files: int


class Order(NamedTuple):
    """One command. `argv` is executed in `cwd` with exactly `env`.

    `rules`: what `sandlock` is to enforce on it, as arguments of its `Sandbox`; None where `argv` confines itself or
    nothing does. `supervised`: sandlock stands by and looks at its calls, which costs time; else its rules are the
    kernel's alone, with a filter of ours. `feeds`: open descriptors it inherits, number -> content as base64. `scratch` is ours and is removed
    where the owner went; `writable` are the folders whose size counts. `rights`: whether it keeps the caller's
    capabilities, gives up all, or all but the one that maps root into a namespace. `visible`, `protected`, `temporary` and
    `network`: as `room` has them, for commands under `sandlock`; `hosts`: those that must have an address.
    """

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    scratch: str
    writable: tuple[str, ...]
    bounds: Bounds
    rules: dict[str, object] | None = None
    supervised: bool = False
    feeds: dict[str, str] = {}  # noqa: RUF012 - a tuple's default is never changed
    visible: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    temporary: str = ""
    network: bool = False
    hosts: tuple[str, ...] = ()
    rights: Literal["none", "map", "all"] = "none"


class Answer(NamedTuple):
    """How it ended. `exit_code` None: it was stopped. `exceeded`: the bound it ran into, as words for people.
    `refusal`: why it could not be started at all."""

    exit_code: int | None = None
    exceeded: str = ""
    refusal: str = ""


def read_order(raw: bytes) -> Order:
    """The order in `raw`."""
    given = json.loads(raw)
    given["bounds"] = Bounds(**given["bounds"])
    return Order(**given)


def place_of(order: Order) -> Place:
    """Where `order` is carried out."""
    if order.rules is None:
        return "machine"
    return "open room" if order.network else "room"
