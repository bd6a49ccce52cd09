"""Which files a change may touch: what the repository's policy allows, and what the issue does (pure)."""

from collections.abc import Iterable
from typing import TypeAlias

import pathspec

from agentos.config.settings import Settings
from agentos.domain.document import FileChange, Finding, IssueBrief, Severity, WorkType

Scopes: TypeAlias = tuple[tuple[str, ...], ...]
"""Lists of globs; a path has to lie in every one of them, and an empty one allows everything."""


STANDING: dict[WorkType, tuple[str, ...]] = {
    WorkType.DOCUMENTATION: ("*.md", "*.rst", "*.adoc", "docs/**/*.txt", "docs/**/*.svg", "docs/**/*.png"),
    WorkType.WORKFLOW: (".github/", ".gitlab-ci.yml", ".gitlab/", ".circleci/", ".ci/", ".pre-commit-config.yaml"),
    WorkType.AUTOMATION: ("scripts/", "tools/", "ci/", "Makefile", "justfile", "tox.ini", "noxfile.py"),
    WorkType.CODE: (),
}
"""What work of each kind touches. A model says of which kind an issue is, and issues can talk it into anything; so where
that word alone started the work, the files are held to it."""


def scopes_of(brief: IssueBrief, settings: Settings) -> Scopes:
    """What WORKFLOW.md allows, what the issue does, and what the kind of work does that a standing rule started."""
    standing = settings.by_rule and brief.work in settings.scope.types
    return settings.scope.paths, brief.allowed_scope, STANDING[brief.work] if standing else ()


def scope_text(settings: Settings, brief: IssueBrief | None = None) -> str:
    """The limits that a brief does not tell, one a line, for whoever plans or makes the change; empty where none is set."""
    paths, standing = settings.scope.paths, scopes_of(brief, settings)[2] if brief is not None else ()
    named = {"scope.paths of WORKFLOW.md": paths, "the kind of work that may be done here": standing}
    return "\n".join(f"{name}: {', '.join(globs)}" for name, globs in named.items() if globs)


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
