"""Whether the files a document wants to change can be changed so at a commit (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from agentos.domain.document import FileAction, FileChange, Finding, Severity


@dataclass(frozen=True, slots=True)
class Tree:
    """What a commit holds: `files` (submodules and symlinks too) and the `folders` they lie in, the top one as `.`."""

    files: frozenset[str]
    folders: frozenset[str]
    spelled: Mapping[str, str] = field(default_factory=dict)
    """File or folder in small letters -> as it is spelled."""

    @classmethod
    def of(cls, paths: Iterable[str]) -> "Tree":
        """The tree with files at `paths`."""
        files = frozenset(paths)
        folders = {str(parent) for path in files for parent in PurePosixPath(path).parents}
        spelled = {path.casefold(): path for path in sorted(files | folders)}
        return cls(files, frozenset(folders | {"."}), spelled)

    def twin(self, path: str) -> str:
        """How the commit spells `path`, or the nearest folder of it, where that differs by case alone; else empty."""
        plain = PurePosixPath(path.rstrip("/"))
        for each in (plain, *plain.parents):
            name = str(each)
            known = self.spelled.get(name.casefold(), name)
            if known != name and name not in self.files and name not in self.folders:
                return known
        return ""


def is_folder(path: str) -> bool:
    """Whether the row names a new folder, which it does by a slash at its end."""
    return path.endswith("/")


def file_findings(changes: Iterable[FileChange], tree: Tree) -> tuple[Finding, ...]:
    """What is wrong with `changes` against `tree`, in their order.

    A new file lies in a known folder or one level below it; deeper ones say so by a row `Add` of the folder before
    (`src/`), since a path out of nowhere is most often a path misremembered.
    """
    found: list[Finding] = []
    named: set[str] = set()
    folders = set(tree.folders)
    for change in changes:
        problem = _problem(change, tree, named, folders)
        if problem:
            found.append(Finding(Severity.MAJOR, change.path or "files", *problem))
        named.add(change.path)
        if change.action is FileAction.ADD and not problem:
            path = PurePosixPath(change.path)
            folders.update(str(each) for each in ([path] if is_folder(change.path) else []) + list(path.parents))
    return tuple(found)


def _problem(change: FileChange, tree: Tree, named: set[str], folders: set[str]) -> tuple[str, str] | None:
    path = change.path
    if not _is_plain(path):
        return "is not a path inside the repository, relative to its top", "write it as git does: `src/part/file.py`"
    if path in named:
        return "is listed twice", "give each file one row"
    if change.action is not FileAction.ADD:
        return None if path in tree.files else _missing(change, tree)
    if path.rstrip("/") in tree.files:
        return "is to be added but exists at the base commit", "Modify it, or choose another path"
    twin = tree.twin(path)
    if twin:
        return f"differs from {twin} of the base commit by upper and lower case alone", f"spell it {twin}"
    if not is_folder(path) and path in tree.folders:
        return "is a folder at the base commit", "name a file in it"
    return _homeless(PurePosixPath(path), tree, folders)


def _missing(change: FileChange, tree: Tree) -> tuple[str, str]:
    name = PurePosixPath(change.path).name
    near = sorted(path for path in tree.files if PurePosixPath(path).name == name)[:3]
    hint = f"perhaps {' or '.join(near)}" if near else "name a file of the base commit, or Add it"
    return f"is to be {_PAST[change.action]} but does not exist at the base commit", hint


_PAST = {FileAction.MODIFY: "modified", FileAction.DELETE: "deleted", FileAction.ADD: "added"}


def _homeless(path: PurePosixPath, tree: Tree, folders: set[str]) -> tuple[str, str] | None:
    above = [str(each) for each in path.parents]
    if any(each in tree.files for each in above):
        return "lies below something that is a file at the base commit", "choose another folder"
    if any(each in folders for each in above[:2]):
        return None
    mend = f"check the path; if the folder is meant to be new, Add `{above[1]}/` in a row before"
    return f"lies in {above[0]}, and neither that folder nor {above[1]} exists at the base commit", mend


def _is_plain(path: str) -> bool:
    parts = path.removesuffix("/").split("/")
    foreign = any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    return not (foreign or "\\" in path or "\n" in path or path != path.strip())
