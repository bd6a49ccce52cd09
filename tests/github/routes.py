"""The endpoints of the fake GitHub, each by GitHub's published rules."""

import re
from typing import Any

from githubkit_schemas.v2022_11_28 import models as gh

from tests.github.fake import BODY_LIMIT, LATER, NAME, OWNER, FakeGitHub, Refused, Request, Route, account, label
from tests.github.lately import list_all_comments, list_issues
from tests.github.samples import AT, filled


def _user(fake: FakeGitHub, request: Request) -> object:
    who = request.who
    return filled(gh.PublicUser, id=who[0], login=who[1], type=who[2])


def _repository(fake: FakeGitHub, request: Request) -> object:
    rights = {"admin": False, "maintain": False, "push": True, "triage": True, "pull": True}
    return filled(gh.FullRepository, full_name=f"{OWNER}/{NAME}", permissions=rights, default_branch="main")


def _get_issue(fake: FakeGitHub, request: Request) -> object:
    return fake.issue(request.args[0])


def _moved_issue(fake: FakeGitHub, request: Request) -> object:
    there = f"https://github.com/acme/other/issues/{request.args[1]}"
    return filled(gh.Issue, number=int(request.args[1]), html_url=there, labels=[])


def _create_issue(fake: FakeGitHub, request: Request) -> object:
    _require_body(request.body)
    if not request.body.get("title"):
        raise Refused(422, "Validation Failed", ({"resource": "Issue", "field": "title", "code": "missing_field"},))
    labels = tuple(request.body.get("labels", ()))
    number = fake.open_issue(request.body["title"], request.body.get("body", ""), who=request.who, labels=labels)
    return fake.issues[number]


def _edit_issue(fake: FakeGitHub, request: Request) -> object:
    found = fake.issue(request.args[0])
    _require_body(request.body)
    found.update({key: request.body[key] for key in ("title", "body", "state", "state_reason") if key in request.body})
    return found


def _list_comments(fake: FakeGitHub, request: Request) -> object:
    fake.issue(request.args[0])
    return [
        each for _, each in sorted(fake.comments.items()) if each["issue_url"].endswith(f"/issues/{request.args[0]}")
    ]


def _create_comment(fake: FakeGitHub, request: Request) -> object:
    fake.issue(request.args[0])
    if int(request.args[0]) in fake.locked:
        raise Refused(403, "Unable to create comment because issue is locked.")
    _require_body(request.body)
    return fake.comments[fake.comment(int(request.args[0]), request.body["body"], who=request.who)]


def _edit_comment(fake: FakeGitHub, request: Request) -> object:
    found = fake.comments.get(int(request.args[0]))
    if found is None:
        raise Refused(404, "Not Found")
    _require_body(request.body)
    found.update(body=request.body["body"], updated_at=LATER)
    return found


def _add_labels(fake: FakeGitHub, request: Request) -> object:
    found = fake.issue(request.args[0])
    there = {each["name"] for each in found["labels"]}
    found["labels"] = [*found["labels"], *(label(name) for name in request.body["labels"] if name not in there)]
    return found["labels"]


def _take_label(fake: FakeGitHub, request: Request) -> object:
    found = fake.issue(request.args[0])
    left = [each for each in found["labels"] if each["name"] != request.args[1]]
    if len(left) == len(found["labels"]):
        raise Refused(404, "Label does not exist")
    found["labels"] = left
    return left


def _timeline(fake: FakeGitHub, request: Request) -> object:
    fake.issue(request.args[0])
    mention = re.compile(rf"#{request.args[0]}\b")
    return [
        filled(gh.TimelineCrossReferencedEvent, event="cross-referenced", source={"type": "issue", "issue": each})
        for number, each in sorted(fake.issues.items())
        if mention.search(each["body"] or "") and number != int(request.args[0])
    ]


def _blocked_by(fake: FakeGitHub, request: Request) -> object:
    fake.issue(request.args[0])
    return [fake.issue(str(number)) for number in fake.blockers.get(int(request.args[0]), [])]


def _sub_issues(fake: FakeGitHub, request: Request) -> object:
    fake.issue(request.args[0])
    return [fake.issue(str(number)) for number in fake.parts.get(int(request.args[0]), [])]


def _list_pulls(fake: FakeGitHub, request: Request) -> object:
    found = [fake.pull(str(number)) for number in sorted(fake.pulls, reverse=True)]
    wanted, head = request.query.get("state", "open"), request.query.get("head")
    found = [each for each in found if wanted in ("all", each["state"])]
    return [each for each in found if head in (None, f"{OWNER}:{each['head']['ref']}")]


def _create_pull(fake: FakeGitHub, request: Request) -> object:
    body = request.body
    _require_body(body)
    if not {"head", "base"} <= set(body):
        raise Refused(
            422, "Validation Failed", ({"resource": "PullRequest", "field": "base", "code": "missing_field"},)
        )
    head, base = "" if fake.is_behind else fake.ref(body["head"]), fake.ref(body["base"])
    for name, found in (("head", head), ("base", base)):
        if not found:
            raise Refused(422, "Validation Failed", ({"resource": "PullRequest", "field": name, "code": "invalid"},))
    if any(each["state"] == "open" and each["head"]["ref"] == body["head"] for each in fake.pulls.values()):
        words = f"A pull request already exists for {OWNER}:{body['head']}."
        raise Refused(422, "Validation Failed", ({"resource": "PullRequest", "code": "custom", "message": words},))
    if not fake.run_git("rev-list", f"{base}..{head}"):
        words = f"No commits between {body['base']} and {body['head']}"
        raise Refused(422, "Validation Failed", ({"resource": "PullRequest", "code": "custom", "message": words},))
    if body.get("draft") and not fake.has_drafts:
        raise Refused(422, "Draft pull requests are not supported in this repository.")
    number = len(fake.issues) + len(fake.pulls) + 1
    ends: dict[str, Any] = {
        "head": {**filled(gh.PullRequest)["head"], "ref": body["head"], "sha": head},
        "base": {**filled(gh.PullRequest)["base"], "ref": body["base"], "sha": base},
    }
    said = {"title": body["title"], "body": body.get("body"), "user": account(request.who), "state": "open"}
    said |= {"draft": bool(body.get("draft")), "node_id": f"PR_{number}"}
    page = f"{fake.page}/pull/{number}"
    fake.pulls[number] = filled(gh.PullRequest, id=fake.next_id(), number=number, html_url=page, **said, **ends)
    return fake.pulls[number]


def _get_pull(fake: FakeGitHub, request: Request) -> object:
    return fake.pull(request.args[0])


def _edit_pull(fake: FakeGitHub, request: Request) -> object:
    found = fake.pull(request.args[0])
    _require_body(request.body)
    found.update({key: request.body[key] for key in ("title", "body", "state") if key in request.body})
    return found


def _list_reviews(fake: FakeGitHub, request: Request) -> object:
    fake.pull(request.args[0])
    return fake.reviews.get(int(request.args[0]), [])


def _list_line_comments(fake: FakeGitHub, request: Request) -> object:
    fake.pull(request.args[0])
    return fake.line_comments.get(int(request.args[0]), [])


def _permission(fake: FakeGitHub, request: Request) -> object:
    who = next((each for each in fake.permissions if each[1] == request.args[0]), None)
    if who is None:
        raise Refused(404, f"{request.args[0]} is not a user")
    permission = fake.permissions[who]
    user = filled(gh.Collaborator, id=who[0], login=who[1], type=who[2])
    return {"permission": permission, "role_name": permission, "user": user}


def _merge(fake: FakeGitHub, request: Request) -> object:
    found, body = fake.pull(request.args[0]), request.body
    if found["state"] != "open":
        raise Refused(405, "Pull Request is not mergeable")
    if found["draft"]:
        raise Refused(405, "Pull Request is still a draft")
    head, base = found["head"]["sha"], fake.ref(found["base"]["ref"])
    if body.get("sha") not in (None, head):
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    tree = fake.run_git("merge-tree", "--write-tree", base, head, check=False)
    if not tree:
        raise Refused(405, "Pull Request has merge conflicts")
    if body.get("merge_method") == "rebase":
        sha = _rebased(fake, base, head)
    else:
        parents = ["-p", base] if body.get("merge_method") == "squash" else ["-p", base, "-p", head]
        words = f"{body.get('commit_title', 'Merge')}\n\n{body.get('commit_message', '')}"
        sha = fake.run_git("commit-tree", tree, *parents, "-m", words)
    fake.run_git("update-ref", f"refs/heads/{found['base']['ref']}", sha, base)
    found.update(state="closed", merged=True, merged_at=AT, closed_at=AT, merge_commit_sha=sha)
    return {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}


def _rebased(fake: FakeGitHub, base: str, head: str) -> str:
    """The last of new commits on `base`, one for each that `head` has and it has not, merges left out."""
    for commit in fake.run_git("rev-list", "--reverse", "--no-merges", f"{base}..{head}").split():
        onto = fake.run_git("commit-tree", f"{base}^{{tree}}", "-p", f"{commit}^", "-m", "where it goes")
        tree = fake.run_git("merge-tree", "--write-tree", onto, commit)
        base = fake.run_git("commit-tree", tree, "-p", base, "-m", fake.run_git("log", "-1", "--format=%B", commit))
    return base


def _require_body(body: dict[str, Any]) -> None:
    if len(body.get("body") or "") > BODY_LIMIT:
        raise Refused(422, "Validation Failed", ({"field": "body", "code": "custom", "message": "body is too long"},))


def route(name: str, path: str, answer: Any, shape: Any, *, status: int = 200) -> Route:
    """One endpoint; `path` is its method and its address below the repository's, `{n}` a number and `{name}` a word."""
    method, _, below = path.partition(" ")
    whole = below if below.startswith(("/user", "/repositories/")) else f"/repos/{OWNER}/{NAME}{below}"
    return Route(
        name, method, re.compile(whole.replace("{n}", r"(\d+)").replace("{name}", "([^/]+)")), answer, shape, status
    )


ROUTES = (
    route("user", "GET /user", _user, gh.PublicUser),
    route("repository", "GET ", _repository, gh.FullRepository),
    route("issue", "GET /issues/{n}", _get_issue, gh.Issue),
    route("moved issue", "GET /repositories/{n}/issues/{n}", _moved_issue, gh.Issue),
    route("issues", "GET /issues", list_issues, list[gh.Issue]),
    route("all comments", "GET /issues/comments", list_all_comments, list[gh.IssueComment]),
    route("new issue", "POST /issues", _create_issue, gh.Issue, status=201),
    route("edit issue", "PATCH /issues/{n}", _edit_issue, gh.Issue),
    route("comments", "GET /issues/{n}/comments", _list_comments, list[gh.IssueComment]),
    route("new comment", "POST /issues/{n}/comments", _create_comment, gh.IssueComment, status=201),
    route("edit comment", "PATCH /issues/comments/{n}", _edit_comment, gh.IssueComment),
    route("add labels", "POST /issues/{n}/labels", _add_labels, list[gh.Label]),
    route("take label", "DELETE /issues/{n}/labels/{name}", _take_label, list[gh.Label]),
    route("timeline", "GET /issues/{n}/timeline", _timeline, list[gh.TimelineCrossReferencedEvent]),
    route("blocked by", "GET /issues/{n}/dependencies/blocked_by", _blocked_by, list[gh.Issue]),
    route("sub-issues", "GET /issues/{n}/sub_issues", _sub_issues, list[gh.Issue]),
    route("pulls", "GET /pulls", _list_pulls, list[gh.PullRequestSimple]),
    route("new pull", "POST /pulls", _create_pull, gh.PullRequest, status=201),
    route("pull", "GET /pulls/{n}", _get_pull, gh.PullRequest),
    route("edit pull", "PATCH /pulls/{n}", _edit_pull, gh.PullRequest),
    route("reviews", "GET /pulls/{n}/reviews", _list_reviews, list[gh.PullRequestReview]),
    route("line comments", "GET /pulls/{n}/comments", _list_line_comments, list[gh.PullRequestReviewComment]),
    route("permission", "GET /collaborators/{name}/permission", _permission, gh.RepositoryCollaboratorPermission),
    route("merge", "PUT /pulls/{n}/merge", _merge, gh.PullRequestMergeResult),
)
