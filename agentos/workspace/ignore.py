"""Which untracked files of an agent's tree are left out: the rules of .gitignore files, read by us, not by git."""

from dataclasses import dataclass

from pathspec import GitIgnoreSpec

RULES_FILE = ".gitignore"
RULES_LIMIT_BYTES = 1 << 16
_WILDCARDS = 2
"""`*` a line of an agent may have besides a leading `**/` and a trailing `/**`. Matching takes time in the power of
their number: with 4, one name of 255 letters took 2 s; with 2, 0.3 ms."""

# What test runs and tools write unasked. A repository that wants one of these says so by a `!` line.
BYPRODUCTS = b"""\
__pycache__/
*.py[cod]
.pytest_cache/
.mypy_cache/
.ruff_cache/
.hypothesis/
.coverage
.tox/
.venv/
node_modules/
.DS_Store
"""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that hold in one folder: its own over those of the folders above.

    `spec` is the base commit's lines followed by the tree's, `changed` the tree's alone where they differ. So an agent
    can bring ignored files in only by a `!` line that people see, not by taking a line away.
    """

    folder: str
    spec: GitIgnoreSpec
    changed: GitIgnoreSpec | None = None
    above: "Rules | None" = None

    def ignores(self, path: str) -> bool:
        """Whether `path` (from the top of the tree; a folder's ends with `/`) is left out unless it is tracked."""
        return _said(self, path, changed=False)

    def disputes(self, path: str) -> bool:
        """Whether `path` is left out only because of lines that the tree no longer has."""
        return self.ignores(path) and not _said(self, path, changed=True)


def _said(rules: Rules | None, path: str, *, changed: bool) -> bool:
    """What the nearest folder with a rule for `path` says."""
    while rules is not None:
        spec = rules.changed if changed and rules.changed is not None else rules.spec
        said = spec.check_file(path[len(rules.folder) :]).include
        if said is not None:
            return said
        rules = rules.above
    return False


def rules_of(
    folder: str, base: bytes | None, here: bytes | None, above: Rules | None
) -> tuple[Rules | None, list[str]]:
    """The rules in `folder` (`""` or ending with `/`), given its .gitignore at the base and in the tree; and the lines
    that cannot be used. With neither, the rules above hold.
    """
    if base is None and here is None:
        return above, []
    old, new = _lines(base or b""), _lines(here or b"")
    known = set(old)
    refused = [line for line in new if line not in known and line.count("*") - _edges(line) > _WILDCARDS]
    usable = [line for line in new if line not in set(refused)] if refused else new
    spec, broken = _compiled([*old, *usable] if here is not None and new != old else old)
    changed = _compiled(usable)[0] if here is not None and new != old else None
    return Rules(folder, spec, changed, above), refused + broken


def _edges(line: str) -> int:
    return 2 * line.lstrip("!").startswith("**/") + 2 * line.rstrip().endswith("/**")


def _lines(content: bytes) -> list[str]:
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip() and not line.startswith("#")]


def _compiled(lines: list[str]) -> tuple[GitIgnoreSpec, list[str]]:
    try:
        return GitIgnoreSpec.from_lines(map(_contents_only, lines)), []
    except ValueError:
        good = [line for line in lines if _compiles(line)]
        broken = [line for line in lines if not _compiles(line)]
        return GitIgnoreSpec.from_lines(map(_contents_only, good)), broken


def _compiles(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _contents_only(line: str) -> str:
    """`a/**` means what is in `a`, not `a` itself: spelled so that a later `!a/b` can still bring `b` back."""
    return f"{line}/*" if line.endswith("/**") else line
