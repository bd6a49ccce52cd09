"""Why a merge fails its checks, as far as measurements and commits tell; and the ticket that takes it back (pure)."""

import re
from dataclasses import dataclass

from agentos.domain.check import CheckResult
from agentos.domain.effect import EffectKey
from agentos.domain.issue import IssueDraft, IssueRef
from agentos.domain.naming import clean_text
from agentos.workflows.kit.blocks import defused, title_line
from agentos.workflows.kit.markdown import bullets, fenced
from agentos.workflows.kit.package import SHORT

MOST_NAMES, MOST_LINES = 10, 12
_TELLING = re.compile(
    r"\b(error|exception|traceback|fail|failed|failure|assert\w*|panic\w*|undefined|not found)\b", re.I
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is known about a merge that fails: `failures` as `command: test`, `results` measured at the merge, `before_sha`
    the base right before it, `undone_by` the command that takes it back, `since` the commits that came into the base while the change was made, `touched` the files of
    the change, `both` those of them that these commits touched too."""

    merge_sha: str
    base_branch: str
    before_sha: str
    undone_by: str
    failures: tuple[str, ...]
    results: tuple[CheckResult, ...]
    since: tuple[str, ...]
    touched: tuple[str, ...]
    both: tuple[str, ...]


def evidence_of(found: Diagnosis) -> tuple[str, ...]:
    """What fails, what it said first, whether the base was at fault, and who may be."""
    failing = {failure.partition(":")[0] for failure in found.failures}
    said = (
        f"{item.name} {_end(item)}:\n" + "\n".join(first_words(item.tail))
        for item in found.results
        if item.name in failing
    )
    return (*_shortened(found.failures, MOST_NAMES), *said, *_base(found, failing), *_suspects(found))


def first_words(output: str) -> tuple[str, ...]:
    """The lines of `output` from the first that tells of a failure on; its last lines where none does."""
    lines = [line.rstrip() for line in clean_text(output).splitlines() if line.strip()]
    start = next((at for at, line in enumerate(lines) if _TELLING.search(line)), max(0, len(lines) - MOST_LINES))
    return tuple(lines[start : start + MOST_LINES]) or ("it said nothing",)


def _end(item: CheckResult) -> str:
    return "did not end by itself" if item.exit_code is None else f"ended with exit code {item.exit_code}"


def _base(found: Diagnosis, failing: set[str]) -> tuple[str, ...]:
    red = sorted(item.name for item in found.results if not item.passed and item.name not in failing)
    told = (f"{found.base_branch} without the change ({found.before_sha[:SHORT]}) passes what fails now",)
    return (*told, f"it fails {', '.join(red)}, too, which does not count") if red else told


def _suspects(found: Diagnosis) -> tuple[str, ...]:
    if not found.since:
        return (f"nothing else came in meanwhile, so suspect the change itself: {_names(found.touched)}",)
    came = "\n".join(map(clean_text, found.since))
    both = f"both touch {_names(found.both)}" if found.both else "they touch other files than the change"
    return (f"suspect how the change goes with what came in meanwhile ({both}):\n{came}",)


def _names(paths: tuple[str, ...]) -> str:
    return ", ".join(_shortened(tuple(map(clean_text, paths)), MOST_NAMES))


def _shortened(names: tuple[str, ...], most: int) -> tuple[str, ...]:
    rest = len(names) - most
    return (*names[:most], f"and {rest} more") if rest > 0 else names


def revert_key(issue: IssueRef, merge_sha: str) -> EffectKey:
    """Names the ticket that takes the merge back, in the whole tracker."""
    return EffectKey(f"revert:{issue.number}.{merge_sha[:SHORT]}")


def revert_draft(found: Diagnosis, title: str, issue: IssueRef) -> IssueDraft:
    """The ticket: what is to be taken back, how one sees that it is, and why."""
    sha, base = found.merge_sha, found.base_branch
    body = f"""## Objective

`{base}` passes its checks again: the merge of #{issue.number}, commit `{sha}`, is taken back.

## Acceptance criteria

{bullets(f"`{base}` passes {name}" for name in _shortened(found.failures, MOST_NAMES))}

## Constraints

Only what that merge brought is taken back; by hand: `{found.undone_by}`.

## What was measured

{fenced(chr(10).join(evidence_of(found)))}
"""
    line = title_line(title)
    return IssueDraft(f"Revert “{line}” (#{issue.number})", defused(body), related=(issue.number,))


def revert_text(found: Diagnosis, ticket: int) -> str:
    """What the pull request says that takes the merge back, for the issue `ticket`."""
    return defused(f"""Takes back {found.merge_sha}, for issue {ticket}: {found.base_branch} fails checks since, which it passed before.
Nobody merges this but you; the run that made it measures {found.base_branch} again when it is retried.

{fenced(chr(10).join(evidence_of(found)))}
""")
