"""The result as JSON, one object on standard output; its schema is docs/reference/schemas/result.schema.json."""

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agentos.cli.reports import Report
from agentos.domain.budget import Spend
from agentos.domain.decision import Wait
from agentos.domain.status import Position, derive_status

SCHEMA = "agentos.result/v1"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WaitDocument(_Part):
    """What the run waits for. `commands` answer it, spelled as the program was called."""

    kind: str
    title: str
    subject: str = Field(description="the commit sha or digest that an approval binds to; empty where there is none")
    gate: str | None
    questions: list[str]
    needs: list[str]
    accepts: list[str]
    commands: list[str]


class HoldDocument(_Part):
    """Who put the run on hold, and why."""

    by: str
    why: str


class CostDocument(_Part):
    """Use of models; `usd` is null where a price is unknown."""

    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None


class ResultDocument(_Part):
    """How far a run got."""

    schema_: str = Field(default=SCHEMA, alias="schema")
    repo: str
    issue: int
    run: int
    target: str
    job: str
    status: str
    stage: str | None
    step: str | None
    outcome: str | None
    error: str
    due_at: str | None
    wait: WaitDocument | None
    held: HoldDocument | None = Field(default=None, description="the hold the run is under")
    pr_url: str
    merge_sha: str
    cost: CostDocument
    home: str
    paths: dict[str, str] = Field(description="file name -> path, relative to home")
    exit_code: int


def cost_document(spend: Spend) -> CostDocument:
    """`spend` for programs."""
    return CostDocument(**asdict(spend))


def result_document(report: Report) -> ResultDocument:
    """The report for programs."""
    return ResultDocument(**result_fields(report))


def result_fields(report: Report) -> dict[str, Any]:
    """What a `ResultDocument` is made of."""
    result = report.result
    run, held = result.run, result.held
    at = Position(run.job, run.stage, run.step, run.wait_kind, run.outcome)
    return {
        "repo": run.ref.issue.repo,
        "issue": run.ref.issue.number,
        "run": run.ref.number,
        "target": run.target,
        "job": run.job,
        "status": derive_status(at),
        "stage": run.stage,
        "step": run.step,
        "outcome": run.outcome,
        "error": run.error,
        "due_at": run.due_at,
        "wait": None if report.wait is None else _wait(report.wait, report.answers()),
        "held": None if held is None else HoldDocument(by=held.actor, why=held.text),
        "pr_url": result.pr_url,
        "merge_sha": result.merge_sha,
        "cost": cost_document(result.spend),
        "home": str(report.home),
        "paths": result.paths,
        "exit_code": report.exit_code,
    }


def _wait(wait: Wait, commands: tuple[str, ...]) -> WaitDocument:
    return WaitDocument(
        kind=wait.kind,
        title=wait.title,
        subject=wait.subject,
        gate=wait.gate,
        questions=list(wait.questions),
        needs=list(wait.needs),
        accepts=list(wait.accepts),
        commands=list(commands),
    )
