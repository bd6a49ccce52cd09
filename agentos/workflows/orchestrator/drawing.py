"""The pipeline as a page: diagram, stages and statuses, read off the tables that the code itself goes by (pure)."""

from collections.abc import Iterable, Iterator

from agentos.domain.pipeline import SKIPPED_WHEN_TRIVIAL, TABLE, Outcome, Route, Row, Stage, lane_of, next_stage
from agentos.domain.status import JobState, Position, WaitKind, derive_label, derive_status, needs_person
from agentos.workflows.kit.markdown import table

_HEAD = """\
# The pipeline

Written by `python tools/check.py --write-docs` from `agentos/domain/pipeline.py` and `agentos/domain/status.py`; a test
keeps it so. To change the pipeline, change the table.
"""
_ENDS = (Outcome.MERGED, Outcome.NO_CHANGE, Outcome.DECOMPOSED, Outcome.PR_OPENED)


def pipeline_page() -> str:
    """The whole page as Markdown."""
    return f"""{_HEAD}
## The way of a run

```mermaid
{diagram()}
```

A gate that is off is passed without asking. BLOCK, from any stage, stops the run where it stands: it waits for a person
with a sentence, the evidence and what is needed. RETRY visits the stage again, or goes back to where its arrow leads; the
last visit's RETRY is a BLOCK.

## Stages

{_stages()}

## Status

The status of an issue is derived from its newest run, never stored. The first row that matches counts.

{_statuses()}
"""


def diagram() -> str:
    """The stages, their gates and their edges as a Mermaid flowchart."""
    lines = ["flowchart TD"]
    for row in TABLE:
        lines.append(f'    {row.stage}["{row.stage}"]')
        if row.gate is not None:
            lines.append(f'    {row.gate}{{{{"{row.gate}"}}}}')
    lines.append('    done(["end"])')
    return "\n".join([*lines, *(f"    {edge}" for row in TABLE for edge in _edges(row))])


def _edges(row: Row) -> Iterator[str]:
    following = str(next_stage(row.stage) or "done")
    last = str(row.gate or row.stage)
    if row.gate is not None:
        yield f"{row.stage} -- PASS --> {row.gate}"
    yield f"{last} --> {following}" if row.gate is not None else f"{last} -- PASS --> {following}"
    shortcut = next_stage(row.stage, route=Route.TRIVIAL)
    if str(shortcut) != following and row.stage not in SKIPPED_WHEN_TRIVIAL and shortcut is not None:
        yield f"{last} -- trivial --> {shortcut}"
    if row.retry_limit > 1:
        yield f'{row.stage} -- "RETRY, {row.retry_limit} visits" --> {row.retry_to or row.stage}'


def _stages() -> str:
    rows = (
        (
            f"{row.stage} ({row.board_name})" if row.board_name else str(row.stage),
            str(lane_of(row.stage)),
            ", ".join(row.steps),
            ", ".join(row.hands_on),
            str(row.passes_to or "end"),
            str(row.gate or ""),
            str(row.retry_limit),
            ", ".join(f"`{name}` {most}" for name, most in row.limits),
        )
        for row in TABLE
    )
    return table(("Stage", "Lane", "Steps", "Hands on", "PASS", "Gate", "Visits", "Limits"), rows)


def _statuses() -> str:
    rows = (
        (
            str(at.job or "no run"),
            where,
            f"**{derive_status(at)}**",
            f"`{derive_label(at)}`" if derive_label(at) else "",
            "yes" if needs_person(at) else "",
        )
        for where, at in _positions()
    )
    return table(("Job", "Where", "Status", "Label", "A person must look"), rows)


def _positions() -> Iterator[tuple[str, Position]]:
    """One position for each case that people can tell apart, with its words."""
    for job in (None, *JobState):
        yield from _told_apart(_cases(job))


def _cases(job: JobState | None) -> list[tuple[str, Position]]:
    before, after = Stage.IMPL, Stage.FINALIZE
    if job is JobState.SUCCEEDED:
        return [(f"ended as {outcome}", Position(job, after, outcome=outcome)) for outcome in _ENDS]
    if job is JobState.WAITING:
        kinds = (WaitKind.GATE, WaitKind.REVIEW, WaitKind.QUESTION, WaitKind.DOSSIER)
        return [
            (f"for: {kind}", Position(job, after if kind is WaitKind.DOSSIER else before, wait=kind)) for kind in kinds
        ]
    return [("before finalize", Position(job, before)), ("in finalize", Position(job, after))]


def _told_apart(cases: Iterable[tuple[str, Position]]) -> Iterator[tuple[str, Position]]:
    """`cases`, those with the same status as one; a job with one status alone is not told apart at all."""
    found: dict[str, tuple[list[str], Position]] = {}
    for where, at in cases:
        words, _ = found.setdefault(derive_status(at), ([], at))
        words.append(where)
    for words, at in found.values():
        yield (", ".join(words) if len(found) > 1 else "anywhere"), at
