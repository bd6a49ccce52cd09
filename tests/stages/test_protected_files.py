"""A change of protected files goes nowhere before a person let exactly these contents through."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from agentos.adapters.agent.scripted import ScriptedAgent, ScriptedSession
from agentos.adapters.deployer.memory import MemoryDeployer
from agentos.adapters.forge.local import LocalForge
from agentos.adapters.notifier.memory import MemoryNotifier
from agentos.adapters.sandbox.process import ProcessSandbox
from agentos.domain.artifact import ArtifactKind
from agentos.domain.decision import DecisionKind, Wait, answers_to
from agentos.domain.document import Evidence
from agentos.domain.event import EventKind
from agentos.domain.pipeline import Gate, Outcome, Stage
from agentos.domain.status import WaitKind
from agentos.ports.agent import AgentEvent, AgentTask
from tests.crash.toy import FILES, PROOF, SHOUT_LOUD, SHOUT_RIGHT, TEST
from tests.stages.conftest import REPO, Equip, Stand
from tests.stages.test_implementation import BRIEF, COMMANDS, judged
from tests.stages.whole import Whole, entry

pytestmark = pytest.mark.slow
BRANCH = "agentos/1-divide-safely"
MANIFEST = "[project]\nname = 'toy'\ndependencies = ['evil']\n"
UNASKED: dict[str, Any] = {
    "merge_authority": "auto",
    "merge": {"confidence": 50},
    "orchestrator": {"gates": {"before_pr": False, "before_merge": False}},
}
"""A person who wants to be asked nothing."""
_WORKING = (Stage.IMPL, Stage.REVIEW)
ASKED: dict[str, Any] = {"merge_authority": "on_approval", "orchestrator": {"gates": {"before_pr": False}}}


def session(code: str = SHOUT_RIGHT, **others: str) -> ScriptedSession:
    """Work that passes, with these files besides (`AGENTS_md` for AGENTS.md)."""
    more = {name.replace("_", "."): text for name, text in others.items()}
    return ScriptedSession(
        {"greet.py": code, "tests/test_shout.py": TEST, **more}, evidence=(Evidence("AC-1", (PROOF,)),)
    )


async def begun(
    equip: Equip,
    settings: dict[str, Any],
    *sessions: tuple[Stage, int, ScriptedSession],
    agent: ScriptedAgent | None = None,
) -> Whole:
    """A run that enters at impl, taken as far as it goes."""
    table = {(stage, number): each for stage, number, each in sessions}
    approving = {(stage, "reviewer", number): judged("approve") for stage in _WORKING for number in (1, 2)}
    stand = await equip(
        answers=approving | {(Stage.FINALIZE, "drafter", 1): {"follow_ups": []}},
        files=FILES,
        ports={
            "agent": agent or ScriptedAgent(sessions=table),
            "sandbox": ProcessSandbox(),
            "deployer": MemoryDeployer(),
            "notifier": MemoryNotifier(),
        },
        commands=COMMANDS,
        **settings,
    )
    forge = LocalForge(stand.ctx.repo, stand.target, stand.ctx.home / "forge" / REPO)
    run = Whole(replace(stand, ctx=replace(stand.ctx, ports=replace(stand.ctx.ports, forge=forge))))
    await run.begin(**await stand.handed_over((ArtifactKind.BRIEF, BRIEF)) | entry(Stage.IMPL))
    return run


async def waits(run: Whole) -> Wait:
    _, wait = await run._asked()
    return wait


async def there(run: Whole) -> str | None:
    """What the forge has of the branch."""
    return await run.stand.ctx.ports.forge.branch_head(BRANCH)


async def recorded(stand: Stand) -> list[tuple[str, str, list[str]]]:
    """The decisions on the ledger that were about protected files: kind, commit, files."""
    events = [
        event for event in await stand.store.ledger.read(stand.ctx.run.id) if event.kind is EventKind.DECISION_TAKEN
    ]
    return [
        (each.data["kind"], each.data["subject"], each.data["protected"]) for each in events if "protected" in each.data
    ]


async def test_a_new_manifest_waits_for_a_word_where_nobody_wanted_to_be_asked_and_goes_on_with_it(
    equip: Equip,
) -> None:
    run = await begun(equip, UNASKED, (Stage.IMPL, 1, session(pyproject_toml=MANIFEST)))
    wait = await waits(run)
    assert run.stand.ctx.settings.gates_on() == frozenset()
    assert (wait.kind, wait.gate, wait.stage) == (WaitKind.GATE, Gate.BEFORE_PR, Stage.IMPL)
    assert (wait.subject, wait.evidence) == (run.state["good_sha"], ("pyproject.toml added",))
    assert "agentos approve 1" in answers_to(wait, 1)
    assert any("- `pyproject.toml added`" in comment for comment in await run.stand.comments())
    assert await there(run) is None, "nothing has left this machine"
    assert await run.says(DecisionKind.APPROVE) is None
    assert run.state["outcome"] == Outcome.MERGED
    assert await recorded(run.stand) == [("approve", wait.subject, ["pyproject.toml added"])]


async def test_other_files_ask_nobody(equip: Equip) -> None:
    run = await begun(equip, UNASKED, (Stage.IMPL, 1, session()))
    assert run.state["outcome"] == Outcome.MERGED
    assert await recorded(run.stand) == []


async def test_a_no_ends_the_run_and_publishes_nothing(equip: Equip) -> None:
    run = await begun(equip, UNASKED, (Stage.IMPL, 1, session(AGENTS_md="Obey.\n")))
    wait = await waits(run)
    assert await run.says(DecisionKind.REJECT, "no such rules") is None
    assert run.state["outcome"] == Outcome.CANCELLED
    assert await there(run) is None
    assert await recorded(run.stand) == [("reject", wait.subject, ["AGENTS.md added"])]


async def test_feedback_sends_the_change_back_and_without_the_file_nobody_is_asked(equip: Equip) -> None:
    first = session(CODEOWNERS="* @mallory\n")
    second = ScriptedSession({"CODEOWNERS": None}, evidence=first.evidence)
    run = await begun(equip, UNASKED, (Stage.IMPL, 1, first), (Stage.IMPL, 2, second))
    assert (await waits(run)).evidence == ("CODEOWNERS added",)
    assert await run.says(DecisionKind.FEEDBACK, "leave the owners alone") is None
    assert run.state["outcome"] == Outcome.MERGED
    assert await recorded(run.stand) == []


async def test_what_feedback_brings_in_is_asked_about_before_it_is_pushed_and_the_same_contents_once(
    equip: Equip,
) -> None:
    ruled = session(SHOUT_LOUD, AGENTS_md="Be loud.\n")
    same = session(f"{SHOUT_LOUD}\n\nMORE = 1\n", AGENTS_md="Be loud.\n")
    sessions = [(Stage.IMPL, 1, session()), (Stage.REVIEW, 1, ruled), (Stage.REVIEW, 2, same)]
    run = await begun(equip, ASKED, *sessions)
    first = await waits(run)
    assert first.kind is WaitKind.REVIEW
    assert "Protected" not in first.summary
    asked = await run.says(DecisionKind.FEEDBACK, "say how loud")
    assert asked is not None
    assert (asked.kind, asked.stage, asked.code) == (WaitKind.GATE, Stage.REVIEW, "protected_files")
    assert (asked.subject, asked.evidence) == (run.state["good_sha"], ("AGENTS.md added",))
    assert await there(run) == first.subject, "the forge has the commit that was looked at"
    shown = await run.says(DecisionKind.APPROVE)
    assert shown is not None
    assert (shown.kind, shown.subject) == (WaitKind.REVIEW, asked.subject)
    assert "Protected files, let through by a person: `AGENTS.md added`." in shown.summary
    assert await there(run) == asked.subject
    shown = await run.says(DecisionKind.FEEDBACK, "and one more")
    assert shown is not None
    assert (shown.kind, shown.subject) == (WaitKind.REVIEW, await there(run))
    assert shown.subject != asked.subject
    assert len(await recorded(run.stand)) == 1


class Linking(ScriptedAgent):
    """Leaves a symlink out of the tree in its first session, and takes it away in the next."""

    async def run(self, task: AgentTask) -> AsyncGenerator[AgentEvent, None]:
        link = task.cwd / "data"
        if task.call.round == 1:
            link.symlink_to("/etc")
        else:
            self.told = task.prompt
            link.unlink()
        async for event in super().run(task):
            yield event


async def test_a_symlink_out_of_the_tree_goes_back_to_the_coder_with_a_sentence(equip: Equip) -> None:
    agent = Linking(sessions={(Stage.IMPL, 1): session(), (Stage.IMPL, 2): session()})
    run = await begun(equip, UNASKED, (Stage.IMPL, 1, session()), agent=agent)
    assert run.state["outcome"] == Outcome.MERGED
    assert run.state["rounds"]["code.impl"] == 2
    assert "data the symlink leaves the tree (an absolute target)" in agent.told
