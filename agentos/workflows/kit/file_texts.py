"""What a model is shown of the repository: the list of its files, and the texts of those that matter most."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import PurePosixPath

from agentos.domain.naming import clean_text
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workspace.contents import TreeEntry

MOST_LISTED_CHARS = 19_000
"""Of the list of files: what the prompts that show one have room for."""
MOST_CHARS, MOST_FILE_BYTES, MOST_FILES = 60_000, 40_000, 60
MOST_WANTED_BYTES, LEAST_SHARE = 4_000_000, 4_000
"""Of files that are to be changed: such a large one is shown from its beginning, as far as its share goes."""
_WORDS = re.compile(r"[a-z0-9]{3,}")
_REGULAR = ("100644", "100755")
_TELLS_LITTLE = (".lock", ".min.js", ".svg", ".map", ".snap", ".csv", "-lock.json", ".ipynb")


@dataclass(frozen=True, slots=True)
class Shown:
    """The repository at a commit, as prompts take it: `repo_files` one path a line, `file_texts` path and text."""

    repo_files: str
    file_texts: str


async def show_repository(state: RunState, step: Step, *, about: str, first: Iterable[str] = ()) -> Shown:
    """The repository at the base commit for a model that works on `about`; the files `first` come first."""
    repo, base, wanted = step.ctx.repo, state["base_sha"], tuple(dict.fromkeys(first))
    entries = await repo.list_paths(base)
    texts: list[str] = []
    left, share = MOST_CHARS, max(LEAST_SHARE, MOST_CHARS // max(1, len(wanted)))
    contents = await repo.read_files(base, worth_reading(entries, about=about, first=wanted))
    for path, raw in contents.items():
        if b"\0" in raw:
            continue
        text = f"=== {path}\n{clean_text(raw.decode('utf-8', 'replace'))}"
        if path in wanted:
            text = beginning(text, min(share, left))
        if text and len(text) <= left:
            texts.append(text)
            left -= len(text)
    return Shown(listed([entry.path for entry in entries], about=about), "\n".join(texts))


def beginning(text: str, most: int) -> str:
    """`text`, or as many whole lines of it as `most` characters hold, with a last line that says so; empty where that is
    none."""
    if len(text) <= most:
        return text
    note = f"\n(cut here: the file goes on; {len(text)} characters in all)"
    kept = text[: max(0, most - len(note))].rpartition("\n")[0]
    return kept + note if kept else ""


def worth_reading(entries: Iterable[TreeEntry], *, about: str, first: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The paths to read, most important first: `first`, then files `about` names by path or name, then the nearest to
    the top. Large, generated and special files are left out, but for those of `first`: what is to be changed is shown."""
    regular = [
        entry.path for entry in entries if entry.mode in _REGULAR and _tells(entry, is_wanted=entry.path in first)
    ]

    def rank(path: str) -> tuple[int, int, str]:
        name = PurePosixPath(path).name
        tier = 0 if path in first else 1 if path in about else 2 if name in about else 3
        return tier, path.count("/"), path

    return tuple(sorted(regular, key=rank)[:MOST_FILES])


def _tells(entry: TreeEntry, *, is_wanted: bool) -> bool:
    most = MOST_WANTED_BYTES if is_wanted else MOST_FILE_BYTES
    return 0 < entry.size_bytes <= most and (is_wanted or not entry.path.endswith(_TELLS_LITTLE))


def listed(paths: list[str], *, about: str = "", most: int = MOST_LISTED_CHARS) -> str:
    """`paths`, one a line, in at most about `most` characters.

    Of more than that, the ones that share most words with `about` and lie nearest to the top, then the folders of the
    others with how many files each holds.
    """
    whole = "\n".join(paths)
    if len(whole) <= most:
        return whole
    wanted = set(_WORDS.findall(about.casefold()))

    def rank(path: str) -> tuple[int, int, str]:
        return -len(wanted.intersection(_WORDS.findall(path.casefold()))), path.count("/"), path

    named = _fitting(sorted(paths, key=rank), most * 2 // 3)
    others = Counter(str(PurePosixPath(path).parent) for path in set(paths).difference(named))
    folders = [f"{folder}/ ({count} more files)" for folder, count in sorted(others.items(), key=_nearest)]
    told = _fitting(folders, most // 3)
    rest = f"({others.total()} files are not listed by name)"
    return "\n".join([*sorted(named), *told, rest])


def _nearest(item: tuple[str, int]) -> tuple[int, str]:
    return item[0].count("/"), item[0]


def _fitting(lines: list[str], most: int) -> list[str]:
    """As many of `lines` as `most` characters hold, from the first on."""
    ends = accumulate(len(line) + 1 for line in lines)
    return [line for line, end in zip(lines, ends, strict=True) if end <= most]
