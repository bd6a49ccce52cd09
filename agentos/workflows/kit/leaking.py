"""Secrets in the files of a change: refused before they become a commit, since nothing takes them out of one again."""

import asyncio

from agentos.domain.document import Finding, Severity
from agentos.telemetry.redaction import leaks
from agentos.workflows.kit.step import Step
from agentos.workspace.contents import RawChange
from agentos.workspace.paths import shown

_ABSENT = "0" * 40
_SUBMODULE = "160000"
_MEND = "take it out; where a test needs something of that form, make it up in the test, or say EXAMPLE in it"


async def secret_findings(step: Step, old: str, new: str) -> tuple[Finding, ...]:
    """A blocking finding for each file in which `new` (a commit or tree) holds a secret that `old` does not hold there."""
    repo = step.ctx.repo
    changes = [each for each in await repo.diff_tree_raw(old, new) if each.kind != "D" and each.new_mode != _SUBMODULE]
    shas = {sha for each in changes for sha in (each.old_sha, each.new_sha) if sha != _ABSENT}
    blobs = await repo.read_blobs(sorted(shas)) if shas else {}
    found = await asyncio.to_thread(lambda: [_finding(change, blobs) for change in changes])
    return tuple(finding for finding in found if finding is not None)


def _finding(change: RawChange, blobs: dict[str, bytes]) -> Finding | None:
    text = _text(change.path, blobs.get(change.new_sha, b""))
    held = [(leak, text[leak.start : leak.end]) for leak in leaks(text)]
    before = {_said(each) for each in _all(_text(change.path, blobs.get(change.old_sha, b"")))} if held else set()
    fresh = [leak for leak, said in held if _said(said) not in before]
    if not fresh:
        return None
    line = text.count("\n", 0, fresh[0].start)
    more = f", and {len(fresh) - 1} more" if len(fresh) > 1 else ""
    # The path was put before the contents, on a line of its own.
    where = f"{shown(change.path)}:{line}" if line else shown(change.path)
    return Finding(Severity.BLOCKER, where, f"holds what looks like a secret: {fresh[0].kind}{more}", _MEND)


def _text(path: str, content: bytes) -> str:
    return f"{shown(path)}\n{content.decode('utf-8', 'replace')}"


def _all(text: str) -> list[str]:
    return [text[leak.start : leak.end] for leak in leaks(text)]


def _said(secret: str) -> str:
    return "".join(secret.split())
