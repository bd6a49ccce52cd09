"""What a first submit gives back: the difference and the checklist, to be read once more before they count."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from agentos.domain.budget import Spend
from agentos.domain.document import Evidence
from agentos.domain.error import OutsideError
from agentos.domain.naming import clean_text
from agentos.ports.agent import AgentFinished, AgentStatus, AgentTask
from agentos.ports.sandbox import Command, Sandbox
from agentos.prompting.render import data_block

DIFF_S, DIFF_CHARACTERS = 60.0, 12_000
# An index and a place for objects of its own: the repository's cannot be written from within the box.
_DIFF = """\
own='{folder}'; mkdir -p "$own"
export GIT_ALTERNATE_OBJECT_DIRECTORIES="$(git rev-parse --path-format=absolute --git-path objects)"
export GIT_OBJECT_DIRECTORY="$own" GIT_INDEX_FILE="$own/index" GIT_OPTIONAL_LOCKS=0 GIT_PAGER=cat
git read-tree {base} && git add --intent-to-add --all . &&
git diff --no-color --no-ext-diff --no-textconv --stat --patch {base}
code=$?; rm -rf "$own"; exit $code
"""
LOOK = """\
Not handed in yet. Read your difference once more as a stranger would, and answer every line of the checklist:

- Does it meet each criterion in general, or just the example? Which input did you not try?
- Is there anything in it that only tried something out: a print, a scratch file, a comment to yourself?
- Was a test weakened, or written so that it passes without the change?
- Did the focused tests, the whole suite and the linter pass after your last edit?

Mend what is wrong first. Then call submit again, with all of its arguments: the next submit hands in."""


class Proof(BaseModel):
    """What proves one criterion."""

    criterion: str = Field(description="the criterion's id, such as AC-1")
    proofs: list[str] = Field(description="ids of tests (path::name), or names of commands of the command list")


class Submission(BaseModel):
    """The arguments of one submit."""

    summary: str
    evidence: list[Proof]
    no_change: bool = False


def offered(arguments: Mapping[str, Any]) -> AgentFinished:
    """What a submit with these arguments ends the session with, without what it cost."""
    said = Submission.model_validate(arguments)
    evidence = tuple(
        Evidence(_plain(item.criterion), tuple(_plain(proof) for proof in item.proofs)) for item in said.evidence
    )
    status = AgentStatus.NO_CHANGE if said.no_change else AgentStatus.SUBMITTED
    return AgentFinished(status, _plain(said.summary), evidence, Spend())


async def difference(sandbox: Sandbox, task: AgentTask) -> str:
    """The whole change against the base commit as git tells it in the box; empty where nothing changed, a sentence in
    brackets where git cannot tell."""
    base = task.base_sha or "HEAD"
    shell = _DIFF.format(folder=task.scratch / "submit", base=base)
    asked = Command(shell, task.cwd, (task.cwd, task.scratch), DIFF_S, readable=task.readable)
    try:
        done = await sandbox.run(asked)
    except OutsideError as error:
        return f"(no difference can be shown: {error})"
    if done.exit_code != 0:
        return "(no difference can be shown: git could not tell one; look at the files you changed)"
    return clean_text(done.output).strip("\n")


def second_look(diff: str, said: AgentFinished, criteria: tuple[str, ...]) -> str:
    """What the first submit gives back; `diff` as far as it is shown."""
    claim = "You said that nothing has to change." if said.status is AgentStatus.NO_CHANGE else ""
    told = data_block(diff, "your difference against the base commit", DIFF_CHARACTERS) if diff else "Nothing changed."
    return "\n\n".join(part for part in (LOOK, claim, checklist(criteria, said.evidence), told) if part)


def checklist(criteria: tuple[str, ...], evidence: tuple[Evidence, ...]) -> str:
    """Each criterion with the proofs that were named for it."""
    proofs = {item.criterion: item.proofs for item in evidence}
    lines = [f"- {each}: {', '.join(proofs.get(each, ())) or 'NO EVIDENCE'}" for each in criteria]
    missing = [each for each in criteria if not proofs.get(each)]
    unknown = sorted(set(proofs) - set(criteria))
    words = []
    if missing:
        words.append(
            f"Without evidence: {', '.join(missing)}. For each, name a test (path::name) that failed before your change and "
            "passes now, or a command that proves it. What you cannot prove may stay without evidence; it then counts as "
            "not met."
        )
    if unknown:
        words.append(f"Not on the checklist: {', '.join(unknown)}.")
    return "\n".join(["Checklist:", *lines, *words]) if criteria or words else ""


def _plain(text: str) -> str:
    return clean_text(text).strip()
