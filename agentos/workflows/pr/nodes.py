"""The steps of the pr stage: push, open, edit, deploy, write the package, mark as ready, invite."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.change import ChangeReport, Undone
from agentos.domain.document import Deployment, IssueBrief, Review
from agentos.domain.error import BugError, OutsideError
from agentos.domain.failure import PASSING, FailureKind
from agentos.domain.naming import text_digest
from agentos.domain.package import JudgedFinding, Place, ReviewPackage, fates
from agentos.domain.pipeline import Gate
from agentos.ports.agent import AgentFinished
from agentos.ports.deployer import DeployRequest
from agentos.ports.forge import PullRequestDraft
from agentos.workflows.kit.blocks import defused, is_foreign
from agentos.workflows.kit.board import say
from agentos.workflows.kit.branch import foreign_commits
from agentos.workflows.kit.ci import kept_result
from agentos.workflows.kit.cleanup import PR_CLOSED
from agentos.workflows.kit.deployment import deploy_request
from agentos.workflows.kit.package import commands, package_markdown
from agentos.workflows.kit.records import dump, load
from agentos.workflows.kit.scope import outside, scopes_of
from agentos.workflows.kit.state import RunState, with_item
from agentos.workflows.kit.step import Found, Step
from agentos.workflows.kit.verdict import blocked, passed
from agentos.workflows.pr import rules
from agentos.workspace.export import export_tree

OPTED_OUT = frozenset({FailureKind.GONE, FailureKind.DENIED})
"""What a withdrawn consent looks like; never the deployment's own failure."""


async def push(state: RunState, step: Step) -> RunState:
    """The good commit is on the forge; a branch that holds somebody else's commits is left alone."""
    forge, branch, sha = step.ctx.ports.forge, state["branch"], state["good_sha"]
    there = await forge.branch_head(branch)
    if there is not None and await step.ctx.repo.resolve(there) is None:
        return foreign_commits(step, branch, there)
    if await _was_closed_by_hand(state, step):
        return _closed_by_hand(step, state["pr_number"])

    async def find() -> Found | None:
        return {"sha": sha} if await forge.branch_head(branch) == sha else None

    async def act() -> None:
        await forge.push(branch, sha, expected=there)

    try:
        await step.once("branch", find=find, act=act, version=sha)
    except OutsideError as exc:
        if exc.kind is not FailureKind.CONFLICT:
            raise
        return foreign_commits(step, branch, str(exc))
    return {}


async def _was_closed_by_hand(state: RunState, step: Step) -> bool:
    """Whether a person closed the run's pull request without merging it; a cancelled run closes its own."""
    number = state.get("pr_number")
    found = await step.ctx.ports.forge.find_pr(state["branch"]) if number is not None else None
    if found is None or (found.number, found.state) != (number, "closed"):
        return False
    ours = await step.ctx.store.effects.get(step.ctx.issue, PR_CLOSED)
    return ours is None or (ours.result or {}).get("number") != number


def _closed_by_hand(step: Step, number: int) -> RunState:
    title = f"pull request {number} was closed by hand, so nothing was pushed and no other one was opened"
    needs = (f"reopen pull request {number}, then retry; or reject, which ends the run",)
    return blocked(step.stage, "pr_closed", title, needs=needs)


async def open_pr(state: RunState, step: Step) -> RunState:
    """The one pull request of the branch."""
    forge, branch = step.ctx.ports.forge, state["branch"]
    title, body = await _text(state, step)

    async def find() -> Found | None:
        found = await forge.find_pr(branch)
        if found is None or not rules.is_ours(found, state["base_branch"]):
            return None
        return {"number": found.number, "url": found.url, "draft": found.is_draft}

    async def act() -> None:
        await forge.open_pr(PullRequestDraft(branch, state["base_branch"], title, body, unready=True), rules.PR)

    opened = await step.once(rules.PR, find=find, act=act)
    lacks: RunState = {"no_draft": not opened.get("draft", True), "no_ci": not forge.runs_checks}
    return {"pr_number": opened["number"], "pr_url": opened["url"], **lacks}


async def edit_pr(state: RunState, step: Step) -> RunState:
    """The pull request speaks of the commit it holds now."""
    forge = step.ctx.ports.forge
    title, body = await _text(state, step)

    async def find() -> Found | None:
        found = await forge.find_pr(state["branch"])
        return {"number": state["pr_number"]} if rules.says(found, title, body) else None

    async def act() -> None:
        await forge.edit_pr(state["pr_number"], title=title, body=body)

    await step.once("pr-text", find=find, act=act, version=text_digest(title, body))
    return {}


async def _text(state: RunState, step: Step) -> tuple[str, str]:
    brief, report = await _brief(state, step), await _report(state, step)
    issue = await step.ctx.ports.tracker.get(step.ctx.issue.number)
    settings = step.ctx.settings
    return rules.pr_title(brief, settings), rules.pr_body(issue, brief, report, step.ctx.run, settings)


async def deploy(state: RunState, step: Step) -> RunState:
    """The commit, somewhere a person can try it; where a deployment is configured and fails, the stage blocks."""
    deployer, sha, settings = step.ctx.ports.deployer, state["good_sha"], step.ctx.settings
    request = deploy_request(step.ctx, sha)
    if settings.deploy is not None and (refused := rules.unreachable(settings.deploy.url, settings)):
        return _unreachable(step, refused)

    async def find() -> Found | None:
        found = await deployer.find(request)
        return None if found is None else {"deployment": dump(found)}

    async def act() -> None:
        await _put_files(state, step, request)
        await deployer.deploy(request)
        await asyncio.to_thread(_drop_older, request.folder)

    try:
        # Looked up anew in each cycle and try: a deployment may have died since the last one.
        found = await step.once(f"deploy@{sha}", find=find, act=act, version=_visit(state, step))
    except OutsideError as exc:
        if exc.kind in OPTED_OUT | PASSING:
            raise
        needs = ("a deploy command that works for this commit (`deploy:` in WORKFLOW.md), then retry",)
        title = f"commit {sha[:12]} could not be deployed"
        return blocked(step.stage, "deploy_failed", title, evidence=(str(exc),), needs=needs)
    deployment = load(Deployment, found["deployment"])
    if refused := rules.unreachable(deployment.url, settings):
        return _unreachable(step, refused)
    return {"deployment": dump(rules.described(deployment, state["branch"]))}


def _unreachable(step: Step, why: str) -> RunState:
    needs = ("an address that whoever reviews can open (`deploy.url`, or the environment's url), then retry",)
    return blocked(step.stage, "deploy_unreachable", why, needs=needs)


def _visit(state: RunState, step: Step) -> str:
    tries = state.get("stage_attempts", {}).get(step.stage, 0)
    return f"{step.ctx.run.number}.{state.get('cycle', 0)}.{step.stage}.{tries}"


async def _put_files(state: RunState, step: Step, request: DeployRequest) -> None:
    """Effect: `request.folder` holds the commit's files, or, where nothing can be deployed, what its checks say."""
    if request.folder.exists():
        return
    fresh = request.folder.with_suffix(".new")
    await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
    if step.ctx.settings.deploy is not None and step.ctx.settings.deploy.run:
        await export_tree(step.ctx.repo, request.sha, fresh)
    else:
        fresh.mkdir(parents=True)
        (fresh / "checks.md").write_text(rules.target_report(await _report(state, step)), encoding="utf-8")
    fresh.rename(request.folder)


def _drop_older(folder: Path) -> None:
    """Effect: of the issue's deployed files only those in `folder` are left."""
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


async def package(state: RunState, step: Step) -> RunState:
    """Everything a person needs to decide, as a record and as a document."""
    made = await _package(state, step)
    what_now = commands(made.issue_number, sha=made.sha)
    text = defused(package_markdown(made, heading=rules.HEADING, what_now=what_now))
    await step.keep(ArtifactKind.PACKAGE, text.encode(), suffix=".md")
    ref = await step.keep_record(ArtifactKind.PACKAGE, made)
    return {"artifacts": with_item(state.get("artifacts"), ArtifactKind.PACKAGE, ref.sha256)}


async def _package(state: RunState, step: Step) -> ReviewPackage:
    brief, report = await _brief(state, step), await _report(state, step)
    if report.head_sha != state["good_sha"]:
        raise BugError(f"the report is about {report.head_sha}, not about {state['good_sha']}, which is to be reviewed")
    former = state["artifacts"].get(ArtifactKind.PACKAGE)
    cycle = state.get("cycle", 0)
    refs = await step.ctx.store.artifacts.of_run(step.ctx.run.id)
    findings, reviewers = await _reviews(step, refs)
    made = ReviewPackage(
        issue_number=step.ctx.issue.number,
        run_number=step.ctx.run.number,
        cycle=cycle,
        title=brief.title,
        risk=brief.risk,
        change=report,
        place=Place(state["branch"], state["base_branch"], state["pr_number"], state["pr_url"]),
        deployment=load(Deployment, state["deployment"]),
        reviewers=reviewers,
        findings=findings,
        spend=await step.ctx.store.costs.spend(step.ctx.run.id),
        previous_sha=rules.previous_sha(
            await step.document(ReviewPackage, former) if former else None, step.ctx.run.number, cycle
        ),
        undone=tuple([await step.document(Undone, ref.sha256) for ref in refs if rules.is_undone(ref)]),
        protected=tuple(state.get("protected", {}).get("files", ())),
        ci=await kept_result(state, step),
        excess=tuple(outside([file.path for file in report.files], scopes_of(brief, step.ctx.settings))),
        rivals=await _rivals(state, step),
    )
    return replace(made, remark=await _last_words(state, step)) if made.repeats else made


async def _rivals(state: RunState, step: Step) -> tuple[str, ...]:
    """Others' open pull requests for this issue; none where a number means another issue there."""
    if is_foreign(step.ctx.settings):
        return ()
    issue = await step.ctx.ports.tracker.get(step.ctx.issue.number)
    return rules.rivals(await step.ctx.ports.forge.other_prs(state["branch"]), issue)


async def _reviews(step: Step, refs: tuple[ArtifactRef, ...]) -> tuple[tuple[JudgedFinding, ...], tuple[str, ...]]:
    """The findings on the documents and the change with their fate, and the models that judged."""
    subjects: dict[str, list[Review]] = {}
    for ref in refs:
        subject = rules.subject_of(ref)
        if subject == rules.CHANGE:
            review = (await step.document(ChangeReport, ref.sha256)).review
        else:
            review = await step.document(Review, ref.sha256) if subject else None
        if subject and review is not None:
            subjects.setdefault(subject, []).append(review)
    found = tuple(item for reviews in subjects.values() for item in fates(tuple(reviews)))
    models = (review.model for reviews in subjects.values() for review in reviews)
    return found, tuple(dict.fromkeys(models))


async def _last_words(state: RunState, step: Step) -> str:
    session = state["artifacts"].get("session")
    if session is None:
        return ""
    finished = await step.document(AgentFinished, session)
    return finished.reason or finished.summary


async def mark_ready(state: RunState, step: Step) -> RunState:
    """The pull request is no draft any more: there is something to look at."""
    forge, number = step.ctx.ports.forge, state["pr_number"]

    async def find() -> Found | None:
        found = await forge.find_pr(state["branch"])
        return {"number": number} if found is None or found.number != number or not found.is_draft else None

    async def act() -> None:
        await forge.mark_ready(number)

    await step.once("pr-ready", find=find, act=act, version=str(number))
    return {}


async def invite(state: RunState, step: Step) -> RunState:
    """A person is asked on the issue, once a cycle."""
    record = state["artifacts"][ArtifactKind.PACKAGE]
    made = await step.document(ReviewPackage, record)
    key = f"review-package:{step.ctx.run.number}.{made.cycle}"
    await say(step, key, rules.invitation(made, record))
    return {"current_stage": state["current_stage"]}


async def notify(state: RunState, step: Step) -> RunState:
    """The person is told that the change can be looked at, at most once a cycle."""
    made = await step.document(ReviewPackage, state["artifacts"][ArtifactKind.PACKAGE])
    key = f"notify:{Gate.BEFORE_MERGE}:{step.ctx.run.number}.{made.cycle}"
    await step.at_most_once(key, lambda: step.ctx.ports.notifier.notify(rules.notice(made)))
    return passed()


async def _brief(state: RunState, step: Step) -> IssueBrief:
    return await step.document(IssueBrief, state["artifacts"][ArtifactKind.BRIEF])


async def _report(state: RunState, step: Step) -> ChangeReport:
    return await step.document(ChangeReport, state["artifacts"]["change"])
