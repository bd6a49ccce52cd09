"""Writing the run record: `run.json` and `events.jsonl`, in the store and mirrored to files."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from agentos.domain.artifact import ArtifactKind
from agentos.domain.budget import Spend
from agentos.domain.event import Event, EventKind
from agentos.runs.document import (
    RunDocument,
    Timing,
    artifact_records,
    asked_of,
    check_records,
    cost_record,
    identity,
    stage_records,
    standing,
)
from agentos.store import Store

if TYPE_CHECKING:
    from agentos.workflows.kit.context import RunContext

_GIT_KEYS = {"branch": "branch", "worktree": "branch", "pr": "url", "merge": "sha"}
_OWN = frozenset({ArtifactKind.RUN, ArtifactKind.EVENTS})


async def run_document(store: Store, run_id: int, events: Sequence[Event], versions: dict[str, str]) -> RunDocument:
    """The record of the run `run_id`, to which `events` happened, as the store has it now."""
    now = await store.runs.whole(run_id)
    run, wait = now.run, now.wait
    effects: dict[str, dict[str, Any]] = {
        row.key: dict(row.result or {}) for row in await store.effects.of_issue(run.ref.issue)
    }
    by_stage = await store.costs.spend_by(run_id, "stage")
    refs = [ref for ref in await store.artifacts.of_run(run.ref.id) if ref.kind not in _OWN]
    return RunDocument(
        identity=identity(run),
        standing=standing(run),
        versions=versions,
        git={name: str(effects[key][field]) for name, key, field in _git_fields(effects)},
        stages=stage_records(events),
        checks=check_records(events),
        cost=cost_record(sum(by_stage.values(), Spend())),
        cost_by_stage={k: cost_record(v) for k, v in by_stage.items()},
        cost_by_model={k: cost_record(v) for k, v in (await store.costs.spend_by(run.ref.id, "model")).items()},
        decisions=[{**event.data, "at": event.at} for event in events if event.kind is EventKind.DECISION_TAKEN],
        effects=effects,
        artifacts=artifact_records(refs),
        wait=None if wait is None else {"kind": wait.kind, "title": wait.title, "subject": wait.subject},
        asked=asked_of(now.options),
        timing=Timing(created_at=run.created_at, started_at=run.started_at, completed_at=run.completed_at),
    )


def _git_fields(effects: dict[str, dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(key, key, field) for key, field in _GIT_KEYS.items() if field in effects.get(key, {})]


async def keep_report(ctx: "RunContext") -> None:
    """Effect: `run.json` and `events.jsonl` of the run say what the store says now. Repeating is harmless."""
    store, ref = ctx.store, ctx.run
    versions = {
        "agentos": version("agentos-orchestrator"),
        "prompts": ctx.prompts.digest,
        "workflow": ctx.workflow.digest,
        "sandbox": ctx.ports.sandbox.name,
    }
    happened = await store.ledger.read(ref.id)
    document = await run_document(store, ref.id, happened, versions)
    text = json.dumps(document.model_dump(mode="json", by_alias=True), indent=2, sort_keys=True, ensure_ascii=False)
    events = "".join(event_line(event) for event in happened)
    for kind, content, suffix in (
        (ArtifactKind.RUN, text + "\n", ".json"),
        (ArtifactKind.EVENTS, events, ".jsonl"),
    ):
        await store.artifacts.put(ctx.fence, ref.issue, ref.number, kind, content.encode(), suffix=suffix)


def event_line(event: Event) -> str:
    """One line of `events.jsonl`."""
    line = {
        "seq": event.seq,
        "at": event.at,
        "kind": event.kind,
        "stage": event.stage,
        "step": event.step,
        "data": dict(event.data),
    }
    return json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n"
