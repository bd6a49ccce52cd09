"""Facts that happened in a run, appended once to the ledger; people, panel and reports read them, the graph never does."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from agentos.domain.pipeline import Stage

JsonObject: TypeAlias = Mapping[str, Any]
"""Plain JSON: str, int, float, bool, None, lists and objects of those. The one place where `Any` is JSON's shape."""


class EventKind(StrEnum):
    """What happened. The payload of each kind is listed in docs/reference/events.md."""

    RUN_QUEUED = "run_queued"
    RUN_ACCEPTED = "run_accepted"
    RUN_RESUMED = "run_resumed"
    RUN_WAITING = "run_waiting"
    RUN_BLOCKED = "run_blocked"
    RUN_PAUSED = "run_paused"
    RUN_PARKED = "run_parked"
    RUN_ENDED = "run_ended"
    STAGE_STARTED = "stage_started"
    STAGE_SKIPPED = "stage_skipped"
    STAGE_ENDED = "stage_ended"
    STEP_STARTED = "step_started"
    STEP_ENDED = "step_ended"
    ARTIFACT_STORED = "artifact_stored"
    MODEL_CALLED = "model_called"
    AGENT_ACTED = "agent_acted"
    CHECK_ENDED = "check_ended"
    REVIEW_JUDGED = "review_judged"
    ROUND_UNDONE = "round_undone"
    EFFECT_DONE = "effect_done"
    DECISION_TAKEN = "decision_taken"
    ISSUE_EDITED = "issue_edited"
    REQUESTS_COUNTED = "requests_counted"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `seq` grows by one within a run; `at` is an ISO 8601 UTC time from the database."""

    run_id: int
    seq: int
    at: str
    kind: EventKind
    stage: Stage | None
    step: str | None
    data: JsonObject
