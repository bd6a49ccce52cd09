"""Events as sentences: which ones people are told about, and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from agentos.cli.terminal import SHORT, count, money, one_line
from agentos.domain.event import Event, EventKind


class Weight(StrEnum):
    """How much a sentence matters: a detail passes, a milestone stays on the screen, trouble stays and stands out."""

    DETAIL = "detail"
    MILESTONE = "milestone"
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Said:
    """One sentence about a run, cleaned, on one line."""

    text: str
    weight: Weight = Weight.DETAIL


class Narrator:
    """Tells a run's events, in order. It remembers the base commit: a failure there is no news."""

    def __init__(self) -> None:
        self._base = ""

    def tell(self, event: Event) -> Said | None:
        """The sentence for `event`; None for one that only machines need."""
        if event.kind is EventKind.CHECK_ENDED:
            return self._check(event.data)
        words = _WORDS.get(event.kind)
        return None if words is None else words(event.data)

    def _check(self, data: Mapping[str, Any]) -> Said:
        sha, name = str(data.get("sha", "")), data.get("name")
        self._base = self._base or sha
        at_base = sha == self._base
        if at_base and name == "focused":
            return _proof(data)
        where = "at the base commit" if at_base else f"at {sha[:SHORT]}"
        tests, failed = int(data.get("tests", 0)), int(data.get("failed", 0))
        if data.get("passed"):
            what = f"{count(tests, 'test')} passed" if tests else "passed"
        elif data.get("exit_code") is None:
            what = "did not end in time"
        else:
            what = (
                f"{failed} of {count(tests, 'test')} failed" if failed else f"failed with exit code {data['exit_code']}"
            )
        weight = Weight.MILESTONE if data.get("passed") else Weight.TROUBLE
        return Said(one_line(f"{name} {where}: {what}"), Weight.DETAIL if at_base else weight)


def _proof(data: Mapping[str, Any]) -> Said:
    """The tests that are to prove the change, run without it."""
    tests, failed = int(data.get("tests", 0)), int(data.get("failed", 0))
    if not tests:
        return Said("without the change no report told of the named tests, so they prove nothing", Weight.TROUBLE)
    if not failed:
        return Said(
            f"{count(tests, 'named test')} passed without the change, too, and so prove nothing", Weight.TROUBLE
        )
    return Said(f"without the change {failed} of {count(tests, 'named test')} failed, as they should")


def _stage_ended(data: Mapping[str, Any]) -> Said | None:
    verdict = str(data.get("verdict", ""))
    if not verdict:
        return None
    why = one_line(str(data.get("why", "")))
    return Said(f"{verdict}: {why}" if why else verdict, Weight.MILESTONE if verdict == "PASS" else Weight.TROUBLE)


def _sent_back(data: Mapping[str, Any]) -> Said | None:
    match data.get("node"):
        case "consider_tests":
            return Said("not proved yet: back to the code with the findings", Weight.TROUBLE)
        case "consider_review":
            return Said("the reviewer's findings go back to the code", Weight.TROUBLE)
        case "teardown":
            return Said("cleans up", Weight.DETAIL)
        case _:
            return None


def _undone(data: Mapping[str, Any]) -> Said:
    sha, best, losses = str(data.get("sha"))[:SHORT], str(data.get("best_sha"))[:SHORT], data.get("lost") or []
    return Said(one_line(f"{sha} made it worse: back to {best}; it lost {', '.join(map(str, losses))}"), Weight.TROUBLE)


def _judged(data: Mapping[str, Any]) -> Said:
    verdict, findings = data.get("verdict"), data.get("findings")
    number = len(findings) if isinstance(findings, list) else int(findings or 0)
    text = f"reviewer: {verdict}" + (f", {count(number, 'finding')}" if number else "")
    if lost := len(data.get("dropped") or ()):
        text += f", {lost} dropped"
    if isinstance(findings, list) and findings:
        text += f": {findings[0].get('where')}: {findings[0].get('problem')}"
    return Said(one_line(text), Weight.MILESTONE if verdict == "approve" else Weight.TROUBLE)


def _effect(key: str, result: Mapping[str, Any]) -> Said | None:
    """What was made outside; comments, board and worktree are nothing to report."""
    name = key.split("@")[0].split(":")[0]
    texts = {
        "branch": lambda: f"branch pushed at {str(result.get('sha', ''))[:SHORT]}",
        "pr": lambda: f"pull request {result.get('url')}",
        "deploy": lambda: _deployment(result.get("deployment") or {}),
        "merge": lambda: f"merged as {str(result.get('sha', ''))[:SHORT]}",
        "follow-up": lambda: f"follow-up filed as issue {result.get('number')}",
        "part": lambda: f"part filed as issue {result.get('number')}",
        "close": lambda: f"issue {result.get('closed')} closed",
    }
    if name in texts:
        return Said(one_line(texts[name]()), Weight.MILESTONE)
    quiet = {
        "teardown": "deployment taken down",
        "branch-deleted": "branch deleted",
        "worktree-removed": "worktree removed",
    }
    return Said(quiet[name]) if name in quiet else None


def _deployment(deployment: Mapping[str, Any]) -> str:
    if deployment.get("url"):
        return f"to be tried at {deployment['url']}"
    return f"nothing to deploy: the report of {str(deployment.get('sha', ''))[:SHORT]} takes its place"


def _decision(data: Mapping[str, Any]) -> Said:
    text = f"{data.get('actor')}: {data.get('kind')}"
    if data.get("kind") == "approve" and data.get("subject"):
        text += f" {str(data['subject'])[:SHORT]}"
    if data.get("text"):
        text += f": {data['text']}"
    return Said(one_line(text), Weight.MILESTONE)


def _use(data: Mapping[str, Any]) -> str:
    tokens = int(data.get("input_tokens") or 0) + int(data.get("output_tokens") or 0)
    return f"{tokens} tokens, {money(data.get('usd'))}"


def _boxed(what: str, data: Mapping[str, Any], weight: Weight) -> Said | None:
    """What keeps commands in while the run works."""
    kind = one_line(str(data.get("sandbox", "")), 40)
    held = "commands run in no box" if kind == "process" else f"commands run under {kind}"
    return Said(f"{what}; {held}", weight) if kind else None


def _begun(data: Mapping[str, Any]) -> Said:
    return Said("begins" if data.get("tries", 1) == 1 else f"begins, try {data['tries']}")


def _asked(data: Mapping[str, Any]) -> Said:
    role = "what the reviewer expects" if data.get("role") == "foresight" else data.get("role")
    return Said(one_line(f"{role} ({data.get('model')}): round {data.get('round')}, {_use(data)}"))


def _acted(data: Mapping[str, Any]) -> Said:
    failed = "" if data.get("ok", True) else ", which failed"
    return Said(one_line(f"{data.get('tool')}: {data.get('line')}{failed}", 200))


_WORDS: dict[EventKind, Callable[[Mapping[str, Any]], Said | None]] = {
    EventKind.RUN_QUEUED: lambda data: Said(f"run #{data.get('number')} begins", Weight.MILESTONE),
    EventKind.RUN_ACCEPTED: lambda data: _boxed("accepted", data, Weight.MILESTONE),
    EventKind.RUN_RESUMED: lambda data: _boxed("goes on", data, Weight.DETAIL),
    EventKind.STAGE_SKIPPED: lambda data: Said(one_line(f"skipped: {data.get('reason')}"), Weight.MILESTONE),
    EventKind.STAGE_STARTED: _begun,
    EventKind.STAGE_ENDED: _stage_ended,
    EventKind.STEP_STARTED: _sent_back,
    EventKind.MODEL_CALLED: _asked,
    EventKind.AGENT_ACTED: _acted,
    EventKind.REVIEW_JUDGED: _judged,
    EventKind.ROUND_UNDONE: _undone,
    EventKind.EFFECT_DONE: lambda data: _effect(str(data.get("key", "")), data.get("result") or {}),
    EventKind.DECISION_TAKEN: _decision,
    EventKind.ISSUE_EDITED: lambda _: Said("the issue was edited: triage reads it again", Weight.MILESTONE),
    EventKind.NOTE: lambda data: Said(one_line(str(data.get("text", ""))), Weight.MILESTONE),
}
