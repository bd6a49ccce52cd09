"""What each artifact of a run is: its files, its form, and the schema of those that programs read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from agentos.domain.artifact import ArtifactKind
from agentos.domain.change import ChangeReport
from agentos.domain.ci import CiResult
from agentos.domain.document import Foresight, IssueBrief, Lld, Review, Spec
from agentos.domain.package import CloseOut, ReviewPackage
from agentos.ports.agent import AgentFinished
from agentos.workflows.kit.checks import Measured

_INTRODUCTION = """\
# Artifacts

Written by `python tools/check.py --write-docs`; a test keeps it so.

What the stages of a run hand on and leave behind. Each is stored under its sha256 in PostgreSQL, so that every machine sees
it, and mirrored for people as a file under `runs/<repository>/<issue>/<run>/` of the data folder; `agentos show N` names
them. A document of which there are several bears a name that says which. JSON has sorted keys and no absolute paths; under one
schema keys are added, never renamed or dropped. `run.json` and `events.jsonl` say the rest: [run](run.schema.json),
[events](events.md).

| Kind | Files | What it holds | Schema |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Form:
    """`files`: how they are named. `record`: what its JSON document is made from; None where it has none."""

    files: str
    holds: str
    record: type[Any] | None = None


FORMS: Mapping[ArtifactKind, Form] = {
    ArtifactKind.BRIEF: Form(
        "`issue-brief.json`, `issue-brief.md`, drafts `issue-brief-draft-N.json`, a person's `issue-brief-given.json`",
        "what is asked for: objective, criteria AC-1…, limits, scope, complexity, risk, route, the issue verbatim",
        IssueBrief,
    ),
    ArtifactKind.LLD: Form(
        "`lld.json`, `lld.md`, drafts `lld-draft-N.json`",
        "the design: files, signatures, logic, requirements REQ-1… traced to criteria, scenarios S-1…, risks",
        Lld,
    ),
    ArtifactKind.SPEC: Form(
        "`spec.json`, `spec.md`, drafts `spec-draft-N.json`",
        "how it is built: ordered files, excerpts verbatim at the base, functions, instructions, scenario → test",
        Spec,
    ),
    ArtifactKind.REVIEW: Form(
        "`lld-review….json`, `spec-review….json`; `foresight.json` is what the reviewer expected before it saw a solution",
        "a reviewer's judgement of one draft, bound to its digest: verdict, findings, those that were dropped, model",
        Review,
    ),
    ArtifactKind.CHECKS: Form(
        "`change.json`; `undone-<sha>.json` of a round that was undone; `checks-baseline.json` and `checks-merge.json` "
        "hold the measured commands alone; `ci-<sha>.json` what the repository's own checks came to",
        "what was measured at a commit: every command with its exit code and tests, every criterion with its proof",
        ChangeReport,
    ),
    ArtifactKind.DIFF: Form("`diff.patch`, `issue-edit-N.patch`", "the change as git shows it; how the issue changed"),
    ArtifactKind.PACKAGE: Form(
        "`review-package.json`, `review-package.md`",
        "what a person is asked to review: the change and its proof, findings and their fate, deployment, cost",
        ReviewPackage,
    ),
    ArtifactKind.DOSSIER: Form(
        "`dossier.json`, `dossier.md`", "the same when it is ready to merge, and who must do what now", ReviewPackage
    ),
    ArtifactKind.CLOSEOUT: Form(
        "`close-out.json`, `close-out.md`, `follow-ups.json`",
        "how it ended: merge commit, what was proved there, follow-ups filed, cost",
        CloseOut,
    ),
    ArtifactKind.TRANSCRIPT: Form(
        "`agent-<stage>-N.json`",
        "how one session of the coding agent ended, and what it says proves each criterion",
        AgentFinished,
    ),
    ArtifactKind.BUNDLE: Form(
        "`….bundle`", "commits that nothing else holds, as a git bundle: `git fetch FILE` reads it"
    ),
    ArtifactKind.LOG: Form(
        "`<stage>-<command>-<sha>.txt`, `ci-<check>-<sha>.txt`",
        "the output of one measured command, or of a failed check",
    ),
    ArtifactKind.RUN: Form("`run.json`", "the whole run for programs, written anew whenever the run stops"),
    ArtifactKind.EVENTS: Form("`events.jsonl`", "the ledger, one event a line"),
}
PARTS: Mapping[str, type[Any]] = {"measured": Measured, "foresight": Foresight, "ci": CiResult}
"""Schemas of documents that share their kind with another."""


def artifact_schemas() -> dict[str, dict[str, Any]]:
    """Name -> JSON Schema of each artifact that is a JSON document of its own."""
    records = {str(kind): form.record for kind, form in FORMS.items() if form.record is not None}
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        name: draft | TypeAdapter(record).json_schema(mode="serialization")
        for name, record in {**records, **PARTS}.items()
    }


def artifact_page() -> str:
    """The page as Markdown: a row a kind."""
    known = artifact_schemas()
    rows = [
        f"| `{kind}` | {form.files} | {form.holds} | {_link(str(kind)) if str(kind) in known else ''} |"
        for kind, form in FORMS.items()
    ]
    more = "\n".join(f"- `checks-*.json`: {_link(name)}" for name in PARTS)
    return f"{_INTRODUCTION}" + "\n".join(rows) + f"\n\n{more}\n"


def _link(name: str) -> str:
    return f"[{name}](schemas/artifact-{name}.schema.json)"
