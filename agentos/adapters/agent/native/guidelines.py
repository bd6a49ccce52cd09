"""What the owners say about a folder, shown when the agent first enters it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from agentos.ports.agent import Guideline
from agentos.prompting.render import policy_block

MOST_CHARACTERS = 8_000


def holding(guidelines: Sequence[Guideline], tool: str, arguments: Mapping[str, Any], cwd: Path) -> list[Guideline]:
    """The guidelines that hold where this tool call looks or works, outermost first."""
    if tool == "bash":
        return _sorted(each for each in guidelines if _names(str(arguments.get("command", "")), each.folder))
    where = _relative(str(arguments.get("path", "")), cwd)
    return _sorted(each for each in guidelines if where.is_relative_to(each.folder))


def as_read(guidelines: Sequence[Guideline]) -> str:
    """The guidelines as blocks that stand behind a tool's result; empty for none."""
    blocks = (
        policy_block(each.text, f"{each.path} at the base commit, for work below {each.folder}/", MOST_CHARACTERS)
        for each in guidelines
    )
    return "".join(f"\n\n{block}" for block in blocks)


def _sorted(found: Any) -> list[Guideline]:
    return sorted(found, key=lambda each: (each.folder.count("/"), each.path))


def _relative(path: str, cwd: Path) -> PurePosixPath:
    pure = PurePosixPath(path.strip() or ".")
    return pure.relative_to(cwd) if pure.is_relative_to(cwd) else pure


def _names(command: str, folder: str) -> bool:
    """Whether a shell command names `folder` or something below it."""
    return re.search(rf"(?<![\w./-])(?:\./)?{re.escape(folder)}(?![\w.-])", command) is not None
