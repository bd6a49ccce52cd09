"""Which changed files nobody but a person may let through: what runs, what is installed, and what tells agents what to do
(pure)."""

from collections.abc import Iterable, Mapping
from posixpath import dirname, join, normpath
from typing import Any

import pathspec

from agentos.domain.naming import text_digest
from agentos.workflows.kit.state import RunState
from agentos.workspace.contents import RawChange
from agentos.workspace.paths import folded, shown

AUTOMATION = (
    *("/.github/workflows", "/.github/actions", "/.github/dependabot.y*ml", "action.yml", "action.yaml"),
    *("/.gitlab-ci.y*ml", "/.gitlab/ci", "/.circleci", "/.buildkite", "/.woodpecker*", "/.drone.y*ml", "/.travis.yml"),
    *("/azure-pipelines.y*ml", "/bitbucket-pipelines.yml", "/appveyor.yml", "/.appveyor.yml", "/cloudbuild.y*ml"),
    *("Jenkinsfile", ".pre-commit-config.yaml", "/.husky", "/.githooks", "/.devcontainer", ".devcontainer.json"),
    *(".envrc", "/.vscode", "/.idea", "/renovate.json*", "/.renovaterc*"),
)
"""What runs without being called: on a forge, at a commit, on entering a folder, on opening it."""
OWNERSHIP = ("CODEOWNERS", "WORKFLOW.md", ".gitmodules")
"""Who must agree to a change, and how AgentOS works here."""
INSTRUCTIONS = (
    *("AGENTS.md", "AGENTS.override.md", "AGENT.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md", "QWEN.md"),
    *(
        ".claude",
        ".codex",
        ".gemini",
        ".qwen",
        ".cursor",
        ".cursorrules",
        ".cursorignore",
        ".windsurf",
        ".windsurfrules",
    ),
    *(".clinerules", ".roo", ".roorules*", ".roomodes", ".continue", ".kiro", ".junie", ".amazonq", ".augment"),
    *(".opencode", "opencode.json*", ".aider*", ".goosehints", ".mcp.json", "mcp.json", ".agents", ".rules"),
    *("/.github/copilot*", "/.github/instructions", "/.github/prompts", "/.github/chatmodes", "/.github/agents"),
)
"""What tells coding agents what to do, and what they may."""
DEPENDENCIES = (
    *("pyproject.toml", "setup.py", "setup.cfg", "*requirements*.txt", "*requirements*.in", "**/requirements/*.txt"),
    *("*constraints*.txt", "Pipfile", "Pipfile.lock", "poetry.lock", "uv.lock", "uv.toml", "pdm.lock", "pylock*.toml"),
    *("environment.y*ml", "conda-lock.yml", "pixi.toml", "pixi.lock", "pip.conf", ".pypirc"),
    *("package.json", "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "pnpm-workspace.yaml"),
    *(
        ".pnpmfile.cjs",
        "bun.lock",
        "bun.lockb",
        "bunfig.toml",
        ".npmrc",
        ".yarnrc",
        ".yarnrc.yml",
        ".yarn",
        "deno.lock",
    ),
    *("deno.json", "deno.jsonc", "go.mod", "go.sum", "go.work", "go.work.sum", "Cargo.toml", "Cargo.lock", ".cargo"),
    *("Gemfile", "Gemfile.lock", "gems.rb", "gems.locked", "*.gemspec", "composer.json", "composer.lock", "pom.xml"),
    *("build.gradle*", "settings.gradle*", "gradle.properties", "gradle.lockfile", "/gradle", ".mvn", "build.sbt"),
    *("*.csproj", "*.fsproj", "*.vbproj", "Directory.*.props", "packages.config", "packages.lock.json", "nuget.config"),
    *(
        "Package.swift",
        "Package.resolved",
        "Podfile",
        "Podfile.lock",
        "Cartfile*",
        "mix.exs",
        "mix.lock",
        "rebar.config",
    ),
    *("rebar.lock", "pubspec.yaml", "pubspec.lock", "flake.nix", "flake.lock", "conanfile.*", "vcpkg.json", "*.cabal"),
    *("cabal.project*", "stack.yaml*", "renv.lock", "Manifest.toml", "MODULE.bazel*", "WORKSPACE.bazel"),
)
"""What is fetched from elsewhere and run here: manifests, lock files, and the settings of their tools."""
DEFAULTS = tuple(glob.casefold() for glob in (*AUTOMATION, *OWNERSHIP, *INSTRUCTIONS, *DEPENDENCIES))
LINK, ABSENT = "120000", "000000"
MOST_LISTED = 20
_VERBS = {"A": "added", "D": "deleted", "T": "changed in kind"}


class Protection:
    """The protected paths of one repository: `DEFAULTS` and, each for itself, `more` globs as in .gitignore.

    Names are compared as the most forgiving file systems do. `links`: path -> target of symlinks in the tree; what a
    protected one leads to is protected, too.
    """

    def __init__(self, more: Iterable[str] = (), links: Mapping[str, str] | None = None) -> None:
        added = [glob.casefold() for glob in more]
        # One by one: a `!` among them takes nothing away.
        self._specs = [pathspec.GitIgnoreSpec.from_lines(globs) for globs in (DEFAULTS, *([glob] for glob in added))]
        self._above = {above for glob in (*DEFAULTS, *added) for above in _above(glob)}
        self._targets: set[str] = set()
        self._follow(links or {})

    def covers(self, path: str, *, is_link: bool = False) -> bool:
        """Whether `path` is protected; a symlink is where it stands for a folder above protected files, too."""
        plain = _folded(path)
        if any(spec.match_file(plain) for spec in self._specs) or (is_link and plain in self._above):
            return True
        return any(plain == target or plain.startswith(f"{target}/") for target in self._targets)

    def _follow(self, links: Mapping[str, str]) -> None:
        """Takes in what protected symlinks lead to, by way of others, too."""
        left = dict(links)
        while found := [path for path in left if self.covers(path, is_link=True)]:
            self._targets |= {_folded(normpath(join(dirname(path), left.pop(path)))) for path in found}


def protected_changes(changes: Iterable[RawChange], protection: Protection) -> tuple[RawChange, ...]:
    """Those of `changes` that need a person's word, by path. Old and new kind count: a link that goes is a change, too."""
    found = [each for each in changes if protection.covers(each.path, is_link=LINK in (each.old_mode, each.new_mode))]
    return tuple(sorted(found, key=lambda change: change.path))


def contents_digest(changes: Iterable[RawChange]) -> str:
    """Names what the protected files are to become: the same files with the same contents are asked about once. Empty
    where there are none."""
    lines = sorted(f"{change.path}\0{change.new_mode}\0{change.new_sha}" for change in changes)
    return text_digest(*lines) if lines else ""


def as_state(changes: tuple[RawChange, ...]) -> RunState:
    """What the run's state keeps of them."""
    told = [f"{shown(change.path)} {_VERBS.get(change.kind, 'changed')}" for change in changes]
    rest = len(told) - MOST_LISTED
    listed = [*told[:MOST_LISTED], *([f"and {rest} more"] if rest > 0 else [])]
    return {"protected": {"digest": contents_digest(changes), "files": listed} if changes else {}}


def is_undecided(state: RunState) -> bool:
    """Whether the change holds protected files with contents that no person has let through yet."""
    digest = _digest(state)
    return bool(digest) and digest not in state.get("permitted", [])


def permitted(state: RunState) -> RunState:
    """What a person's approval of the change adds: these contents are not asked about again."""
    return {"permitted": [*state.get("permitted", []), _digest(state)]} if is_undecided(state) else {}


def undecided_files(state: RunState) -> tuple[str, ...]:
    """The protected files that need a word, each with what happens to it."""
    return tuple(state["protected"]["files"]) if is_undecided(state) else ()


def _digest(state: RunState) -> str:
    kept: Mapping[str, Any] = state.get("protected") or {}
    return str(kept.get("digest", ""))


def _folded(path: str) -> str:
    return "/".join(folded(part) for part in path.split("/"))


def _above(glob: str) -> Iterable[str]:
    """The folders that a glob names above what it protects."""
    parts = [part for part in glob.split("/")[:-1] if part]
    return ("/".join(parts[: number + 1]) for number in range(len(parts)) if "**" not in parts[: number + 1])
