"""What git itself lets a repository be: other stores, other names, settings that bend or refuse; each done to the toy."""

import os
import shutil
from pathlib import Path

from tests.e2e.oddities import commit, git, marker

BRANCH = "-q/$(touch>planted)'ünï"
"""The name of a default branch that git's own commands take for an option, a shell for a command."""
OURS = "agentos/1-add-a-shout-function"
"""The branch that the run of issue 1 makes."""
NOBODY = 65534


def replaced(target: Path) -> None:
    """The last commit looks like another one, and has no past."""
    head = git(target, "rev-parse", "HEAD")
    git(target, "commit", "-q", "--allow-empty", "-m", "second")
    here = git(target, "rev-parse", "HEAD")
    other = git(target, "commit-tree", "-m", "not what it seems", f"{head}^{{tree}}")
    git(target, "replace", here, other)
    (target / ".git" / "info").mkdir(exist_ok=True)
    (target / ".git" / "info" / "grafts").write_text(f"{here}\n")


def alternates(target: Path) -> None:
    """All objects lie in another repository."""
    store = target.parent / "store.git"
    git(target.parent, "clone", "-q", "--bare", str(target), str(store))
    git(target, "repack", "-q", "-a", "-d")
    shutil.rmtree(target / ".git" / "objects" / "pack")
    (target / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (target / ".git" / "objects" / "info" / "alternates").write_text(f"{store}/objects\n")


def option_refs(target: Path) -> None:
    """Branches and tags that look like options, like a commit, like HEAD."""
    head = git(target, "rev-parse", "HEAD")
    names = ("heads/--upload-pack=touch planted", "heads/-f", "heads/HEAD", "heads/refs/heads/main", f"heads/{head}")
    for name in (*names, "tags/--force", "tags/main", "tags/-d"):
        git(target, "update-ref", f"refs/{name.replace(' ', '_')}", head)


def refusing(target: Path) -> None:
    """Settings by which a repository hides its branches and takes nothing away."""
    for key, value in (
        ("receive.denyDeletes", "true"),
        ("receive.denyNonFastForwards", "true"),
        ("transfer.hideRefs", "refs/heads"),
        ("receive.maxInputSize", "1"),
        ("receive.unpackLimit", "1"),
        ("receive.shallowUpdate", "false"),
        ("receive.advertisePushOptions", "true"),
        ("core.logAllRefUpdates", "always"),
        ("core.commentChar", "auto"),
        ("push.followTags", "true"),
        ("merge.ff", "only"),
        ("status.showUntrackedFiles", "no"),
        ("diff.noprefix", "true"),
        ("color.ui", "always"),
        ("submodule.recurse", "true"),
        ("core.abbrev", "4"),
        ("i18n.logOutputEncoding", "ISO-8859-1"),
    ):
        git(target, "config", key, value)


def encoded(target: Path) -> None:
    """Files whose checkout is not what the commit holds."""
    with (target / ".gitattributes").open("a") as file:
        file.write("*.u16 working-tree-encoding=UTF-16\nid.txt ident\nout.txt export-ignore\n* export-subst\n")
    (target / "text.u16").write_bytes("text\n".encode("utf-16"))
    (target / "id.txt").write_text("$Id$\n")
    (target / "out.txt").write_text("out\n")
    commit(target)
    for name in ("text.u16", "id.txt"):
        (target / name).unlink()
    git(target, "checkout", "-q", "--", "text.u16", "id.txt")


def sparse(target: Path) -> None:
    """A checkout without most of its files, and files whose changes git was told not to see."""
    for name in ("docs/a.txt", "other/b.txt", "seen.txt", "assumed.txt"):
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text("here\n")
    commit(target)
    git(target, "sparse-checkout", "set", "--no-cone", "/*", "!/docs/", "!/other/")
    git(target, "update-index", "--skip-worktree", "seen.txt")
    git(target, "update-index", "--assume-unchanged", "assumed.txt")
    for name in ("seen.txt", "assumed.txt"):
        (target / name).write_text("mine\n")


def indexed(target: Path) -> None:
    """An index in its newest and oddest form."""
    git(target, "config", "core.splitIndex", "true")
    git(target, "config", "core.untrackedCache", "true")
    git(target, "config", "index.version", "4")
    git(target, "update-index", "--split-index", "--index-version", "4")


def owned_by_another(target: Path) -> None:
    """A folder of somebody else, which git would not touch."""
    if os.geteuid() == 0:
        for path in (target, *target.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def taken(target: Path) -> None:
    """The run's branch is there, at a commit of the base."""
    git(target, "update-ref", f"refs/heads/{OURS}", "HEAD")


def oddly_named(target: Path) -> None:
    """The default branch has a name that nobody would type."""
    old = git(target, "symbolic-ref", "HEAD")
    git(target, "update-ref", f"refs/heads/{BRANCH}", "HEAD")
    git(target, "symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
    git(target, "update-ref", "-d", old)


def apart(target: Path) -> None:
    """The git folder lies elsewhere, and its settings name a work tree that is not this one."""
    elsewhere = target.parent / "git folder"
    (target / ".git").rename(elsewhere)
    (target / ".git").write_text(f"gitdir: {elsewhere}\n")
    decoy = target.parent / "decoy"
    decoy.mkdir()
    (decoy / "greet.py").write_text("# not this one\n")
    git(target, "config", "core.worktree", str(decoy))


def sha256(target: Path) -> None:
    """Objects have the longer names."""
    shutil.rmtree(target / ".git")
    git(target, "init", "-q", "-b", "main", "--object-format=sha256")
    commit(target)


def of_the_future(target: Path) -> None:
    """A form of repository that this git does not know."""
    git(target, "config", "core.repositoryFormatVersion", "1")
    git(target, "config", "extensions.holograms", "true")


def incomplete(target: Path) -> None:
    """The store its objects lie in is gone."""
    alternates(target)
    shutil.rmtree(target.parent / "store.git")


def partial(target: Path) -> Path:
    """A clone without the contents of earlier files, which a program of the repository's would fetch."""
    for text in ("first\n", "second\n"):
        (target / "changing.txt").write_text(text)
        commit(target)
    git(target, "config", "uploadpack.allowFilter", "true")
    clone = target.parent / "partial"
    git(target.parent, "clone", "-q", "--filter=blob:none", f"file://{target}", str(clone))
    script = target.parent / "fetch"
    script.write_text(f"#!/bin/sh\ntouch '{marker(target)}'\n")
    script.chmod(0o755)
    git(clone, "config", "remote.origin.url", "ssh://nowhere.invalid/ann/toy.git")
    git(clone, "config", "core.sshCommand", str(script))
    return clone


def taken_by_another(target: Path) -> None:
    """The run's branch is there, with somebody's commits."""
    tree = git(target, "rev-parse", "HEAD^{tree}")
    git(target, "update-ref", f"refs/heads/{OURS}", git(target, "commit-tree", "-m", "mine", "-p", "HEAD", tree))


def in_the_way(target: Path) -> None:
    """A branch where the folder of the run's branch would be."""
    git(target, "update-ref", "refs/heads/agentos", "HEAD")
