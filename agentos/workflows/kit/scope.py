"""Which files a change may touch: what the repository's policy allows, and what the issue does (pure)."""

from collections.abc import Iterable
from typing import TypeAlias

import pathspec

from agentos.config.settings import Settings
from agentos.domain.document import FileChange, Finding, IssueBrief, Severity

Scopes: TypeAlias = tuple[tuple[str, ...], ...]
"""Lists of globs; a path has to lie in every one of them, and an empty one allows everything."""


def scopes_of(brief: IssueBrief, settings: Settings) -> Scopes:
    """What WORKFLOW.md allows, and what the issue does."""
    return settings.scope.paths, brief.allowed_scope


def outside(paths: Iterable[str], scopes: Scopes) -> dict[str, str]:
    """Each of `paths` that lies outside a scope, with the globs it should lie in."""
    found: dict[str, str] = {}
    for globs in (tuple(glob for glob in scope if glob.strip()) for scope in scopes):
        allowed = pathspec.GitIgnoreSpec.from_lines(globs)
        found |= {path: ", ".join(globs) for path in paths if globs and not allowed.match_file(path)}
    return dict(sorted(found.items()))


def scope_findings(changes: Iterable[FileChange], scopes: Scopes) -> tuple[Finding, ...]:
    """A finding for each row of a document that names a file outside the allowed scope: what would be refused once it is
    coded is said before a reviewer is paid."""
    paths = [change.path for change in changes if not change.path.endswith("/")]
    fix = "keep the change inside {}; where it cannot be made there, say so under the open questions"
    return tuple(
        Finding(Severity.MAJOR, path, "is outside the allowed scope", fix.format(globs))
        for path, globs in outside(paths, scopes).items()
    )
