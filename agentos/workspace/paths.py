"""Names and link targets that are never taken from an agent's tree."""

import re
import unicodedata

# HFS+ leaves these out when it compares names (git's own list, utf8.c).
_IGNORABLE = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_GIT_FILES = frozenset({".gitmodules", ".gitattributes", ".gitignore", ".mailmap"})
_PROBLEM_LENGTH = 200
_PATH_BYTES = 1024
"""What every file system checks out below a folder of its own; git itself would take any length."""
_LINE_BYTES = 2048
"""Longer lines of attributes git neither reads nor, strict, takes over a wire (attr.h, fsck.c)."""


def is_git_folder(name: str) -> bool:
    """Whether some file system takes `name`, or a part of it between backslashes, for `.git`."""
    return any(folded(part) in (".git", "git~1") for part in name.split("\\"))


def refusal_of_name(name: str) -> str | None:
    """Why a new file or folder cannot be called `name`; None if it can."""
    if any(unicodedata.category(char) == "Cs" for char in name):
        return "its name is not UTF-8"
    if any(unicodedata.category(char) == "Cc" for char in name):
        return "its name holds control characters"
    if "\\" in name and not {"", ".", ".."}.isdisjoint(name.split("\\")):
        return "its name leads elsewhere where a backslash parts folders"
    return None


def refusal_of_path(path: str) -> str | None:
    """Why nothing new can be at `path`: its last name, or its length; None if it can."""
    if len(path.encode("utf-8", "surrogateescape")) > _PATH_BYTES:
        return f"its path is longer than {_PATH_BYTES} bytes"
    return refusal_of_name(path.rpartition("/")[2])


def refusal_of_content(path: str, content: bytes) -> str | None:
    """Why the file at `path` cannot hold `content`, which git reads there; None if it can."""
    name = folded(path.rpartition("/")[2])
    if name == ".gitmodules" or re.fullmatch(r"(?:gitmod|gi7eba)~\d+", name):
        return "lists submodules, which only people change"
    is_attributes = name == ".gitattributes" or re.fullmatch(r"(?:gitatt|gi7d29)~\d+", name)
    if is_attributes and any(len(line) >= _LINE_BYTES for line in content.split(b"\n")):
        return f"has a line of {_LINE_BYTES} bytes or more, which git refuses"
    return None


def refusal_of_link(path: str, target: str) -> str | None:
    """Why a symlink at `path` cannot point to `target`; None if it stays inside the tree.

    `..` counts only at the beginning: after a name that is a symlink itself, it would lead somewhere else.
    """
    if folded(path.rpartition("/")[2]) in _GIT_FILES:
        return "git reads this file, so it must not be a symlink"
    if target.startswith("/") or not target:
        return "the symlink leaves the tree (an absolute target)"
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    if up > path.count("/") or ".." in parts[up:]:
        return "the symlink leaves the tree, or `..` follows a name in its target"
    if any(is_git_folder(part) for part in parts):
        return "the symlink points into .git"
    return None


def shown(path: str) -> str:
    """`path` as it may stand in a sentence: printable, storable, at most 200 characters."""
    text = path.encode("utf-8", "backslashreplace").decode()
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return text if len(text) <= _PROBLEM_LENGTH else f"{text[:_PROBLEM_LENGTH]}…"


def folded(name: str) -> str:
    """`name` as the most forgiving file systems compare it (NTFS streams and trailing dots, HFS+ ignorables, case)."""
    return _IGNORABLE.sub("", name).partition(":")[0].rstrip(" .").casefold()
