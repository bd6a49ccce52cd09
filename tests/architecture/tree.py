"""What the architecture tests look at: the files git knows, and the parsed source of the package."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[str, ...]:
    """Paths git would ship from here, tracked or about to be; without git (an unpacked archive), every source file."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        names = listing.stdout.split("\0")
    else:
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return tuple(sorted(name for name in names if name and (ROOT / name).is_file()))


def modules(*folders: str) -> tuple[Path, ...]:
    """The Python files below these top-level folders."""
    wanted = tuple(f"{folder}/" for folder in folders)
    return tuple(ROOT / name for name in tracked() if name.startswith(wanted) and name.endswith(".py"))


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"), filename=str(module))


def name(module: Path) -> str:
    return str(module.relative_to(ROOT))
