"""A stage alone: its real subgraph, a real store and a real repository; models answer from a table."""

import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from agentos.adapters.clock.system import SystemClock
from agentos.adapters.forge.memory import MemoryForge
from agentos.adapters.model.scripted import Key, ReplyTable, ScriptedModels, ScriptedReply
from agentos.adapters.notifier.memory import MemoryNotifier
from agentos.adapters.tracker.memory import MemoryTracker
from agentos.config.data import data_folder
from agentos.config.models import choose
from agentos.config.settings import Settings
from agentos.config.workflow import Workflow
from agentos.domain.artifact import ArtifactKind
from agentos.domain.effect import STATUS_COMMENT
from agentos.domain.event import EventKind
from agentos.domain.issue import IssueRef
from agentos.domain.pipeline import Stage
from agentos.domain.run import RunRef
from agentos.domain.status import JobState
from agentos.prompting.library import PromptLibrary, Rendered
from agentos.store import Store
from agentos.store.fence import Fence
from agentos.store.runs import Change
from agentos.workflows.kit.budget import Purse
from agentos.workflows.kit.context import Ports, RunContext
from agentos.workflows.kit.foresight import FORESIGHT
from agentos.workflows.kit.recorded_model import RecordedModels
from agentos.workflows.kit.records import dump_json
from agentos.workflows.kit.stage import Compiled
from agentos.workflows.kit.state import RunState
from agentos.workspace.repository import OwnedRepository

REPO = "demo"
EXPECTED = {"cause": "calc/core.py divides at once.", "approach": "Look at b first.", "cases": ["b is 0"]}
"""What a reviewer expects where a test does not say."""
FILES = {
    "README.md": "# calc\n",
    "calc/__init__.py": "",
    "calc/core.py": "def divide(a: int, b: int) -> int:\n    return a // b\n",
    "tests/test_core.py": "from calc.core import divide\n\n\ndef test_divide() -> None:\n    assert divide(6, 3) == 2\n",
}
Answers: TypeAlias = Mapping[tuple[Stage, str, int], dict[str, Any]]
"""What models answer: (stage, role, round counted from 1) -> the reply as JSON."""


class HeardPrompts(PromptLibrary):
    """The prompts of AgentOS, remembering what they were given."""

    def __init__(self) -> None:
        super().__init__(data_folder("prompts"))
        self._heard: list[tuple[str, dict[str, object]]] = []

    def render(self, name: str, **inputs: object) -> Rendered:
        self._heard.append((name, inputs))
        return super().render(name, **inputs)

    def given(self, name: str) -> list[dict[str, Any]]:
        """What the prompt `name` was given, each time."""
        return [inputs for heard, inputs in self._heard if heard == name]


class Absent:
    """Stands where a port is that the stage must not reach for."""

    def __init__(self, port: str) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the stage reached for {self._port}.{name}")


@dataclass
class Stand:
    """A run of one issue, at rest before any stage; `ctx` is its equipment."""

    ctx: RunContext
    tracker: MemoryTracker
    target: Path
    answers: dict[Key, ScriptedReply]
    """What models answer; add to it at any time."""

    @property
    def store(self) -> Store:
        return self.ctx.store

    def will_answer(self, answers: Answers) -> None:
        """Effect: from now on models answer so, too."""
        self.answers.update({(*key, 0): ScriptedReply(json=reply) for key, reply in answers.items()})

    async def run_stage(self, graph: Compiled, state: RunState) -> RunState:
        """The state after `graph` was visited with `state`."""
        after: Any = await graph.ainvoke(state, context=self.ctx)
        result: RunState = {**state, **after}
        return result

    async def handed_over(self, *documents: tuple[ArtifactKind, object], **state: Any) -> RunState:
        """The state that the stages before hand on: issue, base commit and these documents."""
        issue, repo = await self.tracker.get(self.ctx.issue.number), self.ctx.repo
        artifacts = {}
        for kind, record in documents:
            ref = await self.store.artifacts.put(
                self.ctx.fence, issue.ref, self.ctx.run.number, kind, dump_json(record), suffix=".json"
            )
            artifacts[str(kind)] = ref.sha256
        handed: Any = {
            "issue_number": issue.ref.number,
            "issue_digest": issue.digest,
            "entry_stage": Stage.TRIAGE,
            "base_branch": "main",
            "base_sha": await repo.fetch_base("main"),
            "branch": "agentos/1-divide-safely",
            "artifacts": artifacts,
            **state,
        }
        result: RunState = handed
        return result

    async def asked(self) -> list[tuple[str, int]]:
        """Role and round of every model call of this run that was paid for, in order, but for the reviewer's foresight."""
        calls = await self.store.exchanges.calls(self.ctx.run.id)
        return [(call.role, call.round) for call in calls if call.role != FORESIGHT]

    async def kinds(self) -> list[EventKind]:
        """The kinds of this run's events, in order."""
        return [event.kind for event in await self.store.ledger.read(self.ctx.run.id)]

    async def comments(self) -> list[str]:
        """What stands on the issue besides the one status comment."""
        status = await self.tracker.find_comment(self.ctx.issue, STATUS_COMMENT)
        return [comment.body for comment in await self.tracker.comments(self.ctx.issue) if comment.id != status]

    async def next_run(self) -> "Stand":
        """The next run of the same issue, after this one ended."""
        change = Change(job=JobState.SUCCEEDED)
        fence = self.ctx.fence
        await self.store.runs.transition(fence, change, event=EventKind.RUN_ENDED, data={}, event_id="ended")
        await self.store.runs.release(fence)
        run, fence = await _started(self.store, self.ctx.issue, self.target)
        ports = replace(self.ctx.ports, models=_recorded(self.store, fence, self.answers))
        return replace(self, ctx=replace(self.ctx, run=run, fence=fence, ports=ports))

    def with_settings(self, **settings: Any) -> "Stand":
        """The same stand with other settings (`orchestrator={…}`, `budget={…}`)."""
        return replace(self, ctx=replace(self.ctx, settings=_settings(self.ctx.home, settings)))

    def with_prompts(self, prompts: PromptLibrary) -> "Stand":
        """The same stand with other prompts."""
        return replace(self, ctx=replace(self.ctx, prompts=prompts))

    def git(self, *args: str) -> str:
        """What git says in the person's repository."""
        return run_git(self.target, *args)

    def commit(self, files: Mapping[str, str], message: str = "more") -> str:
        """The sha of a new commit with these files in the person's repository."""
        return commit(self.target, files, message)


Equip: TypeAlias = Callable[..., Awaitable[Stand]]


@pytest.fixture
async def equip(store: Store, tmp_path: Path) -> Equip:
    """Makes a stand: `await equip(title, body, answers, files=…, ports=…, settings…)`."""

    async def make(
        title: str = "Divide safely",
        body: str = "Dividing by zero should exit with 2.",
        answers: Answers | None = None,
        *,
        files: Mapping[str, str] = FILES,
        ports: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Stand:
        home, target = tmp_path / "home", tmp_path / "target"
        target.mkdir()
        run_git(target, "init", "--quiet", "--initial-branch=main")
        commit(target, files, "first")
        tracker, table = MemoryTracker(REPO), dict[Key, ScriptedReply]()
        run, fence = await _started(store, tracker.add(title, body), target)
        chosen = _settings(home, settings)
        ctx = RunContext(
            run=run,
            fence=fence,
            settings=chosen,
            workflow=Workflow(body="Keep changes small."),
            choice=choose(chosen, ()),
            prompts=PromptLibrary(data_folder("prompts")),
            ports=_ports(tracker, _recorded(store, fence, table), ports or {}),
            store=store,
            repo=await OwnedRepository.open(home, target, REPO),
            target=target,
            home=home,
        )
        stand = Stand(ctx, tracker, target, table)
        stand.will_answer(answers or {})
        return stand

    return make


def run_git(folder: Path, *args: str) -> str:
    """What git says; signs with a name of its own."""
    named = ("-c", "user.name=Tester", "-c", "user.email=tester@localhost")
    done = subprocess.run(["git", *named, *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, files: Mapping[str, str], message: str) -> str:
    """The sha of a new commit with these files."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "--message", message)
    return run_git(folder, "rev-parse", "HEAD")


def _settings(home: Path, settings: Mapping[str, Any]) -> Settings:
    return Settings.model_validate({"home": home, "models": {"script": str(home / "replies.json")}, **settings})


def _recorded(store: Store, fence: Fence, table: dict[Key, ScriptedReply]) -> RecordedModels:
    models = ScriptedModels(source=_LiveTable(table))
    return RecordedModels(models, store.exchanges, fence, Purse(store, SystemClock()))


def _ports(tracker: MemoryTracker, models: RecordedModels, ports: Mapping[str, Any]) -> Ports:
    given: dict[str, Any] = {
        "tracker": tracker,
        "forge": MemoryForge(),
        "agent": Absent("agent"),
        "models": models,
        "sandbox": Absent("sandbox"),
        "deployer": Absent("deployer"),
        "notifier": MemoryNotifier(),
        "clock": SystemClock(),
        **ports,
    }
    return Ports(**given)


class _LiveTable:
    """Replies that may be added while the test goes on."""

    def __init__(self, replies: dict[Key, ScriptedReply]) -> None:
        self._replies = replies

    def reply(self, key: Key, digest: str) -> ScriptedReply:
        if key[1] == FORESIGHT and key not in self._replies:
            return ScriptedReply(json=EXPECTED)
        return ReplyTable(self._replies, origin="the test").reply(key, digest)

    def keys(self) -> tuple[Key, ...]:
        return tuple(self._replies)


async def _started(store: Store, issue: IssueRef, target: Path) -> tuple[RunRef, Any]:
    run = await store.runs.create(issue, target=str(target), profile="cli", options={})
    fence = await store.runs.acquire(run.ref.id, owner="test", lease_s=600)
    assert fence is not None
    change = Change(job=JobState.RUNNING)
    await store.runs.transition(fence, change, event=EventKind.RUN_ACCEPTED, data={}, event_id="accepted")
    return run.ref, fence
