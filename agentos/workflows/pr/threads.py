"""The steps that answer review threads once what they ask for is worked in and deployed: one thread at a time."""

from agentos.domain.artifact import ArtifactKind
from agentos.domain.effect import EffectKey, marker
from agentos.domain.error import OutsideError
from agentos.domain.failure import PASSING
from agentos.domain.package import ReviewPackage
from agentos.ports.forge import ReviewThread
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.step import Found, Step
from agentos.workflows.pr import rules


async def find_threads(state: RunState, step: Step) -> RunState:
    """The open threads of the reviews that this cycle worked in; what people began since is left to them."""
    worked_in, cycle = state.get("reviews", {}), state.get("cycle", 0)
    try:
        found = await step.ctx.ports.forge.threads(state["pr_number"])
    except OutsideError as exc:
        if exc.kind in PASSING:
            raise
        return {"threads": []}  # a server or a token without them: answering is a courtesy, and stops no work
    return {"threads": [each.id for each in found if rules.is_asked_again(each, worked_in, cycle)]}


def next_thread(state: RunState) -> str:
    """The node that goes on."""
    return "answer_thread" if state.get("threads") else after_threads(state)


def after_threads(state: RunState) -> str:
    """The node behind the threads, where there are any."""
    return "invite" if state.get("no_draft") else "mark_ready"


def after_package(state: RunState) -> str:
    """The node behind the package: only a review has threads that may be answered."""
    worked_in = state.get("cycle", 0) in state.get("reviews", {}).values()
    return "find_threads" if worked_in else after_threads(state)


async def answer_thread(state: RunState, step: Step) -> RunState:
    """The next thread is told what was done, and with which commit."""
    package = await _package(state, step)
    thread, forge = state["threads"][0], step.ctx.ports.forge
    key = rules.thread_key("reply", thread, package)

    async def find() -> Found | None:
        there = await _find(state, step, thread)
        return {"thread": thread} if there is None or marker(EffectKey(key)) in there.marks else None

    async def act() -> None:
        await forge.reply(state["pr_number"], thread, rules.thread_reply(package), EffectKey(key))

    await step.once(key, find=find, act=act)
    return {}


async def resolve_thread(state: RunState, step: Step) -> RunState:
    """That thread is settled, unless somebody said more in it."""
    package = await _package(state, step)
    thread, *left = state["threads"]
    key, forge = rules.thread_key("resolved", thread, package), step.ctx.ports.forge

    async def find() -> Found | None:
        there = await _find(state, step, thread)
        stays_open = there is not None and not rules.may_settle(there, state.get("reviews", {}), package)
        is_done = there is None or there.is_resolved or stays_open
        return {"thread": thread, "open": stays_open} if is_done else None

    async def act() -> None:
        await forge.resolve(state["pr_number"], thread)

    await step.once(key, find=find, act=act)
    return {"threads": left}


async def _find(state: RunState, step: Step, thread: str) -> ReviewThread | None:
    """The thread as it is now; None where it was deleted."""
    found = await step.ctx.ports.forge.threads(state["pr_number"])
    return next((each for each in found if each.id == thread), None)


async def _package(state: RunState, step: Step) -> ReviewPackage:
    return await step.document(ReviewPackage, state["artifacts"][ArtifactKind.PACKAGE])
