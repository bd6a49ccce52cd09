"""Reading a tree that an agent wrote: every name, type and size is judged here before anything is taken over."""

import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path

from agentos.workspace.contents import TreeEntry
from agentos.workspace.ignore import BYPRODUCTS, RULES_FILE, RULES_LIMIT_BYTES, Rules, rules_of
from agentos.workspace.paths import is_git_folder, refusal_of_content, refusal_of_link, refusal_of_path, shown
from agentos.workspace.plain_files import blob_sha, blob_sha_of, open_file, open_folder, start_of_file

FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
_LISTED_PROBLEMS = 50
CHANGED = "changed while it was read"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one snapshot may bring: size of each new or changed file, of all together, and their number; how deep
    folders may nest; how many names are looked at, and for how long.
    """

    file_bytes: int = 20 << 20
    total_bytes: int = 200 << 20
    files: int = 5_000
    depth: int = 64
    names: int = 1_000_000
    walk_s: float = 120.0


class TooMuch(Exception):
    """The tree is over a limit that makes a partial reading worthless."""


@dataclass(slots=True)
class Walk:
    """One reading of a tree against the files of its base commit. Call `read` once, then look at the fields.

    `found`: mode and sha by path of everything taken; `blobs`: content by sha of what the base does not have there;
    `refused`: paths whose state in the tree is not taken, so the base's stays; `problems`: sentences about those.
    """

    base: Mapping[str, TreeEntry]
    base_rules: Mapping[str, bytes]
    limits: Limits
    found: dict[str, tuple[str, str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    _folders: set[str] = field(default_factory=set)
    _names: int = 0
    _changed: int = 0
    _bytes: int = 0
    _until: float = 0.0

    def read(self, root: Path, git_folder: Path) -> None:
        """Effect: the fields say what is in the tree at `root`. Its `.git` must lead into `git_folder`.

        Raises: TooMuch where a limit on the whole is passed.
        """
        self._until = time.monotonic() + self.limits.walk_s
        for path in self.base:
            while (path := path.rpartition("/")[0]) and path not in self._folders:
                self._folders.add(path)
        defaults, _ = rules_of("", BYPRODUCTS, None, None)
        top = open_folder(root)
        try:
            self._check_link(top, git_folder)
            self._folder(top, "", defaults)
        finally:
            os.close(top)
        self._keep_submodules()

    def is_kept(self, path: str) -> bool:
        """Whether a base path that was not found stays all the same: it, or a folder above it, was refused."""
        while path:
            if path in self.refused:
                return True
            path = path.rpartition("/")[0]
        return False

    def _folder(self, folder: int, prefix: str, rules: Rules | None) -> None:
        """Takes what is in an open folder. `rules` None: the folder is ignored, only tracked files in it count."""
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        if rules is not None:
            rules = self._rules(folder, prefix, rules)
        for entry in listed:
            self._tick()
            path = prefix + entry.name
            if is_git_folder(entry.name):
                if path != ".git":
                    self._refuse(
                        path, "is a name git keeps for itself: it is not taken over, and its folder as plain files only"
                    )
            elif entry.is_dir(follow_symlinks=False):
                self._subfolder(folder, entry.name, path, rules)
            elif self._is_wanted(path, rules):
                self._leaf(folder, entry, path)

    def _subfolder(self, folder: int, name: str, path: str, rules: Rules | None) -> None:
        tracked = path in self._folders
        if rules is not None and not self._is_wanted(f"{path}/", rules):
            rules = None
        if rules is None and not tracked and path not in self.base:
            return
        if path.count("/") >= self.limits.depth:
            self._refuse(path, f"is nested deeper than {self.limits.depth} folders")
            return
        try:
            inner = open_folder(name, folder)
        except OSError as exc:
            self._refuse(path, f"cannot be read ({exc.strerror})")
            return
        try:
            if self._is_submodule(path):
                if os.listdir(inner):  # noqa: PTH208 - pathlib does not list an open folder
                    self._refuse(path, "is a submodule: what is in it is not taken")
            elif not tracked and (reason := refusal_of_path(path)):
                self._refuse(path, reason)
            else:
                self._folder(inner, f"{path}/", rules)
        finally:
            os.close(inner)

    def _leaf(self, folder: int, entry: os.DirEntry[str], path: str) -> None:
        try:
            kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
            target = os.readlink(entry.name, dir_fd=folder) if kind == stat.S_IFLNK else ""
        except OSError:
            self._refuse(path, CHANGED)
            return
        reason = None if path in self.base else refusal_of_path(path)
        if self._is_submodule(path):
            reason = "is a submodule and cannot be replaced"
        if reason:
            self._refuse(path, reason)
        elif kind == stat.S_IFLNK:
            self._link(path, target)
        elif kind == stat.S_IFREG:
            self._file(folder, entry.name, path)
        else:
            self._refuse(path, "is neither a file, a folder nor a symlink")

    def _link(self, path: str, target: str) -> None:
        content = os.fsencode(target)
        sha = blob_sha(content)
        if self.is_unchanged(path, LINK, sha):
            self.found[path] = (LINK, sha)
        elif reason := refusal_of_link(path, target):
            self._refuse(path, reason)
        else:
            self._take(path, LINK, sha, content)

    def _file(self, folder: int, name: str, path: str) -> None:
        try:
            file = open_file(name, folder)
        except OSError as exc:
            self._refuse(path, f"cannot be read ({exc.strerror})")
            return
        with file:
            facts = os.fstat(file.fileno())
            mode = PROGRAM if facts.st_mode & stat.S_IXUSR else FILE
            if facts.st_size > self.limits.file_bytes:
                self._large_file(path, mode, file, facts.st_size)
                return
            content = file.read(facts.st_size) or b""
        sha = blob_sha(content)
        if self.is_unchanged(path, mode, sha):
            self.found[path] = (mode, sha)
        elif reason := _refusal_of_file(path, facts, content):
            self._refuse(path, reason)
        else:
            self._take(path, mode, sha, content)

    def _large_file(self, path: str, mode: str, file: FileIO, size_bytes: int) -> None:
        """A file over the limit may stay if the base has the very same; it is read in pieces."""
        known = self.base.get(path)
        same_size = known is not None and known.size_bytes == size_bytes
        sha = blob_sha_of(file, size_bytes) if same_size else ""
        if self.is_unchanged(path, mode, sha):
            self.found[path] = (mode, sha)
            return
        self._refuse(path, f"is larger than {self.limits.file_bytes} bytes")

    def _take(self, path: str, mode: str, sha: str, content: bytes) -> None:
        self.found[path] = (mode, sha)
        self.blobs[sha] = content
        self._changed += 1
        self._bytes += len(content)
        if self._changed > self.limits.files:
            raise TooMuch(f"more than {self.limits.files} files are new or changed (at {shown(path)})")
        if self._bytes > self.limits.total_bytes:
            raise TooMuch(f"the new and changed files are larger than {self.limits.total_bytes} bytes together")

    def _is_wanted(self, path: str, rules: Rules | None) -> bool:
        if path in self.base:
            return True
        if rules is None:
            return False
        if not rules.ignores(path):
            return True
        if rules.disputes(path) and path.removesuffix("/") not in self._folders:
            line = f"!/{shown(path)}"
            self._refuse(path.removesuffix("/"), f"is ignored at the base commit: to take it, add {line} to .gitignore")
        return False

    def is_unchanged(self, path: str, mode: str, sha: str) -> bool:
        known = self.base.get(path)
        return known is not None and known.sha == sha and _canonical(known.mode) == mode

    def _is_submodule(self, path: str) -> bool:
        return path in self.base and self.base[path].mode == SUBMODULE

    def _keep_submodules(self) -> None:
        """A submodule stays as it is even if its folder is gone; a file in place of a folder above it is refused."""
        for path, entry in self.base.items():
            if entry.mode != SUBMODULE:
                continue
            self.refused.add(path)
            above = path
            while above := above.rpartition("/")[0]:
                if self.found.pop(above, None):
                    self._refuse(above, "holds a submodule and cannot be replaced")

    def _rules(self, folder: int, prefix: str, above: Rules) -> Rules | None:
        base = self.base_rules.get(prefix)
        rules, unusable = rules_of(prefix, base, _ignore_file(folder, base), above)
        if unusable:
            lines = ", ".join(shown(line) for line in unusable[:3])
            self._complain(f"{shown(prefix)}.gitignore: {len(unusable)} lines were passed over ({lines})")
        return rules

    def _check_link(self, top: int, git_folder: Path) -> None:
        """A replaced `.git` harms nobody here, since nothing of ours follows it; but people should know."""
        wanted = f"gitdir: {git_folder}/".encode()
        if start_of_file(".git", top, len(wanted)) != wanted:
            self._complain(".git was replaced or removed: it was not looked at")

    def _refuse(self, path: str, reason: str) -> None:
        self.refused.add(path)
        self._complain(f"{shown(path)} {reason}")

    def _complain(self, problem: str) -> None:
        if len(self.problems) < _LISTED_PROBLEMS:
            self.problems.append(problem)
        elif len(self.problems) == _LISTED_PROBLEMS:
            self.problems.append("and more of the kind")

    def _tick(self) -> None:
        self._names += 1
        if self._names > self.limits.names:
            raise TooMuch(f"the tree holds more than {self.limits.names} names")
        if time.monotonic() > self._until:
            raise TooMuch(f"reading the tree took longer than {self.limits.walk_s:g} s")


def _refusal_of_file(path: str, facts: os.stat_result, content: bytes) -> str | None:
    if not stat.S_ISREG(facts.st_mode):
        return CHANGED
    if facts.st_nlink > 1:
        # It may be the same file as one outside the tree, which we could read and the agent could not.
        return "is a hard link: copy the file instead"
    return refusal_of_content(path, content)


def _canonical(mode: str) -> str:
    """Old commits hold modes such as 100664; git checks those out like 100644."""
    return mode if mode in (PROGRAM, LINK, SUBMODULE) else FILE


def _ignore_file(folder: int, base: bytes | None) -> bytes | None:
    """The folder's .gitignore; the base's where it is something else than a plain file of sensible size."""
    here = start_of_file(RULES_FILE, folder, RULES_LIMIT_BYTES + 1)
    if here is None or len(here) > RULES_LIMIT_BYTES:
        return base if _exists(RULES_FILE, folder) else None
    return here


def _exists(name: str, within: int) -> bool:
    try:
        os.lstat(name, dir_fd=within)
    except FileNotFoundError:
        return False
    return True
