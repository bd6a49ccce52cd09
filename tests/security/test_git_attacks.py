"""Attacks by way of git: an agent that types all it is told, in a real box; then everything AgentOS does with its tree."""

import os
import re
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentos.adapters.sandbox.surroundings import Surroundings
from agentos.domain.error import AgentOSError
from agentos.domain.naming import branch_name
from agentos.ports.sandbox import Command
from agentos.store import Store
from agentos.workspace.git import Git
from agentos.workspace.snapshot import Snapshot, snapshot
from agentos.workspace.target import Target
from agentos.workspace.worktree import open_worktree
from tests.boxes import backends, lacks, sandbox_of
from tests.figures import Excuse, Figure
from tests.security.git_scripts import OWNED, PLANTED, Planted
from tests.security.obeying import as_it_is, obeyed
from tests.workspace.scene import SIGNED, WHEN, Site, make_site, make_target, manifest

pytestmark = pytest.mark.slow
FIGURE = "git attacks"
CONFINING = ("sandlock", "bubblewrap")
BOX = next((kind for kind in CONFINING if not lacks(kind)), "")
UNHELD = list(OWNED)[:12]
CANARY = "canary-5f2c9a"
PLAIN_MODES = {"100644", "100755", "120000", "000000"}


@dataclass(frozen=True)
class Field:
    """A worktree with its agent, and what lies around it."""

    site: Site
    outside: Path

    @property
    def tree(self) -> Path:
        return self.site.tree.path

    @property
    def git(self) -> Path:
        return self.site.repo.path

    def filled(self, line: str, tree: Path | None = None) -> str:
        tree = tree or self.tree
        [record] = [each.parent for each in self.git.glob("worktrees/*/gitdir") if each.read_text() == f"{tree}/.git\n"]
        places = {"tree": tree, "repo": self.git, "record": record, "outside": self.outside}
        return line.format(**places, secret=self.outside / "secret", trap=self.outside / "trap")

    def by_hand(self, line: str, tree: Path | None = None) -> None:
        """The line as if there were no box."""
        env = os.environ | SIGNED | {"GIT_CONFIG_GLOBAL": os.devnull}
        subprocess.run(
            ["sh", "-c", self.filled(line, tree)], cwd=tree or self.tree, env=env, capture_output=True, check=False
        )

    async def boxed(self, kind: str, store: Store, *lines: str, before: Callable[[Command], Command] = as_it_is) -> str:
        """What the first of the lines says in the box, typed there with the others by an agent that was told to; `before`
        is called before each."""
        sandbox = sandbox_of(kind, surroundings=Surroundings(protected=(self.site.home / "secrets",)))
        orders, readable = [self.filled(line) for line in lines], (self.tree / ".git", self.git)
        done = await obeyed(store, sandbox, self.tree, orders, readable=readable, changed=before)
        return done[orders[0]].output

    def ours(self) -> dict[str, object]:
        """All that must be as it was, whatever an agent does: the repository, the tree's way to it, what lies outside."""
        return {
            "repository": manifest(self.git),
            "outside": manifest(self.outside),
            "target": manifest(self.site.target.path),
            "link": (self.tree / ".git").read_bytes() if (self.tree / ".git").is_file() else None,
            "beside": sorted(each.name for each in self.tree.parent.iterdir()),
        }


async def field_at(tmp_path: Path) -> Field:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text(CANARY)
    return Field(await make_site(make_target(tmp_path / "target"), tmp_path / "agentos"), outside)


@pytest.fixture
async def field(tmp_path: Path) -> Field:
    return await field_at(tmp_path)


async def afterwards(field: Field) -> tuple[Snapshot, str]:
    """Everything AgentOS does with a tree once the agent has ended, up to the forge and back."""
    site = field.site
    tree = await open_worktree(site.repo, site.home, "7", site.tree.branch, site.base)
    shot = await snapshot(site.repo, tree.path, site.base)
    sha = await tree.commit(shot, "work", parent=site.base, when=WHEN)
    await site.repo.diff(site.base, sha, limit_bytes=1 << 20)
    assert (await site.repo.merge_tree(site.base, sha)).tree is not None
    await site.repo.push(site.target.path, sha, f"refs/heads/{tree.branch}", None)
    await tree.restore(sha)
    assert await tree.stands_at(sha)
    return shot, sha


async def breaches(field: Field, sha: str) -> list[str]:
    """What an attack achieved, whatever it was."""
    repo, found = field.site.repo, []
    if (field.outside / "trap").exists():
        found.append("a planted command ran as us")
    if manifest(field.outside).keys() != {"secret"}:
        found.append(f"outside there is {sorted(manifest(field.outside))}")
    strict = await repo.git.run("fsck", "--strict", "--no-dangling", "--no-progress", check=False)
    if strict.exit_code != 0:
        found.append(f"git itself would refuse it: {strict.stderr}{strict.text}")
    entries = await repo.list_paths(sha)
    found += [f"{entry.path} is a {entry.mode}" for entry in entries if entry.mode not in PLAIN_MODES]
    blobs = await repo.read_blobs([entry.sha for entry in entries])
    found += ["a secret is in the commit"] * any(CANARY.encode() in blob for blob in blobs.values())
    refs = (await repo.git.run("for-each-ref", "--format=%(refname)")).text.split()
    found += [f"there is {ref}" for ref in refs if ref not in (field.site.tree.ref, "refs/agentos/base/main")]
    if await repo.resolve("refs/agentos/base/main") != field.site.base:
        found.append("the base moved")
    return found


@pytest.mark.parametrize("kind", backends(*CONFINING))
async def test_what_is_ours_is_as_it_was_whatever_an_agent_types(
    kind: str, tmp_path: Path, store: Store, figure: Figure
) -> None:
    field, typed = await field_at(tmp_path), list[str]()
    before = field.ours()

    def still_ours(command: Command) -> Command:
        after = field.ours()
        assert {part: after[part] == before[part] for part in before} == dict.fromkeys(before, True), typed[-1:]
        typed.append(command.shell)
        return command

    said = await field.boxed(kind, store, "git log --format=%s", *OWNED.values(), before=still_ours)
    assert said.strip() == "first", "it may look"
    assert field.ours() == before
    _, sha = await afterwards(field)
    assert await breaches(field, sha) == []
    figure(f"{FIGURE}: {kind}", len(OWNED))


async def test_lines_that_no_box_holds_back_do_what_they_say(tmp_path: Path) -> None:
    """Attacks that fail everywhere would prove nothing."""
    held = []
    for number, name in enumerate(UNHELD):
        (tmp_path / str(number)).mkdir()
        field = await field_at(tmp_path / str(number))
        before = field.ours()
        field.by_hand(OWNED[name])
        held += [name] * (field.ours() == before)
    assert held == []


@pytest.mark.parametrize("kind", CONFINING)
def test_a_backend_that_is_missing_here_is_named(kind: str, excuse: Excuse) -> None:
    if reason := lacks(kind):
        excuse(f"{FIGURE}: {kind}", reason)


@pytest.mark.figure(FIGURE)
@pytest.mark.parametrize("name", PLANTED)
async def test_nothing_that_is_left_in_a_tree_acts_leaks_or_steps_out(field: Field, name: str, store: Store) -> None:
    attack = PLANTED[name]
    (field.tree / "work.py").write_text("work\n")
    await plant(field, attack, store)
    problems = (await snapshot(field.site.repo, field.tree, field.site.base)).problems
    shot, sha = await afterwards(field)
    assert await breaches(field, sha) == []
    assert [each for each in problems if attack.problem in each] if attack.problem else problems == ()
    if not attack.floods:
        assert {change.path for change in shot.changes} >= {"work.py", *attack.taken}
    if attack.careless:
        armed = await open_worktree(field.site.repo, field.site.home, "9", "agentos/9-control", field.site.base)
        field.by_hand(attack.line, armed.path)
        field.by_hand(attack.careless, armed.path)
        assert (field.outside / "trap").exists(), "the same trap, stepped into: or the test above would prove nothing"


async def plant(field: Field, attack: Planted, store: Store) -> None:
    """Effect: the tree is as the attack leaves it; typed in a box, unless none would let it or there is none here."""
    before, said = listing(field.tree), ""
    if attack.leaky or not BOX:
        field.by_hand(attack.line)
    else:
        said = await field.boxed(BOX, store, attack.line)
    assert listing(field.tree) != before, said


def listing(tree: Path) -> dict[str, tuple[int, int, int]]:
    """Kind and mode, size and inode of all that is there; contents may have no end."""
    return {
        str(path): (facts.st_mode, facts.st_size, facts.st_ino) for path in tree.rglob("*") for facts in [path.lstat()]
    }


# While the tree is read


def swapped_folder(field: Field) -> None:
    docs, kept = field.tree / "docs", field.tree / "kept"
    docs.rename(kept)
    docs.symlink_to(field.outside)
    docs.unlink()
    kept.rename(docs)


def swapped_file(field: Field) -> None:
    app, kept = field.tree / "app.py", field.tree / "kept.py"
    app.rename(kept)
    app.symlink_to(field.outside / "secret")
    app.unlink()
    os.mkfifo(app)
    app.unlink()
    kept.rename(app)


def linked_file(field: Field) -> None:
    stolen = field.tree / "stolen"
    stolen.write_text("mine")
    stolen.unlink()
    stolen.hardlink_to(field.outside / "secret")
    stolen.unlink()


def growing_file(field: Field) -> None:
    with (field.tree / "app.py").open("ab") as file:
        file.write(b"# more\n" * 100)
    os.truncate(field.tree / "app.py", 10)


RACES: list[Callable[[Field], None]] = [swapped_folder, swapped_file, linked_file, growing_file]


@pytest.mark.figure(FIGURE)
@pytest.mark.parametrize("race", RACES, ids=[race.__name__ for race in RACES])
async def test_a_tree_that_changes_while_it_is_read_gives_nothing_away(
    field: Field, race: Callable[[Field], None]
) -> None:
    done, rounds = threading.Event(), 0

    def run() -> None:
        nonlocal rounds
        while not done.is_set():
            race(field)
            rounds += 1

    racer = threading.Thread(target=run)
    racer.start()
    try:
        shots = [await snapshot(field.site.repo, field.tree, field.site.base) for _ in range(25)]
    finally:
        done.set()
        racer.join()
    assert rounds > 25
    for tree in {shot.tree_sha for shot in shots}:
        sha = await field.site.repo.commit_tree(tree, [field.site.base], "raced", WHEN)
        assert await breaches(field, sha) == []


# What the person's repository is set to

SETTINGS = {
    "ssh": ("core.sshCommand", "touch {trap}"),
    "a proxy": ("core.gitProxy", "touch {trap}"),
    "a pager": ("core.pager", "touch {trap}"),
    "an editor": ("core.editor", "touch {trap}"),
    "a monitor": ("core.fsmonitor", "touch {trap}; false"),
    "hosts in the place of others": ("url.ext::touch {trap} .insteadOf", "/"),
    "pushed elsewhere": ("url.ext::touch {trap} .pushInsteadOf", "/"),
    "any protocol": ("protocol.ext.allow", "always"),
    "credentials": ("credential.helper", "!touch {trap}"),
    "signatures": ("gpg.program", "{outside}/evil.sh"),
    "what packs": ("uploadpack.packObjectsHook", "{outside}/evil.sh"),
    "an alias of a command": ("alias.upload-pack", "!touch {trap}"),
    "an included file": ("include.path", "{outside}/evil.config"),
    "a file included for a folder": ("includeIf.gitdir:/.path", "{outside}/evil.config"),
}


@pytest.mark.figure(FIGURE)
async def test_nothing_the_persons_repository_is_set_to_is_run(field: Field, figure: Figure) -> None:
    person = field.site.target
    trap = field.outside / "trap"
    for key, value in SETTINGS.values():
        person.git("config", "--add", key.format(trap=trap), value.format(trap=trap, outside=field.outside))
    person.git("config", "commit.gpgSign", "true")
    (field.tree / "work.py").write_text("work\n")
    assert await field.site.repo.fetch_base("main") == field.site.base
    _, sha = await afterwards(field)
    assert await breaches(field, sha) == []
    person.git("status", check=False)
    assert trap.exists(), "a person who works there steps into it"
    figure(FIGURE, len(SETTINGS) - 1)


ADDRESSES = [
    *("ext::sh -c touch% /tmp/x", "ext::touch x", "fd::17/x", "-u./evil", "--upload-pack=touch x", "-oProxyCommand=x"),
    *(
        "ssh://-oProxyCommand=touch/x",
        "https://-x/y",
        "git://host/x",
        "file:///x\n--upload-pack=x",
        "user@host:x",
        "https://",
    ),
    *("transport::https://host/x", "relative/path", "..", "http://host/ x", "\0", ""),
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.figure(FIGURE)
def test_an_address_that_is_an_option_or_a_command_is_refused(address: str) -> None:
    with pytest.raises(AgentOSError, match="neither a folder nor"):
        Target.at(address)


TITLES = [
    *("--upload-pack=touch /tmp/x", "../../main", "refs/heads/main", "main", "HEAD", "@{-1}", "a..b", "x.lock", "a//b"),
    *(
        "-f",
        "a~1^2:3",
        "\n\nmain",
        "\0",
        "@",
        ".",
        "a b\tc",
        "x\u202emain",
        "*?[",
        "a\\b",
        "+main:main",
        ":main",
        "$(id)",
    ),
]


@pytest.mark.figure(FIGURE)
async def test_no_title_of_an_issue_names_another_branch_or_an_option(figure: Figure) -> None:
    for title in TITLES:
        branch = branch_name(7, title)
        assert re.fullmatch(r"agentos/7-[a-z0-9][a-z0-9-]*", branch)
        assert (await Git(None).run("check-ref-format", f"refs/heads/{branch}", check=False)).exit_code == 0
    figure(FIGURE, len(TITLES) - 1)
