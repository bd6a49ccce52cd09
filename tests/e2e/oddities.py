"""What a repository may throw at a tool that comes to work in it, each as a function that does it to the toy repository."""

import os
import subprocess
from pathlib import Path

_HOOKS = (
    "applypatch-msg commit-msg fsmonitor-watchman post-checkout post-commit post-index-change post-merge post-receive "
    "post-rewrite post-update pre-auto-gc pre-commit pre-push pre-receive prepare-commit-msg proc-receive "
    "push-to-checkout reference-transaction update"
)
_PROGRAMS = (
    "core.alternateRefsCommand core.askPass core.editor core.fsmonitor core.gitProxy core.pager core.sshCommand "
    "credential.helper diff.evil.command diff.evil.textconv diff.external filter.evil.clean filter.evil.process "
    "filter.evil.smudge gpg.program merge.evil.driver receive.procReceiveRefs sequence.editor uploadpack.packObjectsHook"
)
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n".format("4d7a2146" * 8)
HUGE_BYTES = 50 << 20


def git(folder: Path, *args: str) -> str:
    """What git says, as a person who trusts the folder hears it."""
    signed = [word for name in ("user.name=Ann", "user.email=ann@example.org") for word in ("-c", name)]
    off = [
        "safe.directory=*",
        "core.fsmonitor=false",
        "core.hooksPath=/dev/null",
        "commit.gpgSign=false",
        "diff.external=",
    ]
    off += [f"filter.{name}.{word}=" for name in ("lfs", "evil") for word in ("clean", "smudge", "process")]
    off += [f"filter.{name}.required=false" for name in ("lfs", "evil")]
    command = ["git", "-C", str(folder), *signed, *(word for name in off for word in ("-c", name)), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="surrogateescape").stdout.strip()


def commit(folder: Path) -> None:
    """Effect: everything in the folder is committed."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "odd")


def names(target: Path) -> None:
    """Spaces, unicode, line feeds, quotes, bytes that are no text, and what looks like an option."""
    odd = ("with space.txt", "ünï.txt", "-dash", "--upload-pack=x", "line\nfeed", 'quo"te', "tab\there", "$(touch x)")
    for name in (*odd, os.fsdecode(b"latin-\xe9")):
        (target / name).write_text("odd\n")
    (target / "-d").mkdir()
    (target / "-d" / "-f").write_text("odd\n")
    commit(target)


def links(target: Path) -> None:
    """Symbolic links inside, dangling, and leading out."""
    for name, leads_to in (
        ("inside", "greet.py"),
        ("folder", "tests"),
        ("dangling", "nowhere"),
        ("out", "/etc/hostname"),
        ("up", "../.."),
    ):
        (target / name).symlink_to(leads_to)
    commit(target)


def submodule(target: Path) -> None:
    """Another repository at a path."""
    other = target.parent / "other"
    other.mkdir()
    git(other, "init", "-q", "-b", "main")
    (other / "a.txt").write_text("a\n")
    commit(other)
    git(target, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "lib/other")
    commit(target)


def lfs(target: Path) -> None:
    """Pointers to large files, without the program that fetches them."""
    _attribute(target, "*.bin filter=lfs diff=lfs merge=lfs -text")
    (target / "large.bin").write_text(POINTER)
    commit(target)
    for word in ("clean", "smudge", "process"):
        git(target, "config", f"filter.lfs.{word}", f"git-lfs-is-missing {word}")
    git(target, "config", "filter.lfs.required", "true")


def line_ends(target: Path) -> None:
    """Files with CRLF in the checkout, and one in the commit."""
    (target / "windows.txt").write_bytes(b"a\r\nb\r\n")
    commit(target)
    _attribute(target, "*.py text eol=crlf")
    commit(target)
    git(target, "config", "core.autocrlf", "true")
    git(target, "rm", "-q", "--cached", "-r", ".")
    git(target, "reset", "-q", "--hard")


def cases(target: Path) -> None:
    """Names that are one on other systems."""
    (target / "File.txt").write_text("a\n")
    (target / "file.txt").write_text("b\n")
    (target / "Readme").mkdir()
    (target / "Readme" / "x").write_text("c\n")
    (target / "README").write_text("d\n")
    commit(target)


def huge(target: Path) -> None:
    """One file of 50 MB."""
    (target / "huge.dat").write_bytes(os.urandom(1 << 20) * (HUGE_BYTES >> 20))
    commit(target)


def dirty(target: Path) -> None:
    """Work of the person's own, in files that the change leaves alone."""
    (target / "tests" / "test_greet.py").write_text("# mine\n")
    (target / "mine.txt").write_text("mine\n")
    (target / "staged.txt").write_text("staged\n")
    git(target, "add", "staged.txt")


def daemons(target: Path) -> None:
    """Tests that leave processes behind."""
    tested_by(target, "(setsid sleep 4321 &) ; sleep 4322 & python3 run_tests.py {junit}")


def loud(target: Path) -> None:
    """Tests that print a gigabyte, the first time."""
    once = target.parent / "printed"
    tested_by(
        target,
        f"mkdir {once} 2>/dev/null && head -c 1000000000 /dev/zero | tr '\\\\0' x; python3 run_tests.py {{junit}}",
    )


def hostile(target: Path) -> None:
    """Every setting, hook and attribute by which git starts a program, each leaving a marker."""
    script = marker(target).with_name("evil")
    script.write_text(f"#!/bin/sh\ntouch '{marker(target)}'\ncat\n")
    script.chmod(0o755)
    _attribute(target, "*.py filter=evil diff=evil merge=evil")
    commit(target)
    for key in _PROGRAMS.split():
        git(target, "config", key, str(script))
    included = target.parent / "included"
    included.write_text(
        "".join(f"[alias]\n\t{word} = !{script}\n" for word in ("fetch", "push", "merge-tree", "config"))
    )
    for key, value in (
        ("filter.evil.required", "true"),
        ("commit.gpgSign", "true"),
        ("core.hooksPath", ".git/hooks"),
        ("include.path", str(included)),
        ("protocol.ext.allow", "always"),
        ("url.ext::sh -c touch% .insteadOf", str(target)),
    ):
        git(target, "config", key, value)
    hooks = target / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in _HOOKS.split():
        (hooks / name).write_bytes(script.read_bytes())
        (hooks / name).chmod(0o755)


def marker(target: Path) -> Path:
    """The file whose existence proves that a planted program ran."""
    return target.parent / "planted-program-ran"


def many(target: Path, number: int) -> None:
    """Many small files."""
    for n in range(number):
        path = target / "many" / str(n % 100) / f"{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{n}\n")
    commit(target)


def shallow(target: Path) -> Path:
    """A clone with the last commit alone."""
    for n in range(3):
        git(target, "commit", "-q", "--allow-empty", "-m", str(n))
    clone = target.parent / "shallow"
    git(target.parent, "clone", "-q", "--depth", "1", f"file://{target}", str(clone))
    git(clone, "remote", "set-url", "origin", "https://example.org/ann/toy.git")
    return clone


def linked(target: Path) -> Path:
    """A further work tree, whose `.git` is a file; the first one stands on no branch."""
    git(target, "checkout", "-q", "--detach")
    git(target, "worktree", "add", "-q", str(target.parent / "linked"), "main")
    return target.parent / "linked"


def nested(target: Path) -> Path:
    """A repository inside another, in folders with odd names."""
    outer = target.parent / "öuter repo"
    outer.mkdir()
    git(outer, "init", "-q")
    return target.rename(outer / "-tärget $(x)")


def detached(target: Path) -> Path:
    """HEAD stands on a commit."""
    git(target, "checkout", "-q", "--detach")
    return target


def _attribute(target: Path, line: str) -> None:
    with (target / ".gitattributes").open("a") as file:
        file.write(f"{line}\n")


def tested_by(target: Path, command: str) -> None:
    workflow = target / "WORKFLOW.md"
    text = workflow.read_text("utf-8").replace("test: python3 run_tests.py {junit}", f'test: "{command}"')
    workflow.write_text(text, "utf-8")
    commit(target)
