"""Where a finding stands in a difference: one that quotes no changed line of its file is invented (pure)."""

import re
from collections.abc import Mapping

Changed = Mapping[str, Mapping[str, tuple[int, ...]]]
"""Path -> text of a changed line, without its spaces around -> the lines it is at: the new file's, for what was taken
away the old one's."""

NO_PATH = "its file is not in the difference"
NO_LINE = "it quotes no changed line of that file"
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_WHERE = re.compile(r"(?P<path>.+?)(?::(?P<line>\d+))?(?:[-:]\d+)?")


def changed_lines(diff: str) -> Changed:
    """The changed lines of a unified difference, by file. A line of its hunks is never taken for a header."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    path, old, new, old_left, new_left = "", 0, 0, 0, 0
    for line in diff.splitlines():
        if old_left <= 0 and new_left <= 0:
            if line.startswith(("--- ", "+++ ")):
                named = _path(line[4:])
                path = named or path
            elif hunk := _HUNK.match(line):
                old, new = int(hunk[1]), int(hunk[3])
                old_left, new_left = int(hunk[2] or 1), int(hunk[4] or 1)
            continue
        sign, text = line[:1], line[1:].strip()
        if sign in "+-" and sign:
            at = new if sign == "+" else old
            lines = found.setdefault(path, {})
            lines[text] = (*lines.get(text, ()), at)
        if sign != "\\":
            old, old_left = (old + 1, old_left - 1) if sign != "+" else (old, old_left)
            new, new_left = (new + 1, new_left - 1) if sign != "-" else (new, new_left)
    return found


def anchor(where: str, quote: str, changed: Changed) -> tuple[str, str]:
    """The place `path:line` of the changed line that a finding at `where` quotes, and an empty string; or `where` and
    why there is none. A wrong line number is put right by the nearest line that reads so."""
    named = _WHERE.fullmatch(where.strip())
    path = _spelled(named["path"] if named else where, changed)
    if path is None:
        return where, NO_PATH
    lines = changed[path].get(quote.strip(), ()) if quote.strip() else ()
    if not lines:
        return where, NO_LINE
    wanted = int(named["line"]) if named and named["line"] else lines[0]
    return f"{path}:{min(lines, key=lambda line: abs(line - wanted))}", ""


def _spelled(path: str, changed: Changed) -> str | None:
    """`path` as the difference spells it."""
    plain = path.strip().strip("`")
    return next((each for each in (plain, plain.removeprefix("./"), plain[2:]) if each in changed), None)


def _path(told: str) -> str:
    """The path of a header line; empty for a file that is not there."""
    plain = told.rstrip("\t").strip('"')
    return "" if plain == "/dev/null" else plain[2:] if plain[:2] in ("a/", "b/") else plain
