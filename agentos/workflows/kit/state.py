"""What every stage sees of a run: references, counters and verdicts, in plain JSON types (a checkpoint is kilobytes).

Documents, diffs and transcripts are in the artifact store; the state names them by digest. No key has a reducer: the
steps of a run follow each other, so the last value is the value.
"""

from typing import Any, TypedDict

BEST = "best"
"""In `artifacts`: the report of the best commit of the loop of work at hand, which a worse round goes back to."""
GRAPH_VERSION = 1
"""Raised whenever a node or key is renamed or removed; a run of another version is refused with a sentence."""


class RunState(TypedDict, total=False):
    """The checkpointed state. Keys are additive: renaming one loses its value in paused runs."""

    graph_version: int
    issue_number: int
    issue_digest: str
    entry_stage: str
    resumed_from: str
    """The stage a person asked to run again (`--resume-from`); it is never skipped for what it made before."""

    current_stage: str
    """The stage that runs now or ran last."""
    verdict: str
    """What that stage concluded: PASS, BLOCK or RETRY; empty while it works."""
    route: str
    """full, trivial or split, as triage chose."""
    outcome: str
    """How the run ended; empty while it goes on."""

    artifacts: dict[str, str]
    """Document kind -> sha256 of its JSON in the artifact store."""
    issue_brief_path: str
    lld_path: str
    spec_path: str

    branch: str
    base_branch: str
    base_sha: str
    head_sha: str
    """The last commit that passed its stage's own checks, or is being worked on in impl."""
    good_sha: str
    """The last commit that passed checks and review; a failed stage goes back to it."""

    stage_attempts: dict[str, int]
    """Tries of each stage within this run."""
    stage_errors: dict[str, list[str]]
    rounds: dict[str, int]
    """Loop name -> rounds used; `reset_rounds` clears a stage's loops when a person lets it go on."""
    findings: list[dict[str, Any]]
    """What the last check or reviewer held against the current draft or change."""
    seen: list[str]
    """Digests of earlier drafts, trees and findings of the current loop; one that repeats is stagnation."""
    feedback: list[str]
    """What people asked for, oldest first, not yet worked in."""
    answers: list[str]
    """Questions and answers, as text."""

    pr_number: int
    pr_url: str
    deployment: dict[str, Any]
    cycle: int
    """Operator feedback cycles, counted from 0."""
    no_draft: bool
    """The pull request was open for review from its beginning."""
    pushed: str
    """The commit a person pushed, until it is measured and reviewed as the change."""
    no_ci: bool
    """Its forge runs no checks of the repository's own."""
    ci: dict[str, Any]
    """The watch over the good commit's checks on the forge: since when, what was run again, what failed last."""
    reviews: dict[str, int]
    """Review of the pull request that asked for changes (as a decision's source) -> the cycle that works them in."""
    threads: list[str]
    """The review threads of this cycle that are not answered yet, by id."""
    approved_sha: str
    synced_sha: str
    """The base commit for which it was found out whether the good commit merges into it as it was approved."""
    merge_sha: str
    revert_of: str
    """The merge whose revert a person asked to be filed as an issue."""
    revert_ticket: int
    """That issue; 0 while there is none."""
    revert_branch: str
    revert_pr: str
    """The address of the pull request that takes it back; empty where git cannot make it."""
    follow_ups: list[int]

    wait: dict[str, Any]
    """What the run waits for (a `Wait` as JSON); empty while it works."""
    decision: dict[str, Any]
    """The decision that ended the last wait."""
    protected: dict[str, Any]
    """The protected files the change holds, and the digest of what they become; empty where there are none."""
    permitted: list[str]
    """Such digests that a person let through."""
    skipped: dict[str, str]
    """Stage -> why it was skipped."""
    edited: dict[str, Any]
    """The edit of the issue that triage still has to work in: the stage that noticed, the brief and the feedback it had,
    the difference; empty where there is none."""
    return_to: str
    """The stage that goes on after triage read an edited issue again and it says the same; empty otherwise."""
    parts: list[int]
    """The issues filed as parts of one that is too large."""

    started_at: str
    stage_started_at: str
    completed_at: str


def with_item(table: dict[str, Any] | None, key: str, value: object) -> dict[str, Any]:
    """A copy of `table` in which `key` is `value`; state values are never changed in place."""
    return {**(table or {}), key: value}


def without(table: dict[str, Any] | None, key: str) -> dict[str, Any]:
    """A copy of `table` in which `key` is not."""
    return {name: value for name, value in (table or {}).items() if name != key}


def used(state: RunState, loop: str) -> int:
    """Rounds of `loop` used so far."""
    return state.get("rounds", {}).get(loop, 0)


def one_more(state: RunState, loop: str) -> dict[str, int]:
    """The rounds table with one more round of `loop`."""
    return with_item(state.get("rounds"), loop, used(state, loop) + 1)


def reset_rounds(state: RunState, prefix: str) -> dict[str, int]:
    """The rounds table without the loops whose name starts with `prefix`."""
    return {loop: count for loop, count in state.get("rounds", {}).items() if not loop.startswith(prefix)}
