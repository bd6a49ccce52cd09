"""What changed lately in the fake GitHub: the listings that take `since`, `labels` and an order."""

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.github.fake import FakeGitHub, Request

BEGAN = datetime(2099, 1, 1, tzinfo=UTC)


class Lately:
    """When each thing changed last: a second later than everything before, noticed when somebody asks."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[str, str]] = {}
        self._seconds = 0

    def changed_at(self, kind: str, number: int, *content: Any) -> str:
        """The time of the last change of that thing, which is now as `content` says."""
        now = json.dumps(content)
        before, at = self._known.get((kind, number), ("", ""))
        if now != before:
            self._seconds += 1
            at = (BEGAN + timedelta(seconds=self._seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._known[kind, number] = (now, at)
        return at


def list_issues(fake: "FakeGitHub", request: "Request") -> object:
    """Issues and pull requests, the newest first unless asked otherwise."""
    query = request.query
    found = [_dated(fake, number) for number in sorted({*fake.issues, *fake.pulls} - {*fake.instead}, reverse=True)]
    wanted, creator, labels = query.get("state", "open"), query.get("creator"), query.get("labels")
    found = [each for each in found if wanted in ("all", each["state"])]
    found = [each for each in found if creator in (None, each["user"]["login"])]
    found = [each for each in found if labels is None or labels in {label["name"] for label in each["labels"]}]
    found = [each for each in found if each["updated_at"] >= query.get("since", "")]
    if query.get("sort") == "updated":
        found.sort(key=lambda each: str(each["updated_at"]), reverse=query.get("direction", "desc") == "desc")
    elif query.get("direction") == "asc":
        found.reverse()
    return found


def list_all_comments(fake: "FakeGitHub", request: "Request") -> object:
    """The comments of all issues and pull requests that are there."""
    since = request.query.get("since", "")
    there = [(at, each) for at, each in sorted(fake.comments.items()) if not _is_gone(fake, each["issue_url"])]
    dated = [(fake.lately.changed_at("comment", at, each), each) for at, each in there]
    return [each for at, each in sorted(dated, key=lambda pair: pair[0]) if at >= since]


def _is_gone(fake: "FakeGitHub", issue_url: str) -> bool:
    return int(issue_url.rpartition("/")[2]) in fake.instead


def _dated(fake: "FakeGitHub", number: int) -> dict[str, Any]:
    """The issue with the time of its last change, as a comment, a review or a push is one, too."""
    found = fake.issue(str(number))
    theirs = [each for each in fake.comments.values() if each["issue_url"].endswith(f"/issues/{number}")]
    pull = fake.pull(str(number)) if number in fake.pulls else {}
    around = (theirs, fake.reviews.get(number), fake.line_comments.get(number), pull)
    return {**found, "updated_at": fake.lately.changed_at("issue", number, found, around)}
