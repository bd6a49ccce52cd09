"""What the owners of a repository tell coding agents: AGENTS.md and CLAUDE.md as the base commit has them."""

from collections.abc import Iterable

from agentos.domain.naming import clean_text
from agentos.ports.agent import Guideline
from agentos.workspace.contents import RepositoryContents, TreeEntry

NAMES = ("AGENTS.md", "CLAUDE.md")
MOST_FILES, MOST_FILE_BYTES, MOST_CHARACTERS = 60, 200_000, 12_000
_REGULAR = ("100644", "100755")


async def guidelines_of(repo: RepositoryContents, base_sha: str) -> tuple[Guideline, ...]:
    """Every such file of the commit `base_sha`, outermost first, each at most 12,000 characters; what says the same as
    the other file beside it is left out. Never the agent's own version: it could change what it is told (I10)."""
    paths = guideline_paths(await repo.list_paths(base_sha))
    texts = {path: _text(raw) for path, raw in (await repo.read_files(base_sha, paths)).items()}
    found: dict[tuple[str, str], Guideline] = {}
    for path in paths:
        folder, text = path.rpartition("/")[0], texts.get(path, "")
        if text:
            found.setdefault((folder, text), Guideline(folder, path, text))
    return tuple(found.values())


def guideline_paths(entries: Iterable[TreeEntry]) -> tuple[str, ...]:
    """The paths of the guideline files among `entries`, outermost first; links, and files too large to be meant for
    reading, are none."""
    paths = [
        entry.path
        for entry in entries
        if entry.path.rpartition("/")[2] in NAMES and entry.mode in _REGULAR and 0 < entry.size_bytes <= MOST_FILE_BYTES
    ]
    return tuple(sorted(paths, key=lambda path: (path.count("/"), path))[:MOST_FILES])


def _text(raw: bytes) -> str:
    return clean_text(raw.decode("utf-8", "replace")).strip()[:MOST_CHARACTERS]
