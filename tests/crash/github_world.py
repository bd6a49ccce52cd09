"""A run whose issue, pull request and review are on the fake GitHub, in parts from wait to wait, to be killed in any."""

import copy
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import fresh_database
from tests.crash.model_server import CountingModelServer
from tests.crash.outside import masked, picture
from tests.crash.parts import DATABASE, Part, _copy, _name
from tests.crash.toy import TICKET, make_target, replies
from tests.github.fake import ANNA, NAME, OWNER, TOKEN, FakeGitHub
from tests.github.invariants import require_invariants
from tests.github.server import API, Server, serving

if TYPE_CHECKING:
    from tests.crash.conftest import Ended, Zygote

CONFIG = "tracker: {kind: github}\nforge: {kind: github}\n"
MERGED = "succeeded merged"
LAZY = "secret-of-the-host-0123456789abcdef"
"""A secret in the environment of the program that is nobody's business."""
MOST_GOES = 20


@dataclass
class GitHubWorld:
    """One run of issue 1 on GitHub. `folder` holds the clone, the data folder and GitHub's own repository."""

    folder: Path
    server: Server
    models: CountingModelServer
    environment: dict[str, str]
    zygote: "Zygote"
    points: list[str] = field(default_factory=list)

    @property
    def hub(self) -> FakeGitHub:
        return self.server.github

    def go(self, *, crash_at: str = "", trace: Path | None = None, mutant: bool = False) -> "Ended":
        """How far the run comes by itself, in a process of its own."""
        order = {"target": str(self.folder / "target"), "environment": self.environment, "alone": True}
        return self.zygote.drive(**order, crash_at=crash_at, trace=str(trace) if trace else "", mutant=mutant)

    def answer(self, ended: str) -> None:
        """Effect: a person does what the run waits for: each gate is approved, of two reviews the first asks for more."""
        pull = next(iter(self.hub.pulls.values()), None)
        if not ended.startswith("waiting review"):
            assert ended.startswith("waiting gate"), ended
            self.hub.comment(1, "/agentos approve", who=ANNA)
            return
        assert pull is not None
        number, head = pull["number"], self.hub.ref(pull["head"]["ref"])
        is_first = not self.hub.reviews.get(number)
        said = ("changes_requested", "End it with an exclamation mark.") if is_first else ("approved", "")
        self.hub.review(
            number, state=said[0], body=said[1], sha=head, at=f"2099-01-01T00:00:0{is_first:d}Z", id=7 + is_first
        )
        if is_first:
            self.hub.say_of_line(number, review=8, path="shout.py", line=1, body="Here.")

    def finish(self) -> str:
        """How the run ended, with a person who answers, and another process wherever one was parked."""
        for _ in range(MOST_GOES):
            ended = self.go().ended
            if ended.startswith("waiting"):
                self.answer(ended)
            elif not ended.startswith("retry_wait"):
                break
        return ended

    def picture(self) -> dict[str, Any]:
        """What stands on GitHub and on this machine now, with all made equal that may differ."""
        here = picture(self.folder / "target", self.folder / "home")
        return {**here, **_shown(self.hub, self.folder)}

    def require_invariants(self) -> None:
        """Raises AssertionError where one is broken."""
        require_invariants(self.hub, self.folder, canaries=(TOKEN, LAZY))


def _shown(hub: FakeGitHub, folder: Path) -> dict[str, Any]:
    def text(thing: dict[str, Any]) -> list[str]:
        return masked(thing["body"] or "", folder).splitlines()

    refs = hub.run_git("for-each-ref", "--format=%(refname)").split()
    return {
        "hub": {ref: hub.run_git("rev-parse", f"{ref}^{{tree}}") for ref in refs},
        "comments": [(each["user"]["login"], each["issue_url"], text(each)) for _, each in sorted(hub.comments.items())],
        "issues": [(each["title"], each["state"], sorted(at["name"] for at in each["labels"]), text(each)) for each in hub.issues.values()],
        "pulls": [(each["title"], each["state"], each["draft"], each["merged"], text(each)) for each in hub.pulls.values()],
        "threads": [
            (each.resolved, [masked(remark.body, folder).splitlines() for remark in each.remarks])
            for there in hub.threads.values() for each in there
        ],
    }  # fmt: skip


@dataclass(frozen=True)
class HubPart:
    """How all lay when a part began, and the points it passed."""

    part: Part
    hub: FakeGitHub

    @property
    def did(self) -> tuple[str, ...]:
        """Every change before it, by its route."""
        return _did(self.hub)


@dataclass(frozen=True)
class UndisturbedOnGitHub:
    """What a run on GitHub that nobody killed leaves behind, and its parts."""

    world: GitHubWorld
    postgresql: str
    outside: dict[str, Any]
    asked: Counter[str]
    parts: tuple[HubPart, ...]
    did: tuple[str, ...]
    """Every change, by its route, in order."""

    def part_that(self, route: str) -> HubPart:
        """The last part in which the run makes the change `route`."""
        return next(each for each in reversed(self.parts) if route in self.did[len(each.did) :])

    def part_of(self, point: str) -> HubPart:
        """The part in which the run passes `point` for the first time."""
        return next(each for each in self.parts if point in each.part.points)

    @contextmanager
    def entered(self, entry: HubPart) -> Iterator[GitHubWorld]:
        """The world as it was when that part began, on a database of its own."""
        for name in ("target", "home", "hub.git"):
            _copy(entry.part.files / name, self.world.folder / name)
        self.world.server.github = copy.deepcopy(entry.hub)
        self.world.server.faults.clear()
        self.world.models.asked.clear()
        self.world.models.asked.update(entry.part.asked)
        with fresh_database(self.postgresql, entry.part.database) as url:
            yield replace(self.world, environment=self.world.environment | {DATABASE: url})


@contextmanager
def github_world(folder: Path, database_url: str, zygote: "Zygote") -> Iterator[GitHubWorld]:
    """A fresh repository on a fresh GitHub, with a clone, and one issue by a person."""
    toy, hub, target = make_target(folder / "toy"), folder / "hub.git", folder / "target"
    _git("clone", "-q", "--bare", str(toy), str(hub))
    _git("--git-dir", str(hub), "config", "http.receivepack", "true")
    _git("clone", "-q", str(hub), str(target))
    (folder / "config.yaml").write_text(CONFIG, "utf-8")
    with serving(hub) as server, CountingModelServer(replies()).serving() as models:
        _git("-C", str(target), "remote", "set-url", "origin", f"{server.github.url}/{OWNER}/{NAME}.git")
        server.github.open_issue("Add a shout function", TICKET.split("---\n", 2)[2].strip())
        environment = {
            "AGENTOS_HOME": str(folder / "home"),
            "AGENTOS_CONFIG": str(folder / "config.yaml"),
            "AGENTOS_GITHUB__API_URL": server.github.url + API,
            "AGENTOS_GITHUB_TOKEN": TOKEN,
            "AGENTOS_MODELS__SCRIPT": models.url,
            "SOMEBODYS_SECRET": LAZY,
            DATABASE: database_url,
        }
        yield GitHubWorld(folder, server, models, environment, zygote)


@contextmanager
def undisturbed_on_github(folder: Path, postgresql: str, zygote: "Zygote") -> Iterator[UndisturbedOnGitHub]:
    """The run that every cell is compared with."""
    parts: list[HubPart] = []
    with ExitStack() as databases:
        url = databases.enter_context(fresh_database(postgresql))
        world = databases.enter_context(github_world(folder, url, zygote))
        ended = ""
        while not ended.startswith("succeeded"):
            begin = _kept(world, len(parts))
            copied = databases.enter_context(fresh_database(postgresql, _name(url)))
            ended = world.go(trace=begin.part.files / "trace").ended
            passed = (begin.part.files / "trace").read_text("utf-8").split()
            part = replace(
                begin.part, database=_name(copied), points=frozenset(each.partition("#")[0] for each in passed)
            )
            parts.append(replace(begin, part=part))
            if not ended.startswith("succeeded"):
                world.answer(ended)
        assert ended == MERGED, ended
        world.require_invariants()
        yield UndisturbedOnGitHub(
            world, postgresql, world.picture(), Counter(world.models.asked), tuple(parts), _did(world.hub)
        )


def _did(hub: FakeGitHub) -> tuple[str, ...]:
    return tuple(entry.route for entry in hub.ledger if entry.did)


def _kept(world: GitHubWorld, number: int) -> HubPart:
    folder = world.folder / f"part-{number}"
    folder.mkdir()
    for name in ("target", "home", "hub.git"):
        _copy(world.folder / name, folder / name)
    return HubPart(Part(folder, "", Counter(world.models.asked)), copy.deepcopy(world.hub))


def _git(*args: str) -> None:
    subprocess.run(["git", *args], check=True)
