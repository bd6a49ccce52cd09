"""The plan of a run that is only rehearsed: what would happen, read off the table; nothing is changed anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import mean
from typing import Any

from agentos.config.models import ModelChoice
from agentos.config.settings import Settings
from agentos.domain.issue import OPT_OUT_LABEL, Issue
from agentos.domain.pipeline import SKIPPED_WHEN_TRIVIAL, TABLE, Gate, Row, Stage
from agentos.domain.status import LIVE, TERMINAL, JobState

RunRecord = Mapping[str, Any]
"""A `run.json` document."""


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """What would become of one stage. `action` is run, skip, done or not_reached; `expected_s` and `expected_usd`
    are means over past runs of this repository, None where there are none."""

    stage: Stage
    action: str
    why: str
    gate: Gate | None
    models: tuple[str, ...]
    limits: tuple[str, ...]
    expected_s: float | None
    expected_usd: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of the issue would do. `ceilings` are those that are set, `runs` how many past runs the estimate stands on."""

    issue: Issue
    refusal: str
    stages: tuple[PlannedStage, ...]
    expected_s: float | None
    expected_usd: float | None
    runs: int
    ceilings: tuple[str, ...] = ()


def plan(
    issue: Issue, settings: Settings, choice: ModelChoice | None, past: Sequence[RunRecord], entry: Stage | None
) -> Plan:
    """The plan for `issue`; `entry`: the stage a new run would enter at (`--resume-from`), else where the run stands.

    `past`: the run records of this repository, oldest first; `choice` None: no model is at hand.
    """
    own = [record for record in past if record["identity"]["issue"] == issue.ref.number]
    last = own[-1] if own else None
    start = entry or _stands_at(last)
    stages = tuple(_planned(row, settings, choice, past, (start, last, entry is not None)) for row in TABLE)
    running = [stage for stage in stages if stage.action == "run"]
    return Plan(
        issue=issue,
        refusal=_refusal(issue, last, entry),
        stages=stages,
        expected_s=_total([stage.expected_s for stage in running]),
        expected_usd=_total([stage.expected_usd for stage in running]),
        runs=len(past),
        ceilings=tuple(f"{key} {ceiling:g}" for key, ceiling in settings.budget.keyed() if ceiling is not None),
    )


def busy_by(past: Sequence[RunRecord], number: int) -> dict[int, str]:
    """The issues but `number` whose newest run had not ended, with how that stood."""
    newest = {record["identity"]["issue"]: record for record in past}
    return {
        issue: f"run #{record['identity']['run']} is {record['standing']['job']}"
        for issue, record in newest.items()
        if issue != number and JobState(record["standing"]["job"]) in LIVE
    }


def _refusal(issue: Issue, last: RunRecord | None, entry: Stage | None) -> str:
    if not issue.is_open:
        return f"{issue.ref} is closed"
    if OPT_OUT_LABEL in issue.labels:
        return f"{issue.ref} carries {OPT_OUT_LABEL}"
    if last is not None and last["standing"]["job"] == JobState.SUCCEEDED and entry is None:
        return f"run #{last['identity']['run']} of it ended as {last['standing']['outcome']}"
    return ""


def _stands_at(last: RunRecord | None) -> Stage:
    if last is None or JobState(last["standing"]["job"]) in TERMINAL:
        return Stage.TRIAGE
    return Stage(last["standing"]["stage"] or Stage.TRIAGE)


def _planned(
    row: Row,
    settings: Settings,
    choice: ModelChoice | None,
    past: Sequence[RunRecord],
    where: tuple[Stage, RunRecord | None, bool],
) -> PlannedStage:
    action, why = _action(row.stage, settings, where)
    models = (
        []
        if choice is None
        else [f"{role} {model}" for (stage, role), model in choice.models.items() if stage is row.stage]
    )
    return PlannedStage(
        stage=row.stage,
        action=action,
        why=why,
        gate=_gate(row, settings, action),
        models=tuple(models),
        limits=tuple(f"{name} {settings.limit(row.stage, name)}" for name, _ in row.limits),
        expected_s=_mean(_seconds(record, row.stage) for record in past),
        expected_usd=_mean(_usd(record, row.stage) for record in past),
    )


def _gate(row: Row, settings: Settings, action: str) -> Gate | None:
    """The gate behind the stage; one that `--until` pauses at is as good as on, whatever became of the stage."""
    asked = row.gate in settings.gates_on() and action == "run"
    return row.gate if asked or (row.stage is settings.until and action != "done") else None


def _action(stage: Stage, settings: Settings, where: tuple[Stage, RunRecord | None, bool]) -> tuple[str, str]:
    start, last, _ = where
    order = list(Stage)
    if order.index(stage) < order.index(start):
        return "done", "by an earlier run" if where[2] else "by this run"
    if settings.until is not None and order.index(stage) > order.index(settings.until):
        return "not_reached", f"--until {settings.until}"
    made = {record["kind"] for record in last["artifacts"]} if last is not None else set()
    orchestrator = settings.orchestrator
    if stage is Stage.LLD and orchestrator.skip_existing_lld and "lld" in made:
        return "skip", "skip_existing_lld, and an approved one exists"
    if stage is Stage.SPEC and orchestrator.skip_existing_spec and "spec" in made:
        return "skip", "skip_existing_spec, and an approved one exists"
    if (stage is Stage.LLD and orchestrator.skip_lld) or (stage is Stage.SPEC and orchestrator.skip_spec):
        return "skip", "asked for; an approved one is used where there is one"
    if stage in SKIPPED_WHEN_TRIVIAL:
        return "run", "unless triage finds the change trivial"
    return "run", ""


def _seconds(record: RunRecord, stage: Stage) -> float | None:
    spans = [item for item in record["stages"] if item["stage"] == stage and item["ended_at"]]
    if not spans:
        return None
    return sum(
        (datetime.fromisoformat(item["ended_at"]) - datetime.fromisoformat(item["started_at"])).total_seconds()
        for item in spans
    )


def _usd(record: RunRecord, stage: Stage) -> float | None:
    cost = record["cost_by_stage"].get(stage)
    return None if cost is None else cost["usd"]


def _mean(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
