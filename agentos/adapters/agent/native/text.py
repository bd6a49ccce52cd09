"""How the agent is shown text and changes it: pure, so that each rule can be read and tested alone."""

import difflib

from agentos.adapters.agent.native.files import Refused

SHOWN_LINES = 500
SHOWN_CHARACTERS = 30_000
LINE_CHARACTERS = 1_000
NEAR_LINES = 20_000
HALF_OUTPUT_CHARACTERS = 5_000


def numbered(content: bytes, start: int, end: int | None) -> str:
    """Lines `start` to `end` (from 1, inclusive) of `content` with their numbers, cut with a word where too much."""
    if b"\0" in content[:8192]:
        return f"a binary file of {len(content)} bytes"
    lines = content.decode("utf-8", "replace").splitlines()
    if not lines:
        return "the file is empty"
    if start < 1 or (end is not None and end < start):
        raise Refused("lines are counted from 1, and the end must not come before the start")
    if start > len(lines):
        raise Refused(f"the file has {len(lines)} lines, so there is no line {start}")
    last = min(len(lines), start + SHOWN_LINES - 1 if end is None else end)
    shown: list[str] = []
    size = 0
    for number in range(start, last + 1):
        line = lines[number - 1]
        text = line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]} [... {len(line)} characters]"
        size += len(text) + 8
        if size > SHOWN_CHARACTERS:
            break
        shown.append(f"{number:>6}\t{text}")
    rest = len(lines) - (start + len(shown) - 1)
    if rest > 0:
        shown.append(f"[{rest} more lines; the file has {len(lines)}]")
    return "\n".join(shown)


def replaced(content: bytes, old: str, new: str) -> bytes | None:
    """`content` with its one `old` made `new`; None where only `new` is there.

    Raises Refused with the nearest lines where `old` is not there exactly once.
    """
    if not old:
        raise Refused("`old` is empty: give the text to replace, or use write for a new file")
    if old == new:
        raise Refused("`old` and `new` are the same")
    text = content.decode("utf-8", "surrogateescape")
    if "\r\n" in text and "\n" not in text.replace("\r\n", ""):
        old, new = (part.replace("\r\n", "\n").replace("\n", "\r\n") for part in (old, new))
    count = text.count(old)
    if count == 0 and new and new in text:
        return None
    if count == 0:
        raise Refused(f"`old` is not in the file.{_nearest(text, old)}")
    if count > 1:
        raise Refused(f"`old` is in the file {count} times: give more lines around it, so that it is there once")
    return text.replace(old, new).encode("utf-8", "surrogateescape")


def _nearest(text: str, old: str) -> str:
    """The lines of `text` most like `old`, as a sentence; empty where nothing is like it."""
    lines, wanted = text.splitlines(), old.strip("\n").splitlines()
    if not lines or not wanted or len(lines) > NEAR_LINES:
        return ""
    anchor = max(wanted, key=lambda line: len(line.strip()))
    close = difflib.get_close_matches(anchor, dict.fromkeys(line[:LINE_CHARACTERS] for line in lines), n=1, cutoff=0.5)
    if not close:
        return " Nothing in it is like that; view the file first."
    place = next(n for n, line in enumerate(lines) if line[:LINE_CHARACTERS] == close[0])
    first = max(0, place - wanted.index(anchor))
    shown = [f"{n + 1:>6}\t{lines[n]}" for n in range(first, min(len(lines), first + len(wanted) + 1))][:40]
    return " The nearest lines are:\n" + "\n".join(shown)


def head_and_tail(text: str, full: str) -> str:
    """`text`, or its beginning and end around a line that names the file `full` which holds all of it."""
    if len(text) <= 2 * HALF_OUTPUT_CHARACTERS:
        return text
    left_out = len(text) - 2 * HALF_OUTPUT_CHARACTERS
    middle = f"\n[... {left_out} characters left out; all of it is in {full} ...]\n"
    return text[:HALF_OUTPUT_CHARACTERS] + middle + text[-HALF_OUTPUT_CHARACTERS:]


def one_line(text: str, most: int = 160) -> str:
    """The first line of `text` with something in it, shortened."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= most else line[: most - 1] + "…"
