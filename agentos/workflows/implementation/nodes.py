"""The steps of the implementation stage: code, commit, measure, review, and again until it passes or a bound is met."""

import contextlib

from agentos.domain.artifact import ArtifactKind
from agentos.domain.budget import Spend
from agentos.domain.change import ChangeReport, Undone, problems_of
from agentos.domain.document import Evidence, Finding, Review, ReviewVerdict, Severity
from agentos.domain.event import EventKind
from agentos.domain.naming import clean_text
from agentos.domain.pipeline import Outcome, Stage
from agentos.ports.agent import AgentActed, AgentFinished, AgentStatus
from agentos.telemetry.redaction import redacted
from agentos.workflows.implementation import rules
from agentos.workflows.implementation.measuring import change_report, report_of
from agentos.workflows.implementation.reply import ReviewReply
from agentos.workflows.implementation.task import brief_of, coding_task, documents_of
from agentos.workflows.kit.checks import SETUP, measure, measured
from agentos.workflows.kit.commits import commit_time, keep_commits
from agentos.workflows.kit.file_texts import show_repository
from agentos.workflows.kit.foresight import foresee, foresight_markdown
from agentos.workflows.kit.leaking import secret_findings
from agentos.workflows.kit.markdown import (
    brief_markdown,
    checks_markdown,
    findings_markdown,
)
from agentos.workflows.kit.permission import protected_at
from agentos.workflows.kit.plan import expect_files
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.scope import scopes_of
from agentos.workflows.kit.state import BEST, RunState, one_more, used, with_item, without
from agentos.workflows.kit.step import Found, Step
from agentos.workflows.kit.verdict import blocked, findings_as_evidence, passed
from agentos.workspace.snapshot import snapshot
from agentos.workspace.worktree import Worktree, open_worktree

TESTS, REVIEWS = "impl.tests", "impl.reviews"
DIFF_LIMIT_BYTES = 400_000
JUDGED = "judged"
"""In `artifacts`: the report of the change that was judged last."""
NO_TESTS = "WORKFLOW.md names no `test` command, so nothing could prove the acceptance criteria"


async def prepare(state: RunState, step: Step) -> RunState:
    """The issue's worktree is there, on its branch, at the commit work goes on from."""
    start = state.get("head_sha") or state["base_sha"]

    async def find() -> Found | None:
        tree = await worktree_of(state, step)
        return {"branch": tree.branch} if await tree.head() == start else None

    async def act() -> None:
        await (await worktree_of(state, step)).restore(start)

    await step.once("worktree", find=find, act=act, version=f"{step.ctx.run.number}:{start}", consent=False)
    if state.get("pushed") == start:
        await keep_commits(step, state["branch"], state["base_sha"], name="change")
    return {"head_sha": start}


async def baseline(state: RunState, step: Step) -> RunState:
    """What the command matrix does at the base commit: what failed before does not block."""
    commands = {command.name for command in step.ctx.settings.command_matrix()}
    if "test" not in commands:
        return blocked(step.stage, "no_test_command", NO_TESTS, needs=("add `commands: test:` to WORKFLOW.md",))
    known = state.get("artifacts", {}).get("baseline")
    if known is not None:
        return {}
    results = await measure(step, state["base_sha"])
    setup = results.get(SETUP)
    if setup is not None and not setup.passed:
        title = f"the set-up command fails at the base commit {state['base_sha'][:12]}"
        return blocked(step.stage, "setup_fails", title, evidence=(setup.tail,), needs=("a set-up command that works",))
    ref = await step.keep_record(ArtifactKind.CHECKS, measured(results), name="checks-baseline")
    return {"artifacts": with_item(state.get("artifacts"), "baseline", ref.sha256)}


async def code(state: RunState, step: Step) -> RunState:
    """One session of the coding agent in the worktree; what it says proves nothing."""
    sessions = f"code.{step.stage}"
    round_ = used(state, sessions) + 1
    tree = await worktree_of(state, step)
    task, prompt = await coding_task(state, step, tree, round_)
    finished = AgentFinished(AgentStatus.ERROR, "", (), Spend(), "the agent ended without a word")
    async with contextlib.aclosing(step.ctx.ports.agent.run(task)) as session:
        async for event in session:
            if isinstance(event, AgentActed):
                await step.emit(EventKind.AGENT_ACTED, tool=event.tool, line=event.line, ok=event.ok)
            else:
                finished = event
    told = {"prompt": "impl/code", "prompt_digest": prompt.digest}
    await step.emit(
        EventKind.MODEL_CALLED, role="implementer", model=task.model, round=round_, **told, **_used(finished)
    )
    ref = await step.keep_record(ArtifactKind.TRANSCRIPT, finished, name=f"agent-{step.stage}-{round_}")
    update: RunState = {
        "rounds": one_more(state, sessions),
        "artifacts": with_item(state.get("artifacts"), "session", ref.sha256),
    }
    if finished.status in (AgentStatus.STALLED, AgentStatus.ERROR):
        title = f"the coding agent ended without a result: {finished.reason or finished.status}"
        return {**update, **blocked(step.stage, "agent_failed", title, needs=("retry, or another model",))}
    return update


async def commit(state: RunState, step: Step) -> RunState:
    """The agent's files as a commit on the branch, or a finding that says why not."""
    tree = await worktree_of(state, step)
    session = await step.document(AgentFinished, state["artifacts"]["session"])
    parent = state["head_sha"]
    shot = await snapshot(step.ctx.repo, tree.path, parent)
    brief = await brief_of(state, step)
    findings = tuple(Finding(Severity.BLOCKER, "worktree", problem) for problem in shot.problems)
    findings += rules.out_of_scope([change.path for change in shot.changes], scopes_of(brief, step.ctx.settings))
    findings += await secret_findings(step, parent, shot.tree_sha)
    if not shot.changes and session.status is AgentStatus.NO_CHANGE:
        return {"outcome": Outcome.NO_CHANGE} if parent == state["base_sha"] else {"findings": []}
    if not shot.changes and parent == state["base_sha"]:
        findings += (Finding(Severity.BLOCKER, "worktree", "nothing was changed"),)
    if findings:
        return {"findings": [dump(item) for item in findings]}
    when = await commit_time(step)
    title = f"{brief.title} (#{brief.issue_number})"
    head = await tree.commit(shot, redacted(clean_text(f"{title}\n\n{session.summary}\n")), parent=parent, when=when)
    await keep_commits(step, state["branch"], state["base_sha"], name="change")
    return {"head_sha": head, "findings": []}


async def test(state: RunState, step: Step) -> RunState:
    """What is measured at the head, and what that holds against the change."""
    brief = await brief_of(state, step)
    evidence = await _evidence(state, step)
    report = await change_report(state, step, brief, evidence)
    ref = await step.keep_record(ArtifactKind.CHECKS, report, name="change")
    findings = problems_of(report)
    artifacts = with_item(state.get("artifacts"), "change", ref.sha256)
    return {
        "findings": [dump(item) for item in findings],
        "artifacts": artifacts if findings else with_item(artifacts, BEST, ref.sha256),
    }


async def keep_best(state: RunState, step: Step) -> RunState:
    """The worktree at the best measured commit of this loop: where the last round made it worse, at the one before, with
    what is held against that and what was lost."""
    known, change = state["artifacts"].get(BEST), state["artifacts"]["change"]
    best = await step.document(ChangeReport, known) if known else None
    now = await report_of(state, step)
    if best is None or not rules.is_worse(now, best):
        return {"artifacts": with_item(state["artifacts"], BEST, change)}
    undone = Undone(now.head_sha, best.head_sha, rules.lost(best, now))
    await step.keep_record(ArtifactKind.CHECKS, undone, name=f"undone-{undone.sha[:12]}")
    await step.keep_record(ArtifactKind.CHECKS, best, name="change")  # again the newest there is to show
    await step.emit(EventKind.ROUND_UNDONE, **dump(undone))
    await _restore(state, step, undone)
    findings = (*rules.held_against(best), rules.told_of(undone))
    return {
        "head_sha": best.head_sha,
        "artifacts": with_item(state["artifacts"], "change", known),
        "findings": [dump(item) for item in findings],
    }


async def _restore(state: RunState, step: Step, undone: Undone) -> None:
    tree = await worktree_of(state, step)

    async def find() -> Found | None:
        return {"branch": tree.branch} if await tree.stands_at(undone.best_sha) else None

    async def act() -> None:
        await tree.restore(undone.best_sha)

    version = f"{step.ctx.run.number}:{undone.best_sha} after {undone.sha}"
    await step.once("worktree", find=find, act=act, version=version, consent=False)


async def consider_tests(state: RunState, step: Step) -> RunState:
    """Whether a change that is not measured to pass goes back to the coder."""
    tree = await step.ctx.repo.tree_of(state["head_sha"])
    return _consider(state, step, (TESTS, "max_test_retries"), tree)


async def consider_review(state: RunState, step: Step) -> RunState:
    """Whether a change the reviewer sent back goes to the coder again."""
    return _consider(state, step, (REVIEWS, "max_review_rounds"))


def _consider(state: RunState, step: Step, bound: tuple[str, str], tree: str = "") -> RunState:
    """One more round, or the bound or a repetition that ends the loop.

    The same findings again are stagnation; of tests only on the same `tree`, for a red test does not say how near it is.
    """
    loop, limit_name = bound
    findings = tuple(load(Finding, item) for item in state.get("findings", []))
    limit = step.ctx.settings.limit(Stage.IMPL, limit_name)
    name = rules.round_digest(findings, tree)
    evidence = findings_as_evidence(findings)
    if name in state.get("seen", []):
        title = "a round ended with the findings of an earlier one"
        return blocked(step.stage, "stagnation", title, evidence=evidence, needs=("feedback, or another model",))
    if used(state, loop) >= limit:
        title = f"the change does not pass after {limit} more rounds ({limit_name})"
        return blocked(step.stage, limit_name, title, evidence=evidence, needs=("retry for as many rounds again",))
    return {"rounds": one_more(state, loop), "seen": [*state.get("seen", []), name]}


async def review(state: RunState, step: Step) -> RunState:
    """The reviewer's findings on the diff, by what it expected before it saw one; those that do not stand are dropped."""
    report = await report_of(state, step)
    brief = await brief_of(state, step)
    foresight, update = await foresee(state, step, brief)
    diff = await step.ctx.repo.diff(state["base_sha"], state["head_sha"], limit_bytes=DIFF_LIMIT_BYTES)
    reply = await step.ask(
        "reviewer",
        "impl/review",
        ReviewReply,
        round_=used(state, f"judged.{step.stage}") + 1,
        brief=brief_markdown(brief),
        foresight=foresight_markdown(foresight),
        findings=await _found_before(state, step),
        file_texts=await _files_after(state, step, report, diff),
        diff=diff,
        checks=checks_markdown(report.checks),
        workflow=step.ctx.workflow.body,
        feedback=state.get("feedback", []),
    )
    judged = reply.to_review(diff=diff, subject=state["head_sha"], model=step.ctx.choice.of(Stage.IMPL, "reviewer"))
    await step.emit(
        EventKind.REVIEW_JUDGED,
        verdict=judged.verdict,
        findings=[dump(item) for item in judged.findings],
        dropped=[dump(item) for item in judged.dropped],
        round=used(state, f"judged.{step.stage}") + 1,
        subject=judged.subject,
        model=judged.model,
    )
    ref = await step.keep_record(ArtifactKind.CHECKS, rules.with_review(report, judged), name="change")
    artifacts = {**update["artifacts"], "change": ref.sha256, BEST: ref.sha256, JUDGED: ref.sha256}
    rounds = one_more(state, f"judged.{step.stage}")
    return {"artifacts": artifacts, "rounds": rounds, **_judgement(judged, step.stage)}


async def _found_before(state: RunState, step: Step) -> str:
    """What the reviewer found in the version of the change it judged last; empty where there is none."""
    known = state["artifacts"].get(JUDGED)
    review = (await step.document(ChangeReport, known)).review if known else None
    return findings_markdown(review.findings) if review is not None and review.findings else ""


async def _files_after(state: RunState, step: Step, report: ChangeReport, diff: str) -> str:
    """The files at the head, the changed ones first, then those that the difference names."""
    head: RunState = {**state, "base_sha": state["head_sha"]}
    shown = await show_repository(head, step, about=diff, first=(file.path for file in report.files))
    return shown.file_texts


def _judgement(judged: Review, stage: Stage) -> RunState:
    verdict = rules.effective_verdict(judged)
    if verdict is ReviewVerdict.BLOCK:
        evidence = findings_as_evidence(judged.findings)
        return blocked(stage, "reviewer_blocks", judged.summary or "the reviewer blocks the change", evidence=evidence)
    if verdict is ReviewVerdict.APPROVE:
        return {"findings": []}
    return {"findings": [dump(item) for item in rules.stopping(judged.findings)]}


async def conclude(state: RunState, step: Step) -> RunState:
    """The change passed: its commit is the good one, kept as a bundle and as a patch to read, and the feedback is worked
    in."""
    await expect_files(step, (item.path for item in (await report_of(state, step)).files))
    diff = await step.ctx.repo.diff(state["base_sha"], state["head_sha"], limit_bytes=DIFF_LIMIT_BYTES)
    await step.keep(ArtifactKind.DIFF, diff.encode(), suffix=".patch")
    artifacts = without(state["artifacts"], BEST)
    protected = await protected_at(state, step, state["head_sha"])
    done: RunState = {"good_sha": state["head_sha"], "feedback": [], "pushed": "", "artifacts": artifacts}
    return {**passed(), **protected, **done}


async def worktree_of(state: RunState, step: Step) -> Worktree:
    """The issue's worktree, found or made."""
    ctx = step.ctx
    return await open_worktree(ctx.repo, ctx.home, str(ctx.issue.number), state["branch"], state["base_sha"])


async def _evidence(state: RunState, step: Step) -> tuple[Evidence, ...]:
    """Who proves what: by the documents where there are some, else as the agent named it."""
    lld, spec = await documents_of(state, step)
    session = await step.document(AgentFinished, state["artifacts"]["session"])
    return rules.all_evidence(lld, spec, session.evidence)


def _used(finished: AgentFinished) -> dict[str, object]:
    spend = finished.spend
    return {"input_tokens": spend.input_tokens, "output_tokens": spend.output_tokens, "usd": spend.usd}
