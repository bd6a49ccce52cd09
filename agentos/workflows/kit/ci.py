"""Waiting for the checks of a commit on the forge, and what the stage around it does about them.

The wait is short looks, each a step of its own, so that a run can be stopped in between. A wait that takes long parks
the run: no process is held for it. What checks came to is a document of the run, `ci` among its artifacts.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeAlias

from agentos.domain.artifact import ArtifactKind
from agentos.domain.ci import CiCheck, CiReport, CiResult
from agentos.domain.error import NotYet
from agentos.domain.event import EventKind
from agentos.domain.naming import safe_name
from agentos.domain.pipeline import Stage
from agentos.telemetry.redaction import redacted
from agentos.workflows.kit import ci_rules as rules
from agentos.workflows.kit.ci_rules import Bounds, Next, Ruling, Watch
from agentos.workflows.kit.state import RunState, one_more, reset_rounds, used, with_item
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import blocked, passed

CYCLES, WORK_LOOPS = "review.cycles", "impl."
LOG_CHARACTERS = 200_000
MOST_LOGS = 10


Edge: TypeAlias = tuple[Callable[[RunState], str], list[str]]
"""What goes on, by the state, and what it may be."""


def to_checks(then: str) -> Edge:
    """The edge before a look at the checks; `then` goes on where there are none on the forge."""
    return lambda state: then if state.get("no_ci") else "watch_checks", ["watch_checks", then]


def after_look(then: str) -> Edge:
    """The edge behind a look at the checks: it is repeated, some are run again, or `then` goes on."""

    def after(state: RunState) -> str:
        behind = {Next.WAIT: "watch_checks", Next.RERUN: rerun_checks.__name__}
        return behind.get(Next(state["ci"]["next"]), then)

    return after, ["watch_checks", rerun_checks.__name__, then]


async def look(state: RunState, step: Step) -> RunState:
    """What the checks of the good commit lead to now: `next` in `state["ci"]` says where; a halt leaves the stage.

    Waits a little where they are under way. Raises: NotYet, which parks the run, where that takes long.
    """
    settings, sha = step.ctx.settings.checks, state["good_sha"]
    if not settings.wait:
        note = "checks.wait is off, so the repository's CI was not waited for"
        return await _done(state, step, CiResult(sha, note=note, is_green=False))
    report = await step.ctx.ports.forge.ci(sha, state["base_branch"])
    if report is None:
        return {"ci": _begun(state, step) | {"next": Next.DONE.value}}
    ci = _begun(state, step)
    if not report.checks and not report.is_expected:
        base = await step.ctx.ports.forge.ci(state["base_sha"], state["base_branch"])
        report = replace(report, is_expected=base is not None and bool(base.checks))
    bounds = Bounds(settings.appear_s, settings.queued_s, settings.wait_s)
    ruling = rules.standing(report, _watch(ci, step), bounds)
    match ruling.next:
        case Next.WAIT:
            return await _wait(state, step, ci, report, ruling)
        case Next.HALT:
            return {**_halted(step, ruling, {}), "ci": {**ci, "since": ""}}
        case Next.DONE:
            return await _done(state, step, rules.result(report, None, ci["tried"]), ci)
        case _:
            return await _judge({**state, "ci": ci}, step, report, ruling.checks)


def _begun(state: RunState, step: Step) -> dict[str, Any]:
    """The watch of the good commit, begun now where it is another one's, or was over."""
    ci, now = dict(state.get("ci", {})), step.ctx.ports.clock.now().isoformat()
    if ci.get("sha") != state["good_sha"]:
        kept = {"signature": ci.get("signature", "")}
        ci = {**kept, "sha": state["good_sha"], "seen_at": now, "tried": {}, "stale": [], "since": ""}
    return ci if ci["since"] else {**ci, "since": now, "looks": 0, "told": ""}


def _watch(ci: Mapping[str, Any], step: Step) -> Watch:
    now = step.ctx.ports.clock.now()

    def ago_s(at: str) -> float:
        return max(0.0, (now - datetime.fromisoformat(at)).total_seconds())

    rerun_s = {name: ago_s(at) for name, at in ci["tried"].items() if at}
    return Watch(ago_s(ci["seen_at"]), ago_s(ci["since"]), rerun_s, frozenset(ci["stale"]))


async def _wait(state: RunState, step: Step, ci: dict[str, Any], report: CiReport, ruling: Ruling) -> RunState:
    told = rules.told(report, ruling)
    if told != ci["told"]:
        await step.emit(EventKind.NOTE, text=told)
    settings, waited_s = step.ctx.settings.checks, _watch(ci, step).waited_s
    if state.get("ci", {}).get("since") and waited_s >= settings.hold_s:
        raise NotYet(told, retry_after_s=min(rules.LONGEST_PARK_S, max(30.0, settings.wait_s - waited_s)))
    await step.ctx.ports.clock.sleep(rules.pause_s(ci["looks"]))
    return {"ci": {**ci, "told": told, "looks": ci["looks"] + 1, "next": Next.WAIT.value}}


async def _judge(state: RunState, step: Step, report: CiReport, red: tuple[CiCheck, ...]) -> RunState:
    """Whose fault the red checks are; nothing is asked of a model before that is known."""
    forge, ci = step.ctx.ports.forge, state["ci"]
    base = await forge.ci(state["base_sha"], state["base_branch"])
    ruling = rules.judged(red, base, ci["tried"])
    if ruling.next is Next.DONE:
        return await _done(state, step, rules.result(report, base, ci["tried"]), ci)
    if ruling.next is Next.RERUN:
        return {
            "ci": {**ci, "rerun": ruling.checks[0].rerun, "stale": [each.id for each in red], "next": Next.RERUN.value}
        }
    said = await _said(step, ruling.checks, state["good_sha"])
    ruling = rules.fault(ruling.checks, said, state["good_sha"])
    if ruling.next is Next.HALT:
        return {**_halted(step, ruling, said), "ci": {**ci, "since": ""}}
    name = rules.signature(ruling.checks, said)
    if name == ci["signature"]:
        return {**_stagnant(step, ruling, said), "ci": {**ci, "since": ""}}
    asked = rules.asked_of_coder(ruling.checks, said, state["good_sha"])
    await step.emit(EventKind.NOTE, text=f"CI fails for the change: {', '.join(each.name for each in ruling.checks)}")
    return {"ci": {**ci, "since": "", "signature": name, "asked": asked, "next": Next.WORK.value}}


async def _said(step: Step, checks: tuple[CiCheck, ...], sha: str) -> dict[str, str]:
    """The telling part of what each check said, by its id; the whole is kept for people."""
    found: dict[str, str] = {}
    for check in checks[:MOST_LOGS]:
        log = redacted(await step.ctx.ports.forge.ci_log(check))[-LOG_CHARACTERS:]
        found[check.id] = rules.excerpt(log)
        name = f"ci-{safe_name(check.name)}-{sha[:12]}"
        await step.keep(ArtifactKind.LOG, log.encode("utf-8", "replace"), suffix=".txt", name=name)
    return found


def _halted(step: Step, ruling: Ruling, said: Mapping[str, str]) -> RunState:
    evidence = rules.evidence(ruling.checks, said)
    return blocked(step.stage, ruling.code, ruling.title, evidence=evidence, needs=ruling.needs)


def _stagnant(step: Step, ruling: Ruling, said: Mapping[str, str]) -> RunState:
    title = "the repository's own checks fail as they did before the last round of work"
    needs = ("feedback that says what is different, or another model; or mend the check itself, then retry",)
    return blocked(step.stage, "stagnation", title, evidence=rules.evidence(ruling.checks, said), needs=needs)


async def _done(state: RunState, step: Step, result: CiResult, ci: dict[str, Any] | None = None) -> RunState:
    ref = await step.keep_record(ArtifactKind.CHECKS, result, name=f"ci-{result.sha[:12]}")
    over = {**(ci or _begun(state, step)), "since": "", "signature": "", "next": Next.DONE.value}
    return {"ci": over, "artifacts": with_item(state.get("artifacts"), "ci", ref.sha256)}


async def rerun_checks(state: RunState, step: Step) -> RunState:
    """What failed is run again on the forge, once for each commit; where nobody lets us, it counts as it is.

    It cannot be read back whether it was asked for, so it is asked at most once: a failure that was not run again is
    only taken for what it looks like.
    """
    forge, ci, now = step.ctx.ports.forge, state["ci"], step.ctx.ports.clock.now()
    handle, refused = ci["rerun"], list[str]()

    async def act() -> None:
        if not await forge.rerun(handle):
            refused.append(handle)

    await step.at_most_once(f"ci-rerun:{handle}@{state['good_sha']}", act, consent=True)
    return {"ci": {**ci, "tried": with_item(ci["tried"], handle, "" if refused else now.isoformat())}}


async def sent_back(state: RunState, step: Step) -> RunState:
    """One more round of work on what the checks said, as one more cycle of feedback, within the bound of those."""
    ci = state["ci"]
    if step.ctx.settings.until is Stage.PR:
        title = "the repository's own checks fail, and the run was told to stop at the pull request (--until pr)"
        return blocked(step.stage, "checks_failed", title, evidence=(ci["asked"],), needs=("run it without --until",))
    limit = step.ctx.settings.limit(Stage.REVIEW, "max_feedback_cycles")
    if used(state, CYCLES) >= limit:
        title = f"the change went back {limit} times (max_feedback_cycles), and the repository's own checks fail"
        needs = ("retry, which allows as many cycles again",)
        stop = blocked(step.stage, "max_feedback_cycles", title, evidence=(ci["asked"],), needs=needs)
        return {**stop, "ci": {**ci, "signature": ""}}
    rounds = one_more({**state, "rounds": reset_rounds(state, WORK_LOOPS)}, CYCLES)
    return {**passed(), "feedback": [*state.get("feedback", []), ci["asked"]], "rounds": rounds, "approved_sha": ""}


async def kept_result(state: RunState, step: Step) -> CiResult | None:
    """What the checks of the good commit came to; None where its forge has none, or they were not looked at."""
    known = state.get("artifacts", {}).get("ci")
    found = await step.document(CiResult, known) if known else None
    return found if found is not None and found.sha == state["good_sha"] else None
