"""The whole way on a GitHub that nobody here wrote: the npm package `emulate`, with our fake where it lacks something."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.crash.toy import BRIEF, SHOUT_LOUD, TICKET, _submit, _write, replies
from tests.e2e.conftest import Desk, toy  # noqa: F401 - a fixture
from tests.github.emulated import BY_EMULATE, EmulatedGitHub, address, emulated, missing
from tests.github.fake import NAME, OWNER, TOKEN, US, FakeGitHub, Request
from tests.github.invariants import require_invariants
from tests.github.routes import ROUTES
from tests.github.server import API, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(missing()), reason=f"emulate: {missing()}"),
]
FILLED_IN = frozenset({"check runs", "statuses", "suites", "protection", "rules"})
"""What a run asks for that emulate has not, or has by branch names of its own only: answered by our fake."""


@pytest.fixture
def hub(tmp_path: Path, toy: Path) -> Iterator[EmulatedGitHub]:  # noqa: F811
    git = tmp_path / "hub.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(toy), str(git)], check=True)
    subprocess.run(["git", "--git-dir", str(git), "config", "http.receivepack", "true"], check=True)
    with emulated(git, tmp_path) as hub, serving(github=hub):
        yield hub


@pytest.fixture
def desk(hub: EmulatedGitHub, tmp_path: Path, database_url: str) -> Desk:
    """A person with a clone, who answers one question and asks for two changes."""
    target, home = tmp_path / "target", tmp_path / "home"
    subprocess.run(["git", "clone", "-q", str(tmp_path / "hub.git"), str(target)], check=True)
    subprocess.run(
        ["git", "-C", str(target), "remote", "set-url", "origin", f"{hub.url}/{OWNER}/{NAME}.git"], check=True
    )
    (tmp_path / "config.yaml").write_text("tracker: {kind: github}\nforge: {kind: github}\n", "utf-8")
    made = Desk(target, home, {
        "AGENTOS_HOME": str(home),
        "AGENTOS_CONFIG": str(tmp_path / "config.yaml"),
        "AGENTOS_DATABASE_URL": database_url,
        "AGENTOS_GITHUB__API_URL": hub.url + API,
        "AGENTOS_GITHUB__DRAFTS": "false",  # marking one ready is GraphQL, which it has not
        "AGENTOS_GITHUB_TOKEN": TOKEN,
    })  # fmt: skip
    said = replies()
    said["triage", "drafter", 1] = [{"json": {**BRIEF, "open_questions": ["Which language?"]}}]
    said["triage", "drafter", 2] = [{"json": BRIEF}]
    said["review", "implementer", 2] = [_write("greet.py", SHOUT_LOUD + "\n\nTWICE = 2\n"), *_submit("twice")]
    said["review", "reviewer", 2] = said["review", "reviewer", 1]
    made.says(said)
    return made


def test_an_issue_goes_the_whole_way_on_a_github_that_nobody_here_wrote(
    hub: EmulatedGitHub, desk: Desk, tmp_path: Path
) -> None:
    body = TICKET.split("---\n", 2)[2].strip()
    number = hub.done("POST", "/issues", {"title": "Add a shout function", "body": body})["number"]

    def goes_on(code: int, **wait: str) -> None:
        done = desk.agentos("run", "--issue", str(number), "--json")
        assert done.code == code, f"{done.out}\n{done.err}"
        assert {key: done.result["wait"][key] for key in wait} == wait

    def says(text: str) -> None:
        hub.done("POST", f"/issues/{number}/comments", {"body": text})

    def reviews(event: str, text: str) -> None:
        (pull,) = hub.all_of("/pulls")
        given = {"event": event, "body": text, "commit_id": pull["head"]["sha"]}
        hub.done("POST", f"/pulls/{pull['number']}/reviews", given)

    goes_on(4, kind="question")
    says("/agentos answer English.")
    goes_on(4, gate="before_pr")
    says("/agentos approve")
    goes_on(4, kind="review")
    reviews("REQUEST_CHANGES", "End it with an exclamation mark.")
    goes_on(4, kind="review")
    reviews("REQUEST_CHANGES", "And say it twice.")
    goes_on(4, kind="review")
    reviews("APPROVE", "")
    goes_on(0)

    hub.mirror()
    assert hub.issues[number]["state"] == "closed"
    (pull,) = hub.pulls.values()
    assert (pull["merged"], hub.ref(pull["head"]["ref"])) == (True, "")
    assert "TWICE = 2" in hub.run_git("show", "main:greet.py")
    assert hub.run_git("diff", pull["head"]["sha"], "main") == ""
    follow_up = [each for each in hub.issues.values() if each["title"] == "Whisper, too"]
    assert [each["state"] for each in follow_up] == ["open"]
    require_invariants(hub, tmp_path / "home", tmp_path / "target")
    assert hub.answered["emulate"] >= {
        "new issue",
        "new pull",
        "edit pull",
        "merge",
        "reviews",
        "permission",
        "add labels",
    }
    assert hub.answered["emulate"] <= BY_EMULATE
    assert hub.answered["fake"] == FILLED_IN


@dataclass(frozen=True)
class Asked:
    """One request, and what is answered: by emulate, and by our fake. Where these differ, `why` says who is right."""

    route: str
    args: tuple[str, ...]
    body: dict[str, Any]
    emulate: int
    fake: int
    why: str = ""


BRANCH = {"head": "agentos/1-x", "base": "main", "title": "x"}
ASKED = {
    "an issue": Asked("issue", ("1",), {}, 200, 200),
    "an issue that is not there": Asked("issue", ("99",), {}, 404, 404),
    "an issue without a title": Asked("new issue", (), {"body": "x"}, 422, 422),
    "a comment": Asked("new comment", ("1",), {"body": "x"}, 201, 201),
    "a comment too long": Asked(
        "new comment", ("1",), {"body": "x" * 65_537}, 201, 422, "GitHub takes 65,536 characters and refuses more"
    ),
    "a comment on nothing": Asked("new comment", ("99",), {"body": "x"}, 404, 404),
    "an edit of no comment": Asked("edit comment", ("99999",), {"body": "x"}, 404, 404),
    "a label": Asked("add labels", ("1",), {"labels": ["agentos:running"]}, 200, 200),
    "a label taken": Asked("take label", ("1", "agentos:running"), {}, 200, 200),
    "a label taken twice": Asked("take label", ("1", "agentos:running"), {}, 404, 404),
    "who may write": Asked("permission", ("anna",), {}, 200, 200),
    "nobody": Asked("permission", ("zoe",), {}, 404, 404),
    "a pull request of nothing": Asked(
        "new pull",
        (),
        {**BRANCH, "head": "nothing"},
        201,
        422,
        "GitHub: Validation failed, head invalid; emulate makes it",
    ),
    "a pull request": Asked("new pull", (), BRANCH, 201, 201),
    "a second pull request": Asked(
        "new pull", (), BRANCH, 201, 422, "GitHub: a pull request already exists for the branch"
    ),
    "a merge of another commit": Asked(
        "merge", ("2",), {"sha": "a" * 40}, 422, 409, "GitHub documents 409 where sha is not the pull request's head"
    ),
    "a pull request closed": Asked("edit pull", ("2",), {"state": "closed"}, 200, 200),
    "a merge of it": Asked("merge", ("2",), {}, 422, 405, "GitHub documents 405 where a merge cannot be performed"),
}


def test_our_fake_answers_as_emulate_does_but_where_github_documents_otherwise(
    hub: EmulatedGitHub, tmp_path: Path
) -> None:
    routes = {route.name: route for route in ROUTES}
    fake = FakeGitHub(hub.git, hub.url)
    fake.run_git(
        "update-ref",
        f"refs/heads/{BRANCH['head']}",
        fake.run_git("commit-tree", "main^{tree}", "-p", "main", "-m", "x"),
    )
    fake.open_issue("x")
    hub.done("POST", "/issues", {"title": "x"})
    for name, asked in ASKED.items():
        request = Request(US, asked.args, {}, asked.body)
        theirs, _ = hub.ask(
            routes[asked.route].method, address(routes[asked.route], request), asked.body or None, who=US
        )
        ours, _ = fake.answer(routes[asked.route], request)
        assert (name, theirs, ours) == (name, asked.emulate, asked.fake)
        assert (theirs != ours) is bool(asked.why), name
