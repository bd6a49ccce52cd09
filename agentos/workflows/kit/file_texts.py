"""What a model is shown of the repository: the list of its files, and the texts of those that matter most."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from agentos.domain.naming import clean_text
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step
from agentos.workspace.contents import TreeEntry

MOST_LISTED = 3_000
MOST_CHARS, MOST_FILE_BYTES, MOST_FILES = 60_000, 40_000, 60
MOST_WANTED_BYTES, LEAST_SHARE = 4_000_000, 4_000
"""Of files that are to be changed: such a large one is shown from its beginning, as far as its share goes."""
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
    return Shown(listed([entry.path for entry in entries]), "\n".join(texts))


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


def listed(paths: list[str], *, most: int = MOST_LISTED) -> str:
    """`paths`, one a line; more than `most` end in a count."""
    rest = len(paths) - most
    return "\n".join(paths[:most]) + (f"\n(and {rest} more files)" if rest > 0 else "")
