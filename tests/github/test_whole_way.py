"""An issue on GitHub becomes a merged pull request there, by the program as people call it."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from agentos.domain.requests import Requests
from tests.crash.toy import replies
from tests.e2e.conftest import Desk, toy  # noqa: F401 - a fixture
from tests.github.board import Project
from tests.github.ci import ACTIONS, deploy, first_red, report
from tests.github.fake import ANNA, NAME, OWNER, TOKEN, US, Entry, FakeGitHub
from tests.github.invariants import require_fits, require_harmless, require_readable, require_tested
from tests.github.server import API, Server, serving
from tests.github.test_points import weighed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def server(tmp_path: Path, toy: Path) -> Iterator[Server]:  # noqa: F811
    hub = tmp_path / "hub.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(toy), str(hub)], check=True)
    subprocess.run(["git", "--git-dir", str(hub), "config", "http.receivepack", "true"], check=True)
    with serving(hub) as server:
        ticket = next((toy / "tickets").glob("001*.md")).read_text("utf-8")
        body = ticket.split("---\n", 2)[2].strip()
        server.github.open_issue("Shout", body)
        yield server


@pytest.fixture
def desk(server: Server, tmp_path: Path, database_url: str) -> Desk:
    """A person with a clone of the repository on that GitHub, and a token."""
    target, home = tmp_path / "target", tmp_path / "home"
    subprocess.run(["git", "clone", "-q", str(tmp_path / "hub.git"), str(target)], check=True)
    address = f"{server.github.url}/{OWNER}/{NAME}.git"
    subprocess.run(["git", "-C", str(target), "remote", "set-url", "origin", address], check=True)
    (tmp_path / "config.yaml").write_text("tracker: {kind: github}\nforge: {kind: github}\n", "utf-8")
    made = Desk(target, home, {
        "AGENTOS_HOME": str(home),
        "AGENTOS_CONFIG": str(tmp_path / "config.yaml"),
        "AGENTOS_DATABASE_URL": database_url,
        "AGENTOS_GITHUB__API_URL": server.github.url + API,
        "AGENTOS_GITHUB_TOKEN": TOKEN,
    })  # fmt: skip
    made.says(replies())
    return made


def uncounted(desk: Desk, asked: list[Entry]) -> int:
    """How many of the requests that GitHub was `asked` came before those for the run, which `show` tells as they weighed."""
    told = desk.agentos("show", "1", "--json").result["requests"]
    others = len(asked) - int(told["made"])
    counted = sum((weighed(entry) for entry in asked[others:]), Requests())
    assert asdict(counted) == told
    return others


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1), ("rebase", 1)])
def test_an_issue_on_github_becomes_a_merged_pull_request_there(
    server: Server, desk: Desk, tmp_path: Path, method: str, parents: int
) -> None:
    desk.environment["AGENTOS_GITHUB__MERGE_METHOD"] = method
    hub = server.github
    hub.project = Project()
    hub.project.add(1, "Ready")
    desk.environment["AGENTOS_GITHUB__PROJECT"] = "7"
    found = desk.agentos("doctor")
    assert f"GitHub project: The board at {hub.url}/orgs/acme/projects/7" in found.out, found.out
    assert f"GitHub: {OWNER}/{NAME} at {hub.url}{API}" in found.out, found.out

    begun = len(hub.ledger)
    first = desk.agentos("run", "--issue", "1", "--json")
    assert (first.code, first.result["wait"]["gate"]) == (4, "before_pr"), first.err
    begun += uncounted(desk, hub.ledger[begun:])
    assert [entry.method for entry in hub.ledger[:begun] if entry.did] == [], "before the run is there, it only looks"
    assert {each["name"] for each in hub.issues[1]["labels"]} == {"agentos:waiting", "agent-review"}
    assert hub.project.status(1) == "In review"
    hub.comment(1, "/agentos approve", who=ANNA)
    second = desk.agentos("run", "--issue", "1", "--json")
    assert (second.code, second.result["wait"]["kind"]) == (4, "review"), second.err
    (pull,) = hub.pulls.values()
    assert not pull["draft"]
    head = hub.ref(pull["head"]["ref"])
    hub.review(2, state="approved", body="", sha=head, at="2099-01-01T00:00:00Z", id=7)

    last = desk.agentos("run", "--issue", "1", "--json")
    assert (last.code, last.result["outcome"]) == (0, "merged"), last.err
    assert uncounted(desk, hub.ledger[begun:]) == 0, "all that was asked since was asked for the run"
    assert pull["merged"]
    assert len(hub.run_git("rev-list", "--parents", "-1", "main").split()) == 1 + parents
    assert hub.run_git("diff", head, "main") == ""
    assert (hub.issues[1]["state"], hub.project.status(1)) == ("closed", "Done")
    assert hub.ref(pull["head"]["ref"]) == ""
    made = [entry.route for entry in hub.ledger if entry.did]
    assert (made.count("new pull"), made.count("merge")) == (1, 1)
    require_readable(hub)
    require_harmless(hub)
    ledger = next(desk.home.glob("runs/*/1/1/events.jsonl")).read_text("utf-8").splitlines()
    kinds = {require_fits(json.loads(line)) for line in ledger}
    assert {
        "requests_counted",
        "run_waiting",
        "run_ended",
        "stage_ended",
        "review_judged",
        "check_ended",
        "decision_taken",
    } <= kinds
    texts = [each["body"] for each in hub.comments.values() if each["user"]["id"] == US[0]]
    assert len({text.partition("\n")[0] for text in texts}) == len(texts), "each key is there once"
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and "hub.git" not in path.parts]
    assert [path for path in kept if TOKEN.encode() in path.read_bytes()] == []


def test_a_change_whose_ci_is_red_is_worked_in_before_a_person_is_asked_to_look_where_it_is_deployed(
    server: Server, desk: Desk
) -> None:
    hub, page = server.github, "https://pr-2.preview.example"
    with Path(desk.environment["AGENTOS_CONFIG"]).open("a", encoding="utf-8") as config:
        config.write("deploy: {kind: github, environment: preview, timeout_s: 5}\nmerge_authority: on_approval\n")
    hub.ci.by_rule.append(("build", ACTIONS[0]))

    def starts(hub: FakeGitHub, sha: str) -> None:
        first_red(hub, sha)
        report(hub, deploy(hub, sha, "preview"), "success", environment_url=page)

    hub.ci.starts = starts
    assert desk.agentos("run", "--issue", "1").code == 4
    shown = desk.agentos("approve", "1", "--json")
    assert (shown.code, shown.result["wait"]["kind"]) == (4, "review"), shown.err
    red, green = (sha for sha in hub.ci.runs if sha != hub.ref("main"))
    assert (shown.result["wait"]["subject"], hub.ci.attempts) == (green, {1: 2})
    assert "authorization" not in hub.ci.elsewhere[0]
    asked = [each["body"] for each in hub.comments.values() if "**Review package**" in each["body"]]
    assert [(red in body, green in body) for body in asked] == [(False, True)], "nobody was shown the red one"
    assert page in asked[0]

    done = desk.agentos("approve", "1", "--json")
    assert (done.code, done.result["outcome"]) == (0, "merged"), done.err
    assert hub.run_git("diff", green, "main") == ""
    require_tested(hub)
    dossier = next(desk.home.glob("runs/*/1/1/review-package.md")).read_text("utf-8")
    assert f"| [build]({hub.page}/actions/runs/1/job/" in dossier


def test_a_ticket_is_not_written_where_issues_live_on_github(desk: Desk) -> None:
    refused = desk.agentos("new", "Shout louder")
    assert (refused.code, "issues/new" in refused.err) == (2, True), refused.err
    assert desk.git("status", "--porcelain") == ""
    del desk.environment["AGENTOS_GITHUB_TOKEN"]
    desk.environment["GITHUB_TOKEN"] = ""
    without = desk.agentos("run", "--issue", "1")
    assert (without.code, "AGENTOS_GITHUB_TOKEN" in without.err) == (2, True), without.err


def test_a_run_whose_database_is_lost_is_found_on_github_and_nothing_is_there_twice(
    server: Server, desk: Desk, empty_database_url: str
) -> None:
    hub = server.github
    desk.agentos("run", "--issue", "1")
    assert desk.agentos("approve", "1", "--json").result["wait"]["kind"] == "review"
    desk.environment["AGENTOS_DATABASE_URL"] = empty_database_url
    desk.says({key: turns for key, turns in replies().items() if key[0] == "finalize"})
    found = desk.agentos("rebuild", "1", "--json")
    assert found.code == 4, found.err
    for _ in range(3):
        done = desk.agentos("approve", "1", "--json")
        if done.code != 4:
            break
    assert (done.code, done.result["outcome"]) == (0, "merged"), done.err
    made = [entry.route for entry in hub.ledger if entry.did]
    assert (made.count("new pull"), made.count("merge"), len(hub.pulls)) == (1, 1, 1)
    keys = [each["body"].partition("\n")[0] for each in hub.comments.values()]
    assert len(keys) == len(set(keys))
