"""Documents that need no drafting: approved in an earlier run, or kept in the repository; and doing without one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from agentos.config.yaml_text import read_mapping
from agentos.domain.artifact import ArtifactKind
from agentos.domain.document import Finding
from agentos.domain.error import UsageError
from agentos.domain.event import EventKind
from agentos.domain.naming import clean_text
from agentos.workflows.kit.drafting import Drafting, schema_of
from agentos.workflows.kit.reading import Unreadable
from agentos.workflows.kit.state import RunState, with_item
from agentos.workflows.kit.step import Step
from agentos.workflows.kit.verdict import findings_as_evidence

Document = TypeVar("Document")
FOLDER = "docs/lld"
MOST_BYTES = 400_000
_FILES = {ArtifactKind.LLD: "LLD", ArtifactKind.SPEC: "spec"}


@dataclass(frozen=True, slots=True)
class Wanted(Generic[Document]):
    """What may stand in for a draft. `existing`: an approved document; `without`: none at all (`--skip-…`, the setting
    `option`). `read` makes a document of Markdown, `check` says what is wrong with it at the base commit, `sources` is
    what an approval has to answer to."""

    existing: bool
    without: bool
    option: str
    sources: tuple[str, ...]
    read: Callable[[str], Document]
    check: Callable[[Document], Awaitable[tuple[Finding, ...]]]


async def stand_in(
    drafting: Drafting[Document], wanted: Wanted[Document], state: RunState, step: Step
) -> tuple[str, RunState] | None:
    """Why nothing is drafted, with what goes on in the draft's place; None where a draft is needed.

    A document in the repository that does not count is said to, with the reason.
    """
    reason = ""
    asked_again = state.get("resumed_from") == drafting.stage or bool(state.get("feedback"))
    if (wanted.existing or wanted.without) and not asked_again:
        found = await _approved(drafting, wanted, state, step)
        if found is not None:
            return found
        committed = await _committed(drafting, wanted, state, step)
        if not isinstance(committed, str):
            return committed
        reason = committed
    if wanted.without:
        artifacts = {kind: sha for kind, sha in state.get("artifacts", {}).items() if kind != drafting.kind}
        why = await _asked_where(step, wanted.option)
        none: RunState = {"artifacts": artifacts, **_path(drafting, "")}
        return (f"{why}; {reason}" if reason else why), none
    if reason:
        await step.emit(EventKind.NOTE, text=reason)
    return None


async def _approved(
    drafting: Drafting[Document], wanted: Wanted[Document], state: RunState, step: Step
) -> tuple[str, RunState] | None:
    found = await drafting.approved_before(step, wanted.sources)
    if found is None:
        return None
    approval, path = found
    if await wanted.check(await step.document(drafting.record, approval.document)):
        return None
    artifacts = with_item(state.get("artifacts"), drafting.kind, approval.document)
    name = drafting.kind.upper() if drafting.kind is ArtifactKind.LLD else drafting.kind
    return f"approved {name} {approval.document[:12]} exists", {"artifacts": artifacts, **_path(drafting, path)}


async def _committed(
    drafting: Drafting[Document], wanted: Wanted[Document], state: RunState, step: Step
) -> tuple[str, RunState] | str:
    """The document of this issue in the repository, or why there is none that counts; empty where there is no file."""
    path = f"{FOLDER}/{_FILES[drafting.kind]}-{step.ctx.issue.number}.md"
    raw = await step.ctx.repo.read_file(state["base_sha"], path)
    if raw is None:
        return ""
    try:
        front, body = parted(raw, path)
        problem = standing(front, drafting.kind, state, step.ctx.issue.number)
        if problem:
            return f"{path} does not count: {problem}"
        document = wanted.read(body)
    except (Unreadable, UsageError) as exc:
        return f"{path} does not count: {exc}"
    findings = await wanted.check(document)
    if findings:
        found = "; ".join(findings_as_evidence(findings, most=3))
        return f"{path} does not count, for it does not fit the base commit: {found}"
    ref = await step.keep_record(drafting.kind, document)
    if front.get("digest") not in (None, ref.sha256):
        return f"{path} does not count: it was changed since it was approved; without its `digest` line it is yours to approve"
    shown = await step.keep(drafting.kind, raw, suffix=".md")
    artifacts = with_item(state.get("artifacts"), drafting.kind, ref.sha256)
    return f"{path} is approved and current", {"artifacts": artifacts, **_path(drafting, shown.path)}


def parted(raw: bytes, path: str) -> tuple[dict[str, Any], str]:
    """Front matter and body of a document in the repository. Raises UsageError or Unreadable."""
    if len(raw) > MOST_BYTES:
        raise Unreadable(f"it is larger than {MOST_BYTES} bytes")
    lines = clean_text(raw.decode("utf-8-sig", "replace")).split("\n")
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if lines[0].rstrip() != "---" or end is None:
        raise Unreadable("it has no front matter that says which issue it answers to")
    return read_mapping("\n".join(lines[1:end]), where=path, first_line=2), "\n".join(lines[end + 1 :])


def standing(front: dict[str, Any], kind: ArtifactKind, state: RunState, number: int) -> str:
    """Why a document with this front matter is not approved and current; empty where it is."""
    if front.get("schema") != schema_of(kind):
        return f"its schema is {front.get('schema', 'not said')}, not {schema_of(kind)}"
    if str(front.get("issue")) != str(number):
        return f"it is for issue {front.get('issue', 'nobody named')}, not {number}"
    if front.get("status") != "approved":
        return f"its status is {front.get('status', 'not said')}, not approved"
    if front.get("digest_of_issue") != state["issue_digest"]:
        return f"the issue was changed since: digest_of_issue is not {state['issue_digest']}"
    lld = state.get("artifacts", {}).get(ArtifactKind.LLD, "")
    if kind is ArtifactKind.SPEC and lld and front.get("lld_digest") != lld:
        return f"it answers to another LLD: lld_digest is not {lld}"
    return ""


async def _asked_where(step: Step, option: str) -> str:
    """Where a person said that they want none."""
    given = await step.ctx.store.runs.options(step.ctx.run.id)
    return "asked for on the command line" if option in given else f"asked for by the setting {option}"


def _path(drafting: Drafting[Document], path: str) -> RunState:
    return {"lld_path": path} if drafting.kind is ArtifactKind.LLD else {"spec_path": path}
