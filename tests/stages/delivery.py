"""A change that passed its checks, as the stages from pr on find it: real commits, real reports, a forge in real git."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.adapters.forge.local import LocalForge
from agentos.adapters.notifier.memory import MemoryNotifier
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.artifact import ArtifactKind
from agentos.domain.budget import Spend
from agentos.domain.change import ChangeReport, TouchedFile
from agentos.domain.check import CheckResult, CriterionResult, TestOutcome
from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.document import Finding, Review, ReviewVerdict, Severity
from agentos.domain.effect import EffectKey
from agentos.domain.package import CloseOut, ReviewPackage
from agentos.domain.pipeline import Stage
from agentos.ports.agent import AgentFinished, AgentStatus
from agentos.ports.forge import PullRequest
from agentos.store.saver import open_saver
from agentos.workflows.kit.checks import Measured
from agentos.workflows.kit.pause import awaited
from agentos.workflows.kit.records import dump, dump_json, load, load_json
from agentos.workflows.kit.stage import Compiled
from agentos.workflows.kit.state import RunState, with_item
from agentos.workspace.snapshot import snapshot
from agentos.workspace.worktree import open_worktree
from tests.stages.conftest import REPO, Equip, Stand
from tests.stages.documents import BRIEF

BRANCH = "agentos/1-divide-safely"
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
CHECKED = {"test": "grep -q ValueError calc/core.py"}
MENDED = 'def divide(a: int, b: int) -> int:\n    if b == 0:\n        raise ValueError("b")\n    return a // b\n'
NOTE = Finding(Severity.NOTE, "calc/core.py:3", "the message could name the other number")
LATE = Finding(Severity.MAJOR, "calc/core.py:2", "zero is not refused")


@dataclass
class Delivery:
    """A stand after impl passed. `state` is what the next stage gets."""

    stand: Stand
    forge: LocalForge
    deployer: MemoryDeployer
    notifier: MemoryNotifier
    state: RunState

    async def keep(self, kind: ArtifactKind, record: object, name: str = "") -> str:
        """The digest of `record` in the store."""
        ctx = self.stand.ctx
        ref = await ctx.store.artifacts.put(
            ctx.fence, ctx.issue, ctx.run.number, kind, dump_json(record), suffix=".json", name=name
        )
        return ref.sha256

    async def passes_with(self, files: Mapping[str, str], **report: Any) -> RunState:
        """The state after impl passed with these files on top of what there is."""
        ctx, state = self.stand.ctx, self.state
        tree = await open_worktree(ctx.repo, ctx.home, "1", BRANCH, state["base_sha"])
        for path, text in files.items():
            (tree.path / path).write_text(text)
        parent = await tree.head()
        sha = await tree.commit(await snapshot(ctx.repo, tree.path, parent), "work", parent=parent, when=WHEN)
        before = await self.keep(ArtifactKind.CHECKS, report_of(state["base_sha"], sha, LATE, **report), "change")
        change = await self.keep(ArtifactKind.CHECKS, report_of(state["base_sha"], sha, NOTE, **report), "change")
        assert before != change
        artifacts = with_item(state["artifacts"], "change", change)
        self.state = {**state, "artifacts": artifacts, "head_sha": sha, "good_sha": sha, "feedback": []}
        return self.state

    async def package(self, state: RunState) -> ReviewPackage:
        raw = await self.stand.store.artifacts.get(state["artifacts"][ArtifactKind.PACKAGE])
        return load_json(ReviewPackage, raw)

    async def close_out(self, state: RunState) -> CloseOut:
        raw = await self.stand.store.artifacts.get(state["artifacts"][ArtifactKind.CLOSEOUT])
        return load_json(CloseOut, raw)

    async def said(self) -> list[str]:
        """What was said on the issue, oldest first, besides the one comment that always tells where the run stands."""
        tracker, issue = self.stand.tracker, self.stand.ctx.issue
        status = await tracker.find_comment(issue, EffectKey("status-comment"))
        return [comment.body for comment in await tracker.comments(issue) if comment.id != status]

    async def pr(self) -> PullRequest:
        found = await self.forge.find_pr(BRANCH)
        assert found is not None
        return found


async def delivered(equip: Equip, **settings: object) -> Delivery:
    """The issue's change, committed and reported on, nothing of it published."""
    deployer, notifier = MemoryDeployer(), MemoryNotifier()
    ports = {"deployer": deployer, "notifier": notifier, "sandbox": ProcessSandbox()}
    stand = await equip(ports=ports, **{"commands": CHECKED, **settings})
    ctx = stand.ctx
    forge = LocalForge(ctx.repo, stand.target, ctx.home / "forge" / REPO)
    stand = replace(stand, ctx=replace(ctx, ports=replace(ctx.ports, forge=forge)))
    base = await ctx.repo.fetch_base("main")
    state: RunState = {
        "issue_number": 1,
        "current_stage": Stage.IMPL,
        "branch": BRANCH,
        "base_branch": "main",
        "base_sha": base,
        "artifacts": {},
    }
    made = Delivery(stand, forge, deployer, notifier, state)
    session = AgentFinished(AgentStatus.SUBMITTED, "Division by zero is refused.", (), Spend())
    state["artifacts"] = {
        ArtifactKind.BRIEF: await made.keep(ArtifactKind.BRIEF, BRIEF),
        "baseline": await made.keep(ArtifactKind.CHECKS, Measured((_check(base, 0),)), "checks-baseline"),
        "session": await made.keep(ArtifactKind.TRANSCRIPT, session, "agent-impl-1"),
    }
    await made.passes_with({"calc/core.py": MENDED})
    return made


def report_of(base: str, head: str, finding: Finding, *, confidence: int = 95, proved: bool = True) -> ChangeReport:
    """What was measured of `head`, with one finding of the reviewer's."""
    verdict = ReviewVerdict.APPROVE if finding.severity is Severity.NOTE else ReviewVerdict.REVISE
    return ChangeReport(
        base_sha=base,
        head_sha=head,
        summary="Division by zero is refused.",
        files=(TouchedFile("calc/core.py", 2, 0),),
        insertions=2,
        deletions=0,
        checks=(_check(head, 0),),
        criteria=(CriterionResult("AC-1", proved, ("tests/test_zero.py::test_zero",), "failed before, passes after"),),
        regressions=(),
        review=Review(verdict, (finding,), head, "scripted:reviewer", "fine", confidence),
    )


def _check(sha: str, exit_code: int) -> CheckResult:
    tests = {"tests/test_zero.py::test_zero": TestOutcome.PASSED}
    return CheckResult("test", sha, exit_code, 0.25, tests, "1 passed", offered_junit=False)


class Thread:
    """A stage's subgraph in a run of its own, checkpointed as a real one is; `visit` counts how often it is entered."""

    def __init__(self, delivery: Delivery, graph: Compiled, *, visit: int = 1) -> None:
        ctx = delivery.stand.ctx
        outer: Any = StateGraph(RunState, context_schema=type(ctx))
        outer.add_node("stage", graph)
        outer.add_edge(START, "stage")
        outer.add_edge("stage", END)
        self._ctx = ctx
        self._graph = outer.compile(checkpointer=open_saver(ctx.store.db, ctx.fence))
        self._config: Any = {"configurable": {"thread_id": f"{ctx.run.thread_id}/{visit}"}}

    async def go(self, given: Any) -> RunState:
        """The state when the graph ended or waits."""
        await self._graph.ainvoke(given, self._config, context=self._ctx, durability="sync")
        return await self.state()

    async def state(self) -> RunState:
        snapshot = await self._graph.aget_state(self._config, subgraphs=True)
        inner = snapshot.tasks[0].state if snapshot.tasks else None
        state: RunState = dict(inner.values) if inner is not None else dict(snapshot.values)  # type: ignore[assignment]
        return state

    async def wait(self) -> Wait:
        """What it waits for."""
        [asked] = (await self._graph.aget_state(self._config)).interrupts
        return load(Wait, asked.value)

    async def wait_id(self) -> str:
        """The id of that wait."""
        [asked] = (await self._graph.aget_state(self._config)).interrupts
        found: str = asked.id
        return found

    async def decide(self, kind: DecisionKind, text: str = "", *, subject: str | None = None) -> RunState:
        """The state after a person said so."""
        bound = (await self.wait()).subject if subject is None else subject
        return await self.answer(Decision(kind, "ann", f"cli:{await self.wait_id()}", text, bound))

    async def answer(self, decision: Decision) -> RunState:
        """The state after exactly that was decided."""
        return await self.go(Command(resume={await self.wait_id(): dump(decision)}))


def blocker(state: RunState) -> Wait:
    """Why the stage blocked."""
    wait = awaited(state)
    assert wait is not None
    return wait
