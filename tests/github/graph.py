"""The fake GitHub's GraphQL API: our own queries, run by the reference implementation against GitHub's published schema."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError, graphql_sync

from tests.github.board import Card, Project, Remark, Thread, Who
from tests.github.excerpt import published

if TYPE_CHECKING:
    from tests.github.fake import FakeGitHub

RESET_AT = "2026-01-01T01:00:00Z"


class Wrong(Exception):
    """An error as GitHub words it, in an answer with status 200."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def answer_to(fake: "FakeGitHub", asked: dict[str, Any], who: Who) -> tuple[dict[str, Any], bool]:
    """The body of the answer, and whether something was changed. Effect: the change, if it is one."""
    done = graphql_sync(
        published(),
        asked["query"],
        root_value=_Root(fake, who, asked.get("variables") or {}),
        variable_values=asked.get("variables"),
        operation_name=asked["operationName"],
    )
    body: dict[str, Any] = {"data": done.data}
    if done.errors:
        body["errors"] = [_told(error) for error in done.errors]
    changes = asked["query"].startswith("mutation") and done.data is not None and not done.errors
    return body, changes


def _told(error: GraphQLError) -> dict[str, Any]:
    if isinstance(error.original_error, Wrong):
        return {"type": error.original_error.kind, "path": error.path, "message": error.message}
    assert error.original_error is None, error.original_error
    return {"message": error.message, "extensions": {"code": "undefinedField"}}


def _page(items: list[Any], first: int, after: str | None) -> dict[str, Any]:
    start = int(after or 0)
    more = start + first < len(items)
    shown = items[start : start + first]
    return {"nodes": shown, "pageInfo": {"hasNextPage": more, "endCursor": str(start + len(shown))}}


class _Root:
    """The roots of all queries and mutations; what it gives is looked up by name."""

    def __init__(self, fake: "FakeGitHub", who: Who, variables: dict[str, Any]) -> None:
        self._fake = fake
        self._variables = variables
        self._who = who

    def rateLimit(self, _: Any) -> dict[str, Any]:  # noqa: N802 - GitHub's name
        return {"cost": 1, "remaining": self._fake.remaining, "resetAt": RESET_AT}

    # -- pull requests -----------------------------------------------------------------------------------------------

    def repository(self, _: Any, owner: str, name: str) -> dict[str, Any]:
        if (owner, name) != ("acme", "todo"):
            raise Wrong("NOT_FOUND", f"Could not resolve to a Repository with the name '{owner}/{name}'.")
        return {"pullRequest": self._pull, "issue": self._issue}

    def _pull(self, _: Any, number: int) -> dict[str, Any]:
        if number not in self._fake.pulls:
            raise Wrong("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")
        threads = [self._thread(each) for each in self._fake.threads.get(number, [])]
        return {"reviewThreads": lambda _, first, after=None: _page(threads, first, after)}

    def _thread(self, thread: Thread) -> dict[str, Any]:
        remarks = [self._remark(each) for each in thread.remarks]
        return {
            "__typename": "PullRequestReviewThread",
            "id": thread.id,
            "isResolved": thread.resolved,
            "path": thread.path,
            "line": thread.line,
            "originalLine": thread.line,
            "comments": lambda _, first, after=None: _page(remarks, first, after),
        }

    def _remark(self, remark: Remark) -> dict[str, Any]:
        review = {"fullDatabaseId": str(remark.review)}
        return {
            "id": remark.id,
            "body": remark.body,
            "viewerDidAuthor": remark.who == self._who,
            "pullRequestReview": review,
        }

    def _find_thread(self, id: str) -> tuple[int, Thread]:
        found = [(number, each) for number, all in self._fake.threads.items() for each in all if each.id == id]
        if not found:
            raise Wrong("NOT_FOUND", f"Could not resolve to a node with the global id of '{id}'.")
        return found[0]

    def markPullRequestReadyForReview(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        pull = next((each for each in self._fake.pulls.values() if each["node_id"] == input["pullRequestId"]), None)
        if pull is None:
            raise Wrong("NOT_FOUND", "Could not resolve to a node with that global id.")
        if not pull["draft"]:
            raise Wrong("UNPROCESSABLE", "Pull request is not in draft state.")
        pull["draft"] = False
        return {"pullRequest": {"isDraft": False}}

    def addPullRequestReviewThreadReply(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        number, thread = self._find_thread(input["pullRequestReviewThreadId"])
        return {"comment": self._remark(self._fake.say_in_thread(number, thread, input["body"], who=self._who))}

    def resolveReviewThread(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        _, thread = self._find_thread(input["threadId"])
        thread.resolved = True
        return {"thread": self._thread(thread)}

    # -- projects ----------------------------------------------------------------------------------------------------

    def repositoryOwner(self, _: Any, login: str) -> dict[str, Any] | None:  # noqa: N802
        if login == "nobody":
            return None
        return {"__typename": "User" if login == "anna" else "Organization", "login": login, "projectV2": self._project}

    def _project(self, _: Any, number: int) -> dict[str, Any]:
        project = self._fake.project
        if project is None or (project.number, project.owner) != (number, self._variables["owner"]):
            raise Wrong("NOT_FOUND", f"Could not resolve to a ProjectV2 with the number {number}.")
        return self._shown(project)

    def _shown(self, project: Project) -> dict[str, Any]:
        options = [{"id": f"opt_{at}", "name": name} for at, name in enumerate(project.options)]
        status = {"__typename": "ProjectV2SingleSelectField", "id": "PVTSSF_1", "options": options}
        cards = [self._card(project, each) for each in project.cards]
        return {
            "__typename": "ProjectV2",
            "id": project.id,
            "title": project.title,
            "url": f"{self._fake.url}/orgs/{project.owner}/projects/{project.number}",
            "closed": project.closed,
            "viewerCanUpdate": project.writable,
            "field": lambda _, name: status if options and name == "Status" else None,
            "items": lambda _, first, after=None: _page(cards, first, after),
        }

    def _card(self, project: Project, card: Card) -> dict[str, Any]:
        value = {"__typename": "ProjectV2ItemFieldSingleSelectValue", "name": card.status}
        return {
            "id": card.id,
            "project": {"id": project.id},
            "isArchived": card.is_archived,
            "fieldValueByName": lambda _, name: value if card.status and name == "Status" else None,
            "content": self._content(card),
        }

    def _content(self, card: Card) -> dict[str, Any]:
        if card.elsewhere:
            repository = {"nameWithOwner": card.elsewhere}
            none: dict[str, Any] = {"nodes": []}
            shown = {"number": card.number, "state": "OPEN", "repository": repository, "labels": lambda _, first: none}
            return {"__typename": "Issue", **shown}
        if card.number in self._fake.pulls:
            return {"__typename": "PullRequest"}
        return {"__typename": "Issue", **self._issue(None, card.number)}

    def _issue(self, _: Any, number: int) -> dict[str, Any]:
        if number not in self._fake.issues:
            raise Wrong("NOT_FOUND", f"Could not resolve to an Issue with the number of {number}.")
        issue, project = self._fake.issues[number], self._fake.project
        labels = [{"name": each["name"]} for each in issue["labels"]]

        def items(_: Any, first: int, after: str | None = None, includeArchived: bool = True) -> dict[str, Any]:  # noqa: N803
            cards = [each for each in project.cards if each.number == number] if project is not None else []
            cards = [each for each in cards if not each.elsewhere and (includeArchived or not each.is_archived)]
            if project is None:
                return _page([], first, after)
            other = replace(project, number=project.number + 1)
            before = [self._card(other, Card(f"PVTI_other_{at}", number, "Done")) for at in range(project.others)]
            return _page([*before, *(self._card(project, each) for each in cards)], first, after)

        return {
            "number": number,
            "state": issue["state"].upper(),
            "repository": {"nameWithOwner": "acme/todo"},
            "labels": lambda _, first: {"nodes": labels[:first]},
            "projectItems": items,
        }

    def node(self, _: Any, id: str) -> dict[str, Any]:
        project = self._fake.project
        if project is not None and project.id == id:
            return self._shown(project)
        return self._thread(self._find_thread(id)[1])

    def updateProjectV2ItemFieldValue(self, _: Any, input: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        project = self._fake.project
        assert project is not None
        assert project.id == input["projectId"]
        card = next((each for each in project.cards if each.id == input["itemId"]), None)
        option = input["value"]["singleSelectOptionId"].removeprefix("opt_")
        if not project.writable:
            raise Wrong("FORBIDDEN", "Resource not accessible by personal access token")
        if card is None or not option.isdigit() or int(option) >= len(project.options):
            raise Wrong("NOT_FOUND", "Could not resolve to a node with that global id.")
        card.status = project.options[int(option)]
        return {"projectV2Item": self._card(project, card)}
