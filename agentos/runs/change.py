"""The change of a run as git shows it: between the commit it started from and the one that was measured last."""

from dataclasses import dataclass

from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import ChangeReport
from agentos.domain.error import UsageError
from agentos.domain.naming import safe_name
from agentos.domain.run import Run
from agentos.runs.account import measured_change
from agentos.runs.desk import Desk
from agentos.workspace.contents import RepositoryContents
from agentos.workspace.git import Git

_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color", "--find-renames")


@dataclass(frozen=True, slots=True)
class Shown:
    """What was measured, and the text git has for it (bytes: files need not be UTF-8). Foreign text."""

    report: ChangeReport
    text: bytes


async def change_of(desk: Desk, run: Run, *, stat_width: int | None = None) -> Shown:
    """The change of `run` as a patch; with `stat_width`, as the list of its files that fits so many columns.

    Reads only. Raises UsageError where there is none yet.
    """
    refs = await desk.store.artifacts.of_run(run.ref.id)
    report = await measured_change(desk.store, refs)
    if report is None:
        raise UsageError(f"run {run.ref} has no change yet; `agentos show {run.ref.issue.number}` says where it stands")
    path = desk.home / "repos" / f"{safe_name(run.ref.issue.repo)}.git"
    git = Git(path)
    if path.is_dir() and await RepositoryContents(git).resolve(report.head_sha) is not None:
        how = () if stat_width is None else (f"--stat={stat_width}",)
        shown = await git.run("diff", *_PLAIN, *how, report.base_sha, report.head_sha)
        return Shown(report, shown.stdout)
    # Another machine did the work: its patch is in the store, its commits are not here.
    kept = [ref for ref in refs if ref.kind is ArtifactKind.DIFF]
    if stat_width is not None or not kept:
        return Shown(report, stat_lines(report).encode())
    return Shown(report, await desk.store.artifacts.get(kept[-1].sha256))


def stat_lines(report: ChangeReport) -> str:
    """The files of a change with their lines, and the sum."""
    rows = [
        f" {file.path} | " + ("Bin" if file.insertions is None else f"+{file.insertions} -{file.deletions}")
        for file in report.files
    ]
    return "\n".join([*rows, f" {report.stat()}", ""])
