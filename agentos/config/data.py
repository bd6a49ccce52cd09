"""Where the files are that ship with the package but are no Python: prompts and configurations."""

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parents[1]


def data_folder(name: Literal["prompts", "configs"]) -> Path:
    """The folder of that name: beside the package in a checkout, inside it once installed from a wheel."""
    inside = _PACKAGE / "_data" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
