"""Which backend the commands of a run go through: decided once, from what this machine allows."""

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agentos.adapters.registry import backend
from agentos.adapters.sandbox.bubblewrap import find_program
from agentos.adapters.sandbox.selftest import find_leak
from agentos.adapters.sandbox.surroundings import Surroundings
from agentos.ports.sandbox import CommandLimits, Sandbox

CONFINING = ("sandlock", "bubblewrap")
REMEDY = (
    "install bubblewrap (apt install bubblewrap), use a kernel from 6.12 on, or, if this machine is itself a container or "
    "virtual machine made for that, say so with `sandbox: external` in the user configuration or AGENTOS_SANDBOX=external"
)
_NO_BOX = {"process": "it keeps nobody from writing anywhere"}
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Choice:
    """The backend that was chosen. `sandbox` None: none, and `refusals` says why, backend by backend. `about`: the
    backend as `doctor` shows it."""

    sandbox: Sandbox | None
    about: str
    refusals: dict[str, str]

    @property
    def refusal(self) -> str:
        """Why no command of a model may run here, and what to do about it; empty where one may."""
        if self.sandbox is not None:
            return ""
        reasons = "; ".join(f"{kind}: {why}" for kind, why in self.refusals.items())
        return f"a model would get a shell on this machine without a box around it ({reasons}). To mend it, {REMEDY}"


@dataclass(frozen=True)
class Wish:
    """What the settings ask for. `trusted`: every command is known beforehand, no model chooses one. `narrowed`: some
    command may reach some hosts alone."""

    kind: str
    trusted: bool
    limits: CommandLimits
    readable: tuple[Path, ...]
    home: Path
    narrowed: bool = False


Look = Callable[[str], Awaitable[tuple[str, str]]]
"""A backend with its version, and what is wrong with it; empty where it holds."""


async def choose_sandbox(wish: Wish, look: Look | None = None) -> Choice:
    """The first backend that is asked for and holds. Effect: it is tried out, once per boot and version of it.

    `auto` is sandlock, else bubblewrap, else nothing; where no model chooses commands, plain processes. `look`: how a
    backend is looked at, where that is not to be on this machine.
    """
    surroundings = Surroundings(wish.readable, (wish.home,))
    if wish.kind == "external":
        return Choice(backend("sandbox", "external")(wish.limits), "external, as the operator declared", {})
    refusals: dict[str, str] = {}
    for kind in _wanted(wish):
        about, why = kind, _unfit(kind, wish)
        if not why:
            about, why = await (look(kind) if look is not None else _looked_at(kind, surroundings))
        if not why:
            return Choice(backend("sandbox", kind)(wish.limits, surroundings), about, refusals)
        refusals[kind] = why
    if wish.trusted and wish.kind in ("auto", "process"):
        return Choice(backend("sandbox", "process")(wish.limits), "process", refusals)
    return Choice(None, wish.kind, refusals or _NO_BOX)


def refusal_at_sight(wish: Wish) -> str:
    """Why no command of a model may run here, as far as that is known without trying anything out."""
    refusals = {kind: _unfit(kind, wish) or missing(kind)[1] for kind in _wanted(wish)} or _NO_BOX
    if wish.trusted or wish.kind == "external" or not all(refusals.values()):
        return ""
    return Choice(None, wish.kind, refusals).refusal


def _wanted(wish: Wish) -> tuple[str, ...]:
    return CONFINING if wish.kind == "auto" else (wish.kind,) if wish.kind in CONFINING else ()


def _unfit(kind: str, wish: Wish) -> str:
    """Why a backend, whatever machine it is on, is not what is asked for."""
    if kind == "bubblewrap" and wish.narrowed:
        return "it cannot narrow the network to the hosts that commands.<name>.network lists"
    return ""


async def _looked_at(kind: str, surroundings: Surroundings) -> tuple[str, str]:
    about, why = missing(kind)
    return about, why or await _tried(kind, about, surroundings)


def missing(kind: str) -> tuple[str, str]:
    """The backend with its version, and what it lacks on this machine, if anything."""
    if kind in CONFINING and not sys.platform.startswith("linux"):
        return kind, "it needs Linux"
    if kind == "bubblewrap":
        return _bubblewrap()
    return _sandlock() if kind == "sandlock" else (kind, "")


def _sandlock() -> tuple[str, str]:
    try:
        import sandlock  # not before it is asked for: a shared library of 12 MB

        about = f"sandlock {version('sandlock')}"
    except (ImportError, OSError, PackageNotFoundError) as error:
        return "sandlock", f"it cannot be loaded ({error})"
    has, needs = sandlock.landlock_abi_version(), sandlock.min_landlock_abi()
    if has < needs:
        return about, f"the kernel offers Landlock version {max(has, 0)}, and it needs {needs} (Linux 6.12)"
    return f"{about}, Landlock version {has}", ""


def _bubblewrap() -> tuple[str, str]:
    program = find_program()
    if program is None:
        return "bubblewrap", "there is no bwrap on this machine"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, env={}).stdout
    return said.strip() or "bubblewrap", ""


async def _tried(kind: str, about: str, surroundings: Surroundings) -> str:
    """What a command can do that it must not. What was found tight stays so until the machine, the backend or we change;
    what leaked is tried anew each time."""
    key = _key(about)
    place = _place()
    kept = _read(place)
    if kept.get(kind) == key:
        return ""
    make: Callable[[CommandLimits], Sandbox] = lambda limits: backend("sandbox", kind)(limits, surroundings)  # noqa: E731
    why = await find_leak(make)
    if not why:
        _write(place, {**kept, kind: key})
    return why


def _place() -> Path:
    """The file of what was found tight: of this machine, whatever AgentOS works on."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "agentos", "sandbox-checks.json")


def _key(about: str) -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    boot = _BOOT_ID.read_text("ascii").strip() if _BOOT_ID.exists() else ""
    return f"{about}|{platform.release()}|{boot}|{digest[:16]}"


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, kept: dict[str, str]) -> None:
    """Effect: `path` holds `kept`, if it can be written: otherwise the next process tries again."""
    fresh = path.with_name(f".{path.name}.{hashlib.sha256(repr(kept).encode()).hexdigest()[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(kept), encoding="utf-8")
        fresh.replace(path)
    except OSError:
        return
