"""The pipeline as one table; graph edges, resume choices, the plan, progress and the diagram derive from it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Stage(StrEnum):
    """A subgraph of the pipeline, in the order a run goes through them."""

    TRIAGE = "triage"
    LLD = "lld"
    SPEC = "spec"
    IMPL = "impl"
    PR = "pr"
    REVIEW = "review"
    FINALIZE = "finalize"


class Verdict(StrEnum):
    """What a stage concludes."""

    PASS = "PASS"
    BLOCK = "BLOCK"
    RETRY = "RETRY"


class Route(StrEnum):
    """The way triage chose for an issue by its complexity."""

    FULL = "full"
    TRIVIAL = "trivial"  # skips lld and spec
    SPLIT = "split"  # too large: parts are proposed instead of coded


class Gate(StrEnum):
    """A point where a run waits for a person's decision."""

    AFTER_TRIAGE = "after_triage"
    AFTER_LLD = "after_lld"
    AFTER_SPEC = "after_spec"
    BEFORE_PR = "before_pr"
    BEFORE_MERGE = "before_merge"


class Outcome(StrEnum):
    """How a run ended. Blocked is not an end: such a run waits for what it needs."""

    MERGED = "merged"
    PR_OPENED = "pr_opened"
    NO_CHANGE = "no_change"
    DECOMPOSED = "decomposed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REHEARSED = "rehearsed"


class Lane(StrEnum):
    """A coarse part of the pipeline, for boards and summaries."""

    BUILD = "build"
    REVIEW_LOOP = "review-loop"
    FINALIZE = "finalize"


@dataclass(frozen=True, slots=True)
class Row:
    """One stage of the table.

    `steps`: the stage's nodes, in order, as people see them. `hands_on`: what the next stage gets.
    `passes_to`: the next stage on PASS (None: the run ends). `gate`: the gate behind a PASS, if it is on.
    `retry_limit`: visits of the stage in one run before RETRY becomes BLOCK. `retry_to`: the earlier stage that RETRY goes
    back to, where it is not the stage itself.
    `limits`: named bounds of the loops inside the stage, with their defaults.
    """

    stage: Stage
    steps: tuple[str, ...]
    hands_on: tuple[str, ...]
    passes_to: Stage | None
    gate: Gate | None
    retry_limit: int
    limits: tuple[tuple[str, int], ...] = ()
    board_name: str = ""
    retry_to: Stage | None = None


TABLE: tuple[Row, ...] = (
    Row(
        Stage.TRIAGE,
        ("kickoff", "clarification"),
        ("issue brief",),
        Stage.LLD,
        Gate.AFTER_TRIAGE,
        retry_limit=3,
        limits=(("max_edits", 3),),
    ),
    Row(
        Stage.LLD,
        ("design", "design-review"),
        ("LLD",),
        Stage.SPEC,
        Gate.AFTER_LLD,
        retry_limit=1,
        limits=(("max_revisions", 5),),
    ),
    Row(
        Stage.SPEC,
        ("plan", "plan-review"),
        ("implementation spec",),
        Stage.IMPL,
        Gate.AFTER_SPEC,
        retry_limit=1,
        limits=(("max_revisions", 3),),
    ),
    Row(
        Stage.IMPL,
        ("workspace", "code", "test", "change-review"),
        ("branch", "check results"),
        Stage.PR,
        Gate.BEFORE_PR,
        retry_limit=1,
        limits=(("max_test_retries", 3), ("max_review_rounds", 3)),
        board_name="execution",
    ),
    Row(
        Stage.PR,
        ("publish", "deploy-review"),
        ("pull request", "deployment", "review package"),
        Stage.REVIEW,
        None,
        retry_limit=3,
    ),
    Row(
        Stage.REVIEW,
        ("review-intake", "feedback-implementation", "redeploy-review"),
        ("decisions", "new commits"),
        Stage.FINALIZE,
        Gate.BEFORE_MERGE,
        retry_limit=1,
        limits=(("max_feedback_cycles", 10),),
    ),
    Row(
        Stage.FINALIZE,
        ("merge", "post-merge-verify", "follow-up-capture", "closeout"),
        ("merge sha", "follow-ups", "close-out"),
        None,
        None,
        retry_limit=3,  # 1 + max_merge_syncs: what no longer merges is worked in again and put before a person again
        limits=(("max_merge_syncs", 2), ("max_verify_retries", 2)),
        retry_to=Stage.REVIEW,
    ),
)

ROWS: dict[Stage, Row] = {row.stage: row for row in TABLE}
SKIPPED_WHEN_TRIVIAL: frozenset[Stage] = frozenset({Stage.LLD, Stage.SPEC})
"""Stages a trivial change passes over."""


def next_stage(stage: Stage, *, route: Route = Route.FULL) -> Stage | None:
    """The stage after a PASS of `stage` on `route`; None at the end of the pipeline."""
    following = ROWS[stage].passes_to
    while following is not None and route is Route.TRIVIAL and following in SKIPPED_WHEN_TRIVIAL:
        following = ROWS[following].passes_to
    return following


def limit_of(stage: Stage, name: str) -> int:
    """The default of the limit `name` of `stage`."""
    return dict(ROWS[stage].limits)[name]


def lane_of(stage: Stage) -> Lane:
    """The lane `stage` belongs to."""
    if stage is Stage.REVIEW:
        return Lane.REVIEW_LOOP
    return Lane.FINALIZE if stage is Stage.FINALIZE else Lane.BUILD


@dataclass(frozen=True, slots=True)
class Move:
    """What the outer graph does after a stage: go to a stage, halt for a person, or end."""

    kind: Literal["stage", "halt", "end"]
    stage: Stage | None = None


def next_move(
    stage: Stage, verdict: Verdict, *, route: Route = Route.FULL, visits: int = 1, limit: int | None = None
) -> Move:
    """The move after `stage` concluded `verdict` on its visit number `visits` (counted from 1).

    BLOCK halts where the run stands. RETRY visits the stage again, or an earlier one, up to `limit` (None: the table's),
    then halts.
    """
    if verdict is Verdict.PASS:
        following = next_stage(stage, route=route)
        return Move("end") if following is None else Move("stage", following)
    row = ROWS[stage]
    if verdict is Verdict.RETRY and visits < (row.retry_limit if limit is None else limit):
        return Move("stage", row.retry_to or stage)
    return Move("halt", stage)


def problems(table: tuple[Row, ...] = TABLE) -> list[str]:
    """Sentences about what is wrong with `table`; empty for a sound one."""
    found: list[str] = []
    order = [row.stage for row in table]
    if len(set(order)) != len(order):
        found.append("a stage stands in the table twice")
    found += [f"{stage} has no row" for stage in Stage if stage not in order]
    for place, row in enumerate(table):
        if row.retry_limit < 1 or any(limit < 1 for _, limit in row.limits):
            found.append(f"{row.stage} has a loop without a bound")
        if row.passes_to is not None and row.passes_to in order and order.index(row.passes_to) <= place:
            found.append(f"{row.stage} passes back to {row.passes_to}")
        if row.retry_to is not None and row.retry_to in order and order.index(row.retry_to) >= place:
            found.append(f"{row.stage} retries at {row.retry_to}, which is no earlier stage")
        if not row.steps:
            found.append(f"{row.stage} has no step")
    reached = {row.passes_to for row in table} | set(order[:1])
    found += [f"nothing leads to {row.stage}" for row in table if row.stage not in reached]
    return found


def worst_case_calls() -> int:
    """Model calls of one run when every loop inside and between stages runs to its limit (I12).

    Counts an agent session as one call, and every call twice: a question for its one repair round, a session for its
    one restart. Feedback cycles are each asked for by a person, or by a red check of the repository's own CI, and counted once with a full implementation loop, and so
    is each time the base moved on and the change is worked in again. An edited issue is read again and leaves the loops
    as far used as they are: what it opens anew costs one brief, and one draft, session and review of each stage that a
    spent loop would still allow. Before its first review of a brief at a base commit, the reviewer writes down once what it
    expects: anew for each edit, and each time the base moved on.
    """
    implementation = (limit_of(Stage.IMPL, "max_test_retries") + 1) * (limit_of(Stage.IMPL, "max_review_rounds") + 1)
    drafts = sum(2 * (limit_of(stage, "max_revisions") + 1) for stage in (Stage.LLD, Stage.SPEC))
    cycles = limit_of(Stage.REVIEW, "max_feedback_cycles")
    syncs = limit_of(Stage.FINALIZE, "max_merge_syncs")
    reviews = limit_of(Stage.IMPL, "max_review_rounds") + 1
    follow_ups = 1
    edits = limit_of(Stage.TRIAGE, "max_edits") * (1 + 2 * 3)
    foresights = 1 + limit_of(Stage.TRIAGE, "max_edits") + syncs
    work = (1 + cycles + syncs) * (implementation + reviews)
    calls = ROWS[Stage.TRIAGE].retry_limit + edits + drafts + foresights + work + follow_ups
    return 2 * calls


WORST_CASE_CEILING = 650
"""The most model calls a run may need; a test compares `worst_case_calls()` with it."""
