"""What must be true of a GitHub after any run, whatever broke: decided from what it was asked and what it holds now."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonschema

from agentos.runs.block_page import block_schemas
from agentos.runs.event_schemas import event_schemas
from tests.canaries import bare, spelled
from tests.github.acts import acts_in
from tests.github.fake import TOKEN, US, FakeGitHub, Heard

KEY = re.compile(r"<!-- agentos:effect v1 .*?-->")
HIDDEN = re.compile(r"^<!-- agentos:([a-z-]+) (v[0-9]+) (\{.*\}) -->\r?$", re.MULTILINE)
EXEMPT = ('"intake', '"ack:')
"""Comments that may come before acceptance: the one intake comment, and what a command was answered (DESIGN I3)."""
ONCE = ("new pull", "merge")


def require_invariants(hub: FakeGitHub, *folders: Path, canaries: Iterable[str] = (TOKEN,)) -> None:
    """Raises AssertionError where one is broken; `folders` may hold no canary either, git's own stores included."""
    require_each_once(hub)
    require_acceptance_first(hub)
    require_approved(hub)
    require_tested(hub)
    require_readable(hub)
    require_harmless(hub)
    require_silence(hub, *folders, canaries=canaries)


def require_readable(hub: FakeGitHub) -> None:
    """Every hidden line that we wrote fits the schema that is published of its kind."""
    lines = [found for text in _ours(hub) for found in HIDDEN.findall(text)]
    schemas = block_schemas()
    for kind, version, data in lines:
        assert version == "v1"
        jsonschema.validate(json.loads(data), schemas[kind])
    assert len(lines) == sum(text.count("<!--") for text in _ours(hub)), "nothing hidden but such lines"


def require_harmless(hub: FakeGitHub) -> None:
    """Nothing we wrote calls somebody by name or closes an issue."""
    assert [found for text in _ours(hub) for found in acts_in(text)] == []


def require_fits(event: dict[str, Any]) -> str:
    """The kind of a ledger's line, whose `data` fits the schema that is published of it and holds no other key."""
    schema = event_schemas()[event["kind"]]
    jsonschema.validate(event["data"], schema)
    assert set(event["data"]) <= set(schema["properties"]), event
    return str(event["kind"])


def require_each_once(hub: FakeGitHub) -> None:
    """At most one pull request, merge, branch and status comment; every effect key at one place only."""
    did = Counter(entry.route for entry in hub.ledger if entry.did)
    assert all(did[route] <= 1 for route in ONCE), did
    assert len(hub.pulls) <= 1
    heads = hub.run_git("for-each-ref", "--format=%(refname:short)", "refs/heads/agentos").split()
    assert len(heads) <= 1, heads
    keys = Counter(key for text in _ours(hub) for key in KEY.findall(text)[:1])
    assert [key for key, times in keys.items() if times > 1] == []
    assert sum('"status-comment"' in key for key in keys) <= 1


def require_acceptance_first(hub: FakeGitHub) -> None:
    """Before the label that says the work was accepted, nothing was written but what is exempt by name."""
    for said in hub.heard:
        if _is_change(said):
            if said.path.endswith("/labels") and b'"agentos:' in said.body:
                return
            assert _is_exempt(said), f"{said.method} {said.path} came before acceptance: {said.body[:200]!r}"


def require_approved(hub: FakeGitHub) -> None:
    """What was merged is what somebody with the right to approved, unedited, and what the pull request's checks are of."""
    for said in hub.heard:
        if said.method != "PUT" or not said.path.endswith("/merge"):
            continue
        (pull,) = hub.pulls.values()
        sha = json.loads(said.body)["sha"]
        assert sha in approved_shas(hub), f"{sha} was to be merged, and nobody approved it"
        assert f"`{sha[:12]}`" in (pull["body"] or ""), f"the checks shown are not of {sha}"
        assert not pull["merged"] or pull["head"]["sha"] == sha


def require_tested(hub: FakeGitHub) -> None:
    """What was to be merged had every check that its branch requires, or each there was, and the last run of it passed."""
    merges = [said for said in hub.heard if said.method == "PUT" and said.path.endswith("/merge")]
    for sha in {json.loads(said.body)["sha"] for said in merges}:
        ends = {each["name"]: each["conclusion"] for each in hub.ci.runs.get(sha, [])}
        wanted = {name for name, _ in (*hub.ci.by_rule, *hub.ci.by_protection)} or set(ends)
        assert {ends.get(name) for name in wanted} <= {"success"}, f"{sha} was to be merged with {ends}"


def approved_shas(hub: FakeGitHub) -> set[str]:
    """The commits that people who may write approved: by a review, or by a command whose answer names the commit."""
    may = {who[0] for who, right in hub.permissions.items() if right in ("admin", "maintain", "write")}
    may -= {who[0] for who in hub.permissions if who[2] == "Bot"}
    reviews = [each for there in hub.reviews.values() for each in there if each["state"] == "APPROVED"]
    by_review = {each["commit_id"] for each in reviews if each["user"]["id"] in may}
    said = [
        each
        for each in hub.comments.values()
        if each["body"].startswith("/agentos approve")
        and each["user"]["id"] in may - {US[0]}
        and each["updated_at"] == each["created_at"]
    ]
    taken = re.findall(r"is recorded: \*\*approve\*\* at ([0-9a-f]{12})", "\n".join(_ours(hub))) if said else []
    (head,) = {pull["head"]["sha"] for pull in hub.pulls.values()} or {""}
    return by_review | {head for short in taken if head.startswith(short)}


def require_silence(hub: FakeGitHub, *folders: Path, canaries: Iterable[str] = (TOKEN,)) -> None:
    """No canary in any address or body that went out, in any text there, on any command line or in any file."""
    for canary in canaries:
        spellings = [each.encode() for each in spelled(canary)]
        for said in hub.heard:
            sent = bare(said.path + said.body.decode("latin-1")).encode()
            assert not any(each in sent for each in spellings), f"a secret in {said.method} {said.path}"
        for line in hub.command_lines:
            assert not any(each in bare(line) for each in spelled(canary)), f"a secret in a command line: {line}"
        for folder in folders:
            held = [path for path in folder.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()]
            assert held == [], f"a secret in {held}"


def _ours(hub: FakeGitHub) -> list[str]:
    """Everything we wrote that carries a key: comments, issues, pull requests."""
    things = (*hub.comments.values(), *hub.issues.values(), *hub.pulls.values())
    return [each["body"] or "" for each in things if each["user"]["id"] == US[0]]


def _is_change(said: Heard) -> bool:
    if said.path.endswith("/graphql"):
        return b"mutation" in said.body
    return said.method != "GET" and not said.path.endswith("/git-upload-pack")


def _is_exempt(said: Heard) -> bool:
    is_comment = said.method == "POST" and said.path.endswith("/comments")
    return is_comment and any(word in json.loads(said.body)["body"].partition("\n")[0] for word in EXEMPT)
