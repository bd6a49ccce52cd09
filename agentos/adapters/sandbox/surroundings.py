"""What of this machine a command may read: the system, the tools on PATH, and nothing that belongs to a person."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"),
    *("/proc", "/sys/devices/system/cpu"),
)
_OF_ETC = """
alternatives crypto-policies group hosts ld.so.cache ld.so.conf ld.so.conf.d localtime mime.types nsswitch.conf
os-release passwd pki/ca-trust/extracted pki/tls/certs pki/tls/openssl.cnf protocols resolv.conf services ssl/cert.pem
ssl/certs ssl/openssl.cnf timezone
"""
"""No /etc as a whole: for root it holds passwords, for everybody the machine's own configuration."""
SYSTEM_FILES = tuple(f"/etc/{name}" for name in _OF_ETC.split())
_OF_A_PERSON = """
.aws .azure .cargo/credentials.toml .config .docker .git-credentials .gnupg .kube .local/share .netrc .npmrc .pypirc .ssh
"""
KEPT_S = 60
"""How long what was found is taken to be so: looking takes longer than starting a command."""
_BIN = frozenset({"bin", "sbin", "shims", "scripts"})


@dataclass(frozen=True)
class Surroundings:
    """`granted`: what the operator lets commands read besides. `protected`: what must never be read, besides what
    people keep in their home folders: AgentOS's own data."""

    granted: tuple[Path, ...] = ()
    protected: tuple[Path, ...] = ()

    def readable(self, path_variable: str) -> tuple[Path, ...]:
        """Folders and files that are there, and what they link to: the system's, the interpreter's, and of every folder on PATH
        the installation around it, unless something lies in there that is nobody else's business."""
        return _kept(self, path_variable, int(time.monotonic() // KEPT_S))

    def look(self, path_variable: str) -> tuple[Path, ...]:
        """As `readable`, looked up now."""
        tools = [self._tool(Path(entry)) for entry in path_variable.split(os.pathsep) if entry.startswith("/")]
        interpreter = [Path(sys.prefix), Path(sys.base_prefix)]
        wanted = [*map(Path, (*SYSTEM, *SYSTEM_FILES)), *interpreter, *filter(None, tools), *self.granted]
        return _outermost(_with_targets(wanted))

    def _tool(self, entry: Path) -> Path | None:
        place = entry.resolve()
        around = place.parent if place.name.lower() in _BIN else place
        return next((each for each in (around, place) if place.is_dir() and not self._holds_secrets(each)), None)

    def _holds_secrets(self, folder: Path) -> bool:
        home = Path.home()
        private = [home, *(home / name for name in _OF_A_PERSON.split()), *self.protected]
        return any(each.resolve().is_relative_to(folder) for each in private if each.exists())


@lru_cache(maxsize=8)
def _kept(surroundings: Surroundings, path_variable: str, _minute: int) -> tuple[Path, ...]:
    return surroundings.look(path_variable)


def split(readable: Iterable[Path], writable: Iterable[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Of what a command is given to read and is there: what lies outside of the folders it may write, and what inside.

    A link inside is left out of both: a command made it, and it may lead anywhere.
    """
    inside: dict[Path, bool] = {
        path: any(path.is_relative_to(each) for each in writable) for path in readable if os.path.lexists(path)
    }
    kept = tuple(path for path, is_inside in inside.items() if is_inside and not path.is_symlink())
    return tuple(path for path, is_inside in inside.items() if not is_inside), kept


def _with_targets(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        try:
            target = path.resolve(strict=True)
        except OSError:
            continue  # this machine has none
        yield path
        yield target


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """`paths` without those that lie inside another, sorted. A link stays: its place leads elsewhere."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if path.is_symlink() or not any(path.is_relative_to(each) for each in kept):
            kept.append(path)
    return tuple(kept)
