"""A whole run into which secrets are poured at every opening: none of them is in anything that the run leaves."""

import subprocess
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from agentos.adapters.agent.scripted import ScriptedAgent, ScriptedSession
from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.adapters.forge.local import LocalForge
from agentos.adapters.notifier.memory import MemoryNotifier
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import DecisionKind
from agentos.domain.document import Criterion, Evidence
from agentos.domain.pipeline import Outcome, Stage
from agentos.ports.agent import AgentActed, AgentEvent, AgentFinished, AgentTask
from agentos.telemetry.redaction import know_secrets
from tests.canaries import DISGUISES, KINDS, bare, letters, spelled
from tests.crash.toy import FILES, PROOF, SHOUT_LOUD, SHOUT_RIGHT, TEST
from tests.figures import Figure
from tests.stages.conftest import REPO, Equip, HeardPrompts
from tests.stages.test_implementation import BRIEF, COMMANDS
from tests.stages.whole import Whole, entry
from tests.started import heard

pytestmark = pytest.mark.slow
SEED = "a run full of secrets"
LATE = letters(SEED, 24)
"""Has no shape, and is not known to be a secret before it is in the brief."""
VALUES = {kind: make(SEED) for kind, make in KINDS.items()}
POURED = "\n\n".join(f"{kind}, {way}: {say(VALUES[kind])}" for kind in KINDS for way, say in DISGUISES.items())
"""Every secret in every disguise: what an obedient agent would say that was told to give everything away."""

TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema()"


def left(texts: Iterable[str]) -> dict[str, list[str]]:
    """The kinds of secrets that are in one of `texts`, with how they are spelled there."""
    plain = [bare(text) for text in texts]
    found = {
        kind: [way for way in spelled(value) if any(way in each for each in plain)]
        for kind, value in {**VALUES, "late": LATE}.items()
    }
    return {kind: ways for kind, ways in found.items() if ways}


class Talkative(ScriptedAgent):
    """Says all it knows in whatever it does."""

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        self.told = f"{task.system}\n{task.prompt}"
        async for event in super().run(task):
            if isinstance(event, AgentFinished):
                yield AgentActed("bash", f"echo {POURED[:3000]}")
                yield replace(event, summary=f"done. {POURED}")
            else:
                yield event


def session(code: str, **more: str) -> ScriptedSession:
    files = {"greet.py": code, "tests/test_shout.py": TEST, **more}
    return ScriptedSession(files, evidence=(Evidence("AC-1", (PROOF,)),))


def judged(verdict: str) -> dict[str, Any]:
    return {"verdict": verdict, "summary": f"fine. {POURED}", "confidence": 80, "findings": []}


@pytest.fixture
def started() -> Iterator[list[str]]:
    """Arguments and environment of every program that is started meanwhile."""
    with heard() as found:
        yield found


async def test_no_secret_is_in_anything_that_a_run_leaves(equip: Equip, started: list[str], figure: Figure) -> None:
    know_secrets([VALUES["signed token"]])  # the others are found by their shape
    brief = replace(
        BRIEF, title=f"Shout {LATE}", objective=f"{LATE} {POURED}", criteria=(Criterion("AC-1", POURED[:2000]),)
    )
    sessions = {
        (Stage.IMPL, 1): session(SHOUT_RIGHT, notes=POURED),
        (Stage.IMPL, 2): ScriptedSession({"notes": None}, evidence=(Evidence("AC-1", (PROOF,)),)),
        (Stage.REVIEW, 1): session(SHOUT_LOUD),
    }
    agent, notifier = Talkative(sessions=sessions), MemoryNotifier()
    stand = await equip(
        title=f"Shout {VALUES['GitHub token']}",
        body=POURED,
        answers={(stage, "reviewer", number): judged("approve") for stage, number in [*sessions]}
        | {(Stage.FINALIZE, "drafter", 1): {"follow_ups": [{"title": f"More {VALUES['AWS key']}", "body": POURED}]}},
        files=FILES,
        ports={"agent": agent, "sandbox": ProcessSandbox(), "deployer": MemoryDeployer(), "notifier": notifier},
        commands=COMMANDS,
        merge_authority="on_approval",
    )
    prompts = HeardPrompts()
    forge = LocalForge(stand.ctx.repo, stand.target, stand.ctx.home / "forge" / REPO)
    stand = stand.with_prompts(prompts)
    run = Whole(replace(stand, ctx=replace(stand.ctx, ports=replace(stand.ctx.ports, forge=forge))))
    said = len(await stand.comments())
    handed = await stand.handed_over((ArtifactKind.BRIEF, brief))
    kept = {path for path in stand.ctx.home.rglob("*") if path.is_file()}
    know_secrets([LATE])
    await run.begin(**handed | entry(Stage.IMPL))
    assert run.state["rounds"]["code.impl"] == 2, "the file full of secrets went back to the coder"
    assert "holds what looks like a secret" in agent.told
    await run.says(DecisionKind.APPROVE)
    await run.says(DecisionKind.FEEDBACK, f"louder, and use {VALUES['npm token']}")
    assert await run.says(DecisionKind.APPROVE) is None
    assert run.state["outcome"] == Outcome.MERGED

    assert left([agent.told]) == {}, "in a prompt"
    assert left(comment for comment in (await stand.comments())[said:]) == {}, "in a comment"
    assert left(f"{notice}" for notice in notifier.notices) == {}, "in a notice"
    follow_ups = [await stand.tracker.get(number) for number in run.state["follow_ups"]]
    assert follow_ups
    assert left(f"{issue.title} {issue.body}" for issue in follow_ups) == {}, "in a new issue"
    pr = await forge.find_pr(run.state["branch"])
    assert pr is not None
    assert left([pr.title, pr.body]) == {}, "in the pull request"
    assert any(each.startswith("git\n") or "/git\n" in each for each in started)
    assert left(started) == {}, "in an argument or in the environment of a program"
    git = subprocess.run(["git", "log", "--all", "-p", "-m"], cwd=stand.target, capture_output=True, check=True)
    assert left([git.stdout.decode()]) == {}, "in a commit"
    home = [path for path in {*stand.ctx.home.rglob("*")} - kept if path.is_file() and ".git/" not in str(path)]
    assert left(path.read_bytes().decode("latin-1") for path in home) == {}, "in a file"
    tables = [row["name"] for row in await stand.store.db.rows(TABLES)]
    assert {"events", "runs", "effects", "artifact_contents"} <= {*tables}
    for table in tables:
        old = f" WHERE sha256 <> '{handed['artifacts'][ArtifactKind.BRIEF]}'" if table == "artifact_contents" else ""
        rows = await stand.store.db.rows(f"SELECT row_to_json(t)::text AS row FROM {table} t{old}")
        assert left(row["row"] for row in rows) == {}, f"in the table {table}"
    figure("secrets in disguise", len(KINDS) * len(DISGUISES))
