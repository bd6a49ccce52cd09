"""Searches files for a pattern: a script of its own, because a hostile pattern can only be stopped by killing it.

Run as `python -I -S search_worker.py` with `{"root", "below", "pattern", "glob"}` on standard input.
"""

# ruff: noqa: PTH112, PTH118, PTH119
# pathlib would double the start-up, and folders are walked by descriptor.
import fnmatch
import json
import os
import re
import stat
import sys
from collections.abc import Iterator

MATCHES = 200
FILES = 50_000
FILE_BYTES = 2_000_000
LINE_CHARACTERS = 300
SKIPPED = {".git", "__pycache__", "node_modules", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def files(root: str, below: str) -> Iterator[tuple[str, bytes]]:
    """Path below `root` and content of each readable text file, in order; links are not followed."""
    start = os.path.join(root, below)
    if not os.path.isdir(start):
        folder, name = os.path.split(start)
        content = read(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), name)
        if content is not None:
            yield below, content
        return
    for place, folders, names, descriptor in os.fwalk(start):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            content = read(descriptor, name)
            if content is not None:
                yield os.path.relpath(os.path.join(place, name), root), content


def read(folder: int, name: str) -> bytes | None:
    """The content of a text file of reasonable size, else None."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES:
            return None
        content = file.read()
    return None if b"\0" in content[:8192] else content


def matches(asked: dict[str, str]) -> Iterator[str]:
    """`path:line: text` of each matching line."""
    pattern = re.compile(asked["pattern"])
    for seen, (path, content) in enumerate(files(asked["root"], asked["below"])):
        if seen >= FILES:
            yield f"[only the first {FILES} files were searched]"
            return
        glob = asked["glob"]
        if glob and not (fnmatch.fnmatch(path, glob) or fnmatch.fnmatch(os.path.basename(path), glob)):
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            if pattern.search(line):
                yield f"{path}:{number}: {line.strip()[:LINE_CHARACTERS]}"


def main() -> int:
    """0 with the matches on standard output, 2 with what is wrong about the pattern."""
    asked = json.load(sys.stdin)
    try:
        for count, line in enumerate(matches(asked)):
            if count == MATCHES:
                print(f"[more than {MATCHES} matches; narrow the pattern or the path]")  # noqa: T201 - its answer
                break
            sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
            sys.stdout.flush()
    except re.error as error:
        print(f"{asked['pattern']!r} is no regular expression: {error}")  # noqa: T201 - its answer
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
