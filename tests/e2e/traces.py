"""What a repository holds, as manifests to compare: whatever a run did to it shows as a difference."""

from pathlib import Path

from agentos.adapters.forge.checkout import git_dir_of
from tests.workspace.scene import manifest

TICKETS = "tickets"


def checkout(target: Path, *changed: str) -> dict[str, object]:
    """The checkout without git's own folder, the tickets, which belong to the tracker, and the files that change."""
    return _without(target, (".git", TICKETS), changed)


def git_folder(target: Path, *moving: str) -> dict[str, object]:
    """What git keeps beside objects, logs and index: refs but the `moving` ones, settings, hooks, whatever else."""
    folder = git_dir_of(target)
    if (folder / "commondir").is_file():
        folder = (folder / (folder / "commondir").read_text().strip()).resolve()
    kept = _without(folder, ("objects", "logs", "refs", "packed-refs", "index"), ())
    kept |= {name: sha for name, sha in _refs(folder).items() if name not in moving}
    kept |= {str(path): "half done" for path in (folder / "objects").rglob("tmp_*")}
    return {name: what for name, what in kept.items() if not name.startswith("sharedindex.")}


def _refs(folder: Path) -> dict[str, str]:
    """Read without git, which would refuse some of the repositories that are looked at here."""
    packed = folder / "packed-refs"
    lines = [line.split(" ", 1) for line in packed.read_text().splitlines()] if packed.exists() else []
    found = {line[1]: line[0] for line in lines if len(line) == 2 and line[0] != "#"}
    loose = [path for path in (folder / "refs").rglob("*") if path.is_file()]
    return found | {str(path.relative_to(folder)): path.read_text().strip() for path in loose}


def _without(folder: Path, tops: tuple[str, ...], names: tuple[str, ...]) -> dict[str, object]:
    found = manifest(folder)
    return {name: what for name, what in found.items() if name not in names and name.split("/")[0] not in tops}
