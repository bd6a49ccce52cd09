"""A person's word on protected files, before anything of them leaves this machine."""

import re

from agentos.config.settings import Settings
from agentos.domain.decision import DecisionKind, Wait
from agentos.domain.pipeline import Gate, Stage, Verdict
from agentos.domain.status import WaitKind
from agentos.workflows.kit.markdown import bullets
from agentos.workflows.kit.protection import (
    LINK,
    Protection,
    as_state,
    is_undecided,
    protected_changes,
    undecided_files,
)
from agentos.workflows.kit.records import dump
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Step


async def protected_at(state: RunState, step: Step, head: str) -> RunState:
    """The part of the state that says which protected files the commit `head` changes against the base."""
    repo, base = step.ctx.repo, state["base_sha"]
    changes = await repo.diff_tree_raw(base, head)
    protection = Protection(protected_globs(step.ctx.settings), await _links(step, base, head))
    return as_state(protected_changes(changes, protection))


def protected_globs(settings: Settings) -> tuple[str, ...]:
    """What is protected in one repository besides the defaults: what the settings list, and the tickets, for what stands in
    their threads is people's word to the runs."""
    if settings.tracker.kind != "files":
        return settings.scope.protected
    return (*settings.scope.protected, "/" + re.sub(r"([\\*?\[\]!# ])", r"\\\1", settings.tracker.folder))


async def _links(step: Step, *commits: str) -> dict[str, str]:
    """The symlinks of these commits, by path, with their targets."""
    repo = step.ctx.repo
    found = {
        entry.path: entry.sha for commit in commits for entry in await repo.list_paths(commit) if entry.mode == LINK
    }
    blobs = await repo.read_blobs(sorted(set(found.values()))) if found else {}
    return {path: blobs[sha].decode("utf-8", "surrogateescape") for path, sha in found.items()}


async def permit(state: RunState, step: Step) -> RunState:
    """Nothing where a person has let the protected files of the good commit through, or there are none; else the wait."""
    update = await protected_at(state, step, state["good_sha"])
    asked: RunState = {**state, **update}
    return {**update, **_ask(asked, step.stage)} if is_undecided(asked) else update


def _ask(state: RunState, stage: Stage) -> RunState:
    sha, files = state["good_sha"], undecided_files(state)
    # In the pr stage there is nobody to give feedback to; a run from its beginning asks behind impl, where there is.
    feedback = (DecisionKind.FEEDBACK,) if stage is Stage.REVIEW else ()
    wait = Wait(
        WaitKind.GATE,
        stage,
        f"{Gate.BEFORE_PR}: may protected files change as in {sha[:12]}?",
        told(files),
        (DecisionKind.APPROVE, *feedback, DecisionKind.REJECT),
        subject=sha,
        gate=Gate.BEFORE_PR,
        code="protected_files",
        evidence=files,
        needs=("approve, which lets exactly these contents be published",),
    )
    return {"verdict": Verdict.BLOCK, "wait": dump(wait)}


def told(files: tuple[str, ...]) -> str:
    """What a person is told of protected files, as Markdown."""
    listed = bullets("`{}`".format(each.replace("`", "'")) for each in files)
    return (
        f"**Protected files need your word** (what runs, what is installed, what tells agents what to do):\n\n{listed}"
    )
