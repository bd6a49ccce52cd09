"""WORKFLOW.md: a target repository's policy for the work on it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentos.config.data import data_folder
from agentos.config.yaml_text import MOST_BYTES, read_mapping
from agentos.domain.error import UsageError
from agentos.domain.naming import clean_text, text_digest

WORKFLOW_FILE = "WORKFLOW.md"
_TICKETS = """\
# Where issues live: one Markdown file each, in this folder.
tracker:
  folder: tickets
"""
_ON_GITHUB = """\
# Issues live on GitHub, and changes are proposed there as pull requests.
tracker:
  kind: github
forge:
  kind: github
"""
_FENCE = re.compile(r"---[ \t]*")


@dataclass(frozen=True, slots=True)
class Workflow:
    """`front`: its settings as written. `body`: what every agent is told. `digest`: of the whole text, "" for no file."""

    front: Mapping[str, Any] = field(default_factory=dict)
    body: str = ""
    digest: str = ""


def parse_workflow(text: str | None) -> Workflow:
    """The parts of a WORKFLOW.md; an empty one for None (no file).

    Front matter is there only if the first line is `---`; it ends at the next line `---`.
    """
    if text is None:
        return Workflow()
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise UsageError(f"{WORKFLOW_FILE} is larger than {MOST_BYTES // 1024} KiB: keep the policy short.")
    lines = clean_text(text).split("\n")
    if not _FENCE.fullmatch(lines[0]):
        return Workflow({}, "\n".join(lines).strip(), text_digest(text))
    end = next((number for number, line in enumerate(lines[1:], 1) if _FENCE.fullmatch(line)), None)
    if end is None:
        raise UsageError(f"{WORKFLOW_FILE}: the front matter opened in line 1 is never closed; add a line `---`.")
    front = read_mapping("\n".join(lines[1:end]), where=WORKFLOW_FILE, first_line=2)
    return Workflow(front, "\n".join(lines[end + 1 :]).strip(), text_digest(text))


def render_template(
    *, test: str = "", focused: str = "", setup: str = "", lint: str = "", folder: str = "tickets"
) -> str:
    """A commented WORKFLOW.md to start from, with the commands that are known filled in."""
    text = (data_folder("configs") / "WORKFLOW.template.md").read_text("utf-8")
    for name, command in (("setup", setup), ("test", test), ("focused", focused), ("lint", lint)):
        if command:
            quoted = "'" + command.replace("'", "''") + "'"
            text = re.sub(rf"(?m)^  #? ?{name}: .*$", lambda _, n=name, q=quoted: f"  {n}: {q}", text, count=1)  # type: ignore[misc]
    return text.replace("folder: tickets", f"folder: {folder}")


def for_github(template: str) -> str:
    """That template for a repository whose issues and pull requests are on GitHub."""
    return template.replace(_TICKETS, _ON_GITHUB)
