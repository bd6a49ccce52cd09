"""What commits hold and how they differ, read from a repository without running anything it configures."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentos.domain.error import OutsideError, UsageError
from agentos.workspace.git import Git, failure

_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# A driver for external diffs or text conversion is a command line from a configuration; renames are a reader's view.
_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--no-color")


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file (`mode` 100644, 100755), symlink (120000) or submodule (160000) of a commit.

    `path` is relative to the top, with `/`; bytes that are no UTF-8 are surrogate escapes (clean it before storing).
    `size_bytes` is 0 for submodules.
    """

    mode: str
    sha: str
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class FileStat:
    """Lines a change adds to and takes from one file; both None where the file is binary."""

    path: str
    insertions: int | None
    deletions: int | None


@dataclass(frozen=True, slots=True)
class DiffStat:
    """The size of a change, in all and per file (a rename counts as one file gone and one come)."""

    files: int
    insertions: int
    deletions: int
    per_file: tuple[FileStat, ...]


@dataclass(frozen=True, slots=True)
class RawChange:
    """One path that differs between two trees. `kind` is A, M, D or T (its type changed); mode 000000 = not there."""

    path: str
    kind: str
    old_mode: str
    new_mode: str
    old_sha: str
    new_sha: str


class RepositoryContents:
    """Reading access to one repository's commits. Nothing here writes, and nothing here needs a work tree."""

    def __init__(self, git: Git) -> None:
        self.git = git
        self._listed: dict[str, list[TreeEntry]] = {}

    async def resolve(self, rev: str) -> str | None:
        """The commit `rev` (a ref, branch or sha) stands for; None if there is none."""
        result = await self.git.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", check=False
        )
        return result.text if result.exit_code == 0 else None

    async def tree_of(self, commit: str) -> str:
        """The tree of `commit`. Raises: OutsideError where there is no such commit."""
        return (await self.git.run("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}")).text

    async def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` contains `ancestor` (a commit contains itself)."""
        args = ("merge-base", "--is-ancestor", ancestor, descendant)
        result = await self.git.run(*args, check=False)
        if result.exit_code not in (0, 1):
            raise failure(result, args)
        return result.exit_code == 0

    async def read_file(self, commit: str, path: str) -> bytes | None:
        """The bytes of the file `path` in `commit` (of a symlink: its target); None if no file is there.

        Raises: as `read_files`.
        """
        return (await self.read_files(commit, (path,))).get(path)

    async def read_files(self, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
        """The contents of those `paths` that are files in `commit`, by path; one git process, however many there are.

        Raises: UsageError where the commit itself is unknown, since that must not look like a missing file.
        """
        wanted = [path for path in dict.fromkeys(paths) if "\0" not in path]
        if not wanted:
            return {}
        asked = (f"{commit}^{{commit}}", *(f"{commit}:{path}" for path in wanted))
        names = [name.encode("utf-8", "surrogateescape") for name in asked]
        rest = (await self.git.run("cat-file", "--batch", "-z", input=(name + b"\0" for name in names))).stdout
        kind, _, rest = _batch_answer(rest, names[0])
        if kind != "commit":
            where = self.git.git_dir
            raise UsageError(f"{where} has lost the commit {commit[:40]}: `git fsck` there says what else is missing")
        found = {}
        for path, name in zip(wanted, names[1:], strict=True):
            kind, content, rest = _batch_answer(rest, name)
            if kind == "blob":
                found[path] = content
        return found

    async def read_blobs(self, shas: Sequence[str]) -> dict[str, bytes]:
        """The contents of blobs, by sha. Raises: OutsideError where one is missing."""
        rest = (await self.git.run("cat-file", "--batch", input="".join(f"{sha}\n" for sha in shas).encode())).stdout
        found = {}
        for sha in shas:
            kind, found[sha], rest = _batch_answer(rest, sha.encode())
            if kind != "blob":
                raise OutsideError(
                    f"{self.git.git_dir} has lost the object {sha}: `git fsck` there says what else is missing"
                )
        return found

    async def list_paths(self, commit: str) -> list[TreeEntry]:
        """Every file, symlink and submodule of `commit`, in git's order. What a sha names never changes, so the lists of the
        last two are kept."""
        found = self._listed.get(commit)
        if found is None:
            found = [_tree_entry(record) for record in await self._records("ls-tree", "-rlz", "--full-tree", commit)]
            if _SHA.fullmatch(commit):
                self._listed = dict([*list(self._listed.items())[-1:], (commit, found)])
        return list(found)

    async def diff_stat(self, old: str, new: str) -> DiffStat:
        """How large the change from `old` to `new` is."""
        args = ("diff-tree", "-r", "-z", "--numstat", "--no-renames", *_PLAIN_DIFF, old, new)
        per_file = tuple(_file_stat(record) for record in await self._records(*args))
        return DiffStat(
            files=len(per_file),
            insertions=sum(file.insertions or 0 for file in per_file),
            deletions=sum(file.deletions or 0 for file in per_file),
            per_file=per_file,
        )

    async def diff(self, old: str, new: str, *, limit_bytes: int, paths: Sequence[str] = ()) -> str:
        """The change from `old` to `new` as a unified diff; a longer one is cut at a line end, and its last line says so.
        `paths`: only what changed in these.

        Binary files are named, not shown. Foreign text: clean it before a terminal or a model sees it.
        """
        only = ("--", *paths) if paths else ()
        args = ("diff-tree", "-r", "-p", "--find-renames", *_PLAIN_DIFF, old, new, *only)
        result = await self.git.run(*args, limit_bytes=limit_bytes)
        text = result.stdout.decode("utf-8", "replace")
        if result.truncated:
            text = f"{text[: text.rfind(chr(10)) + 1]}[cut here: the diff is longer than {limit_bytes} bytes]\n"
        return text

    async def diff_tree_raw(self, old: str, new: str) -> tuple[RawChange, ...]:
        """Every path that differs, with modes and blobs: what a policy on changes decides by."""
        args = ("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new)
        fields = await self._records(*args)
        return tuple(_raw_change(*pair) for pair in zip(fields[::2], fields[1::2], strict=True))

    async def subjects(self, old: str, new: str, *, most: int) -> tuple[str, ...]:
        """The commits that `new` has and `old` has not, merges left out, newest first: `<short sha> <subject>`."""
        args = ("log", "--no-merges", f"--max-count={most}", "--format=%h %s", f"{old}..{new}", "--")
        return tuple((await self.git.run(*args)).stdout.decode("utf-8", "replace").splitlines())

    async def _records(self, *args: str) -> list[str]:
        """The NUL-ended records a command writes."""
        written = (await self.git.run(*args)).stdout.decode("utf-8", "surrogateescape")
        return written.split("\0")[:-1]


def _tree_entry(record: str) -> TreeEntry:
    facts, path = record.split("\t", 1)
    mode, _, sha, size = facts.split()
    return TreeEntry(mode, sha, path, 0 if size == "-" else int(size))


def _file_stat(record: str) -> FileStat:
    insertions, deletions, path = record.split("\t", 2)
    if insertions == "-":
        return FileStat(path, None, None)
    return FileStat(path, int(insertions), int(deletions))


def _raw_change(facts: str, path: str) -> RawChange:
    old_mode, new_mode, old_sha, new_sha, kind = facts.removeprefix(":").split(" ")
    return RawChange(path, kind[0], old_mode, new_mode, old_sha, new_sha)


def _batch_answer(answers: bytes, asked: bytes) -> tuple[str, bytes, bytes]:
    """Kind and content of the object `asked` for, with which `answers` begin, and the answers after it; no kind where
    there is none."""
    missing = asked + b" missing\n"  # git repeats the name, line ends and all
    if answers.startswith(missing):
        return "", b"", answers[len(missing) :]
    header, _, rest = answers.partition(b"\n")
    words = re.fullmatch(rb"[0-9a-f]{40,64} ([a-z]+) (\d+)", header)
    if words is None:
        return "", b"", rest
    size = int(words[2])
    return words[1].decode(), rest[:size], rest[size + 1 :]
