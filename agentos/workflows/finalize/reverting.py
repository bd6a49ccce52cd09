"""What a merge brought in, and the steps that take it back where a person wants that: an issue, and a pull request."""

from dataclasses import dataclass

from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import Finding
from agentos.domain.effect import EffectKey, marker
from agentos.domain.package import ReviewPackage
from agentos.ports.forge import PullRequestDraft
from agentos.workflows.finalize import rules
from agentos.workflows.finalize.diagnosis import Diagnosis, revert_draft, revert_key, revert_text
from agentos.workflows.kit.checks import Measured
from agentos.workflows.kit.commits import commit_time
from agentos.workflows.kit.package import SHORT
from agentos.workflows.kit.records import load
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Found, Step

VERIFICATION = "verification"
MOST_COMMITS = 10
MOST_REBASED = 100


@dataclass(frozen=True, slots=True)
class TakenIn:
    """How the base took the change in: what it was `before`, and the words of `git revert` that take it back."""

    before: str
    undone_by: str


async def taken_in(state: RunState, step: Step) -> TakenIn:
    """What the merge brought: one merge commit, one commit, or those of the branch one by one. Before it, where a person
    moved the base to the change itself, was the commit that the change was made on."""
    repo, merged = step.ctx.repo, state["merge_sha"]
    short = merged[:SHORT]
    is_merge = await repo.resolve(f"{merged}^2") is not None
    commits = 1 if is_merge else await _rebased(state, step)
    before = await repo.resolve(f"{merged}~{commits}")
    if before is None or (await repo.is_ancestor(before, state["good_sha"]) and before != state["base_sha"]):
        return TakenIn(state["base_sha"], f"{state['base_sha'][:SHORT]}..{short}")
    if is_merge:
        return TakenIn(before, f"-m 1 {short}")
    return TakenIn(before, short if commits == 1 else f"{before[:SHORT]}..{short}")


async def _rebased(state: RunState, step: Step) -> int:
    """As how many commits the change came in that has no merge commit: as its own, where their subjects are there again."""
    repo, merged = step.ctx.repo, state["merge_sha"]
    ours = await repo.subjects(state["base_sha"], state["good_sha"], most=MOST_REBASED)
    first = f"{merged}~{len(ours)}"
    if not 1 < len(ours) < MOST_REBASED or await repo.resolve(first) is None:
        return 1
    theirs = await repo.subjects(first, merged, most=MOST_REBASED)
    return len(ours) if [*map(_words, theirs)] == [*map(_words, ours)] else 1


def _words(line: str) -> str:
    return line.partition(" ")[2]


async def diagnosis(state: RunState, step: Step) -> Diagnosis:
    """Why the merge fails its checks, as far as it can be told."""
    repo, base, good = step.ctx.repo, state["base_sha"], state["good_sha"]
    merge = await taken_in(state, step)
    ours = {file.path for file in (await repo.diff_stat(base, good)).per_file}
    theirs = {file.path for file in (await repo.diff_stat(base, merge.before)).per_file}
    return Diagnosis(
        merge_sha=state["merge_sha"],
        base_branch=state["base_branch"],
        before_sha=merge.before,
        undone_by=f"git revert {merge.undone_by}",
        failures=tuple(load(Finding, item).where for item in state.get("findings", [])),
        results=(await step.document(Measured, state["artifacts"][VERIFICATION])).results,
        since=await repo.subjects(base, merge.before, most=MOST_COMMITS),
        touched=tuple(sorted(ours)),
        both=tuple(sorted(ours & theirs)),
    )


async def file_revert(state: RunState, step: Step) -> RunState:
    """The revert is an issue of its own, as the person asked, once for each merge."""
    tracker, issue = step.ctx.ports.tracker, step.ctx.issue
    key = revert_key(issue, state["merge_sha"])
    draft = revert_draft(await diagnosis(state, step), await _title(state, step), issue)

    async def find() -> Found | None:
        found = await tracker.find_issue(key)
        return None if found is None else {"number": found.number}

    async def act() -> None:
        await tracker.file_issue(draft, key)

    made = await step.once(key, find=find, act=act, consent=False)
    return {"revert_ticket": made["number"]}


async def push_revert(state: RunState, step: Step) -> RunState:
    """A branch on which the base is as if the change had not come in; none where later commits stand on it."""
    forge, branch = step.ctx.ports.forge, rules.revert_branch(state["merge_sha"])

    async def find() -> Found | None:
        head = await forge.branch_head(branch)
        return None if head is None else {"sha": head}

    sha = await _without_change(state, step) if await find() is None else ""
    if sha is None:
        return {"revert_pr": ""}

    async def act() -> None:
        await forge.push(branch, sha, expected=None)

    await step.once(f"revert-branch:{branch}", find=find, act=act, consent=False)
    return {"revert_branch": branch}


async def open_revert(state: RunState, step: Step) -> RunState:
    """The pull request of that branch: a person merges it, or leaves it."""
    forge, branch, key = step.ctx.ports.forge, state["revert_branch"], EffectKey("revert-pr")
    found_why, title = await diagnosis(state, step), await _title(state, step)
    body = f"{revert_text(found_why, state['revert_ticket'])}\n{marker(key)}"
    draft = PullRequestDraft(
        branch, state["base_branch"], rules.revert_title(title, step.ctx.issue.number, step.ctx.settings), body
    )

    async def find() -> Found | None:
        found = await forge.find_pr(branch)
        return None if found is None else {"url": found.url}

    async def act() -> None:
        await forge.open_pr(draft, key)

    opened = await step.once(key, find=find, act=act, version=state["merge_sha"], consent=False)
    return {"revert_pr": opened["url"]}


async def _without_change(state: RunState, step: Step) -> str | None:
    """The base as it is now, with one more commit that takes the change out; None where that does not go cleanly."""
    repo, merged = step.ctx.repo, state["merge_sha"]
    head = await repo.fetch_base(state["base_branch"])
    before, when = (await taken_in(state, step)).before, await commit_time(step)
    # What git is to merge is the way back, so the merge itself is where both sides part.
    back = await repo.commit_tree(await repo.tree_of(before), [merged], "the way back", when)
    tree = (await repo.merge_tree(head, back)).tree
    if tree is None or tree == await repo.tree_of(head):
        return None
    title = rules.revert_title(await _title(state, step), step.ctx.issue.number, step.ctx.settings)
    return await repo.commit_tree(tree, [head], f"{title}\n\nThis takes back {merged}.\n", when)


async def _title(state: RunState, step: Step) -> str:
    return (await step.document(ReviewPackage, state["artifacts"][ArtifactKind.PACKAGE])).title
