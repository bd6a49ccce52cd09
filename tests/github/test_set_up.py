"""`init --github`: rights are looked at, labels and one pull request are made or found, and what is left is said."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from agentos.adapters.clock.manual import ManualClock
from agentos.adapters.github.labels import LABEL_DRAFTS
from agentos.adapters.github.looking import look
from agentos.adapters.github.rights import RIGHTS, lacks_scope
from agentos.cli.main import main
from agentos.config.workflow import parse_workflow
from agentos.config.yaml_text import read_mapping
from agentos.domain.finding import Grade
from agentos.domain.issue import IntakePart
from agentos.domain.status import ATTENTION_LABEL, LABELS
from agentos.service.webhooks import EVENTS
from agentos.workflows.triage.rules import missing_parts
from tests.github.apps import APP_ID, FakeApp, private_key
from tests.github.fake import TOKEN
from tests.github.server import Fault, Server, serving
from tests.workspace.scene import Person, make_target

FORM, POLICY, BRANCH = ".github/ISSUE_TEMPLATE/agentos.yml", "WORKFLOW.md", "agentos/set-up"
WRITES = {"new label", "new ref", "new tree", "new git commit", "new pull"}


@dataclass
class Yard:
    """A GitHub, and a person at a machine that has only a token for it."""

    server: Server
    target: Person
    capsys: pytest.CaptureFixture[str]

    def init(self, *words: str) -> tuple[int, str]:
        """Exit code, and all that was said."""
        code = main(["init", "--github", *words])
        said = self.capsys.readouterr()
        return code, said.out + said.err

    def written(self) -> list[str]:
        """What was changed so far, by its route."""
        return [each.route for each in self.server.github.ledger if each.did and each.route in WRITES]

    def shown(self, path: str) -> str:
        """The file as it is proposed."""
        return self.server.github.run_git("show", f"{BRANCH}:{path}")


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Yard]:
    target = make_target(tmp_path / "target")
    target.git("clone", "-q", "--bare", str(target.path), str(tmp_path / "hub.git"))
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path / "hub.git"))
        for name, value in {
            "AGENTOS_CONFIG": "",
            "AGENTOS_HOME": str(tmp_path / "home"),
            "AGENTOS_GITHUB__API_URL": f"{server.github.url}/api/v3",
            "AGENTOS_GITHUB_TOKEN": TOKEN,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield Yard(server, target, capsys)


def test_labels_and_one_pull_request_are_made_from_anywhere(yard: Yard) -> None:
    yard.server.github.labels["Agent-Review"] = {"color": "ffffff", "description": "mine"}
    code, said = yard.init("acme/todo")
    assert code == 0, said
    names = {each.name for each in LABEL_DRAFTS}
    assert {*LABELS, ATTENTION_LABEL, "agentos:ready", "do-not-automate"} == names
    made = yard.server.github.labels
    assert set(made) == {*names - {ATTENTION_LABEL}, "Agent-Review"}
    assert made["Agent-Review"] == {"color": "ffffff", "description": "mine"}
    (pull,) = yard.server.github.pulls.values()
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (BRANCH, "main")
    changed = yard.server.github.run_git("diff", "--name-only", f"main...{BRANCH}").split()
    assert changed == [FORM, POLICY]
    assert pull["html_url"] in said
    assert "as agentos-bot, by a token" in said
    rest = [each for each in yard.written() if each != "new label"]
    assert rest == ["new tree", "new git commit", "new ref", "new pull"]


def test_a_second_call_changes_nothing_and_says_so(yard: Yard) -> None:
    yard.init("acme/todo")
    before = yard.written()
    code, said = yard.init("acme/todo")
    assert (code, yard.written()) == (0, before)
    assert "all there already" in said
    assert "proposed already" in said
    github = yard.server.github
    github.run_git("update-ref", "refs/heads/main", github.ref(BRANCH))
    github.pulls.clear()
    code, said = yard.init("acme/todo")
    assert (code, yard.written()) == (0, before)
    assert "nothing to propose" in said


def test_a_clone_names_its_own_repository(yard: Yard) -> None:
    yard.target.git("remote", "add", "origin", f"{yard.server.github.url}/acme/todo.git")
    code, said = yard.init("--repo", str(yard.target.path))
    assert code == 0, said
    assert len(yard.server.github.pulls) == 1


def test_what_is_there_is_not_proposed_again_and_a_refused_proposal_not_repeated(yard: Yard) -> None:
    yard.init("acme/todo")
    (pull,) = yard.server.github.pulls.values()
    pull["state"] = "closed"
    code, said = yard.init("acme/todo")
    assert code == 3
    assert "was closed without a merge" in said
    assert len(yard.server.github.pulls) == 1


@pytest.mark.parametrize("lost", ["new ref", "new pull", "new label"])
def test_a_lost_answer_makes_nothing_twice(yard: Yard, lost: str) -> None:
    yard.server.github.scopes = "repo"
    yard.server.faults.append(Fault("lost", lost, after=True))
    code, said = yard.init("acme/todo")
    assert (code, yard.server.faults[0].fired) == (0, 1), said
    assert len(yard.server.github.pulls) == 1
    assert len(yard.server.github.labels) == len(LABEL_DRAFTS)


def test_killed_before_the_pull_request_it_is_opened_by_the_next_call(yard: Yard) -> None:
    yard.server.github.scopes = "repo"
    yard.server.faults.append(Fault("refused", "new pull", 403))
    code, said = yard.init("acme/todo")
    assert code == 3
    assert "commit these files to the base branch yourself" in said
    head = yard.server.github.ref(BRANCH)
    code, _ = yard.init("acme/todo")
    assert (code, yard.server.github.ref(BRANCH), len(yard.server.github.pulls)) == (0, head, 1)


def test_what_may_not_be_done_is_said_with_how_to_do_it_by_hand_and_the_rest_is_done(yard: Yard) -> None:
    yard.server.faults.append(Fault("refused", "new label", 403, times=99))
    code, said = yard.init("acme/todo")
    assert code == 3
    assert "make them at" in said
    assert "agentos:ready" in said
    assert len(yard.server.github.pulls) == 1


def test_the_policy_says_github_and_guesses_the_test_command(yard: Yard) -> None:
    yard.target.write("pyproject.toml", "[project]\n")
    yard.target.commit("a project")
    yard.target.git("push", "-q", str(yard.server.github.git), "HEAD:main")
    yard.init("acme/todo")
    front = parse_workflow(yard.shown(POLICY)).front
    assert (front["tracker"], front["forge"]) == ({"kind": "github"}, {"kind": "github"})
    assert "pytest" in front["commands"]["test"]


def test_as_json_it_is_one_document(yard: Yard) -> None:
    code = main(["init", "--github", "acme/todo", "--json"])
    told = json.loads(yard.capsys.readouterr().out)
    assert (code, told["folder"], told["schema"]) == (0, "127.0.0.1/acme/todo", "agentos.init/v1")
    assert [each["name"] for each in told["checks"]] == ["GitHub", "labels", "pull request"]


@pytest.mark.parametrize("name", ["todo", "acme/todo/x", "../etc", "acme/", "https://github.com/acme/todo"])
def test_a_word_that_names_no_repository_is_refused(yard: Yard, name: str) -> None:
    code, said = yard.init(name)
    assert (code, yard.server.github.ledger) == (2, [])
    assert "owner/name" in said


def test_without_any_commit_nothing_is_proposed(yard: Yard) -> None:
    yard.server.github.run_git("update-ref", "-d", "refs/heads/main")
    code, said = yard.init("acme/todo")
    assert code == 3
    assert "make a first commit there" in said


def rendered(answers: dict[str, str]) -> str:
    """The issue that GitHub makes of the form, as its page about issue forms has it."""
    form = read_mapping((Path("configs") / "issue-form.yml").read_text("utf-8"), where="the form")
    parts = [(each["id"], each["attributes"]["label"]) for each in form["body"]]
    return "\n\n".join(f"### {name}\n\n{answers.get(key, '_No response_')}" for key, name in parts)


def test_triage_understands_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    full = {
        "objective": "Users see the date.",
        "criteria": "- When a task has a date, the list shows it.",
        "constraints": "None",
        "failure": "None",
        "scope": "- src/**",
    }
    every = tuple(IntakePart)
    assert missing_parts("Dates", rendered(full), every) == ()
    optional = {"constraints": IntakePart.CONSTRAINTS, "failure": IntakePart.FAILURE_MODE, "scope": IntakePart.SCOPE}
    for key, part in optional.items():
        left = {name: text for name, text in full.items() if name != key}
        assert missing_parts("Dates", rendered(left), every) == (part,)
    needed = missing_parts("Dates", rendered({"constraints": "None"}), every)
    assert {IntakePart.OBJECTIVE, IntakePart.CRITERIA} <= set(needed)


def test_the_manifest_and_the_page_ask_for_just_what_is_looked_for() -> None:
    root = Path(__file__).parents[2]
    manifest = json.loads((root / "configs" / "github-app.json").read_text("utf-8"))
    rights = {right.name: right.level for right in RIGHTS}
    assert manifest["default_permissions"] == rights
    assert set(manifest["default_events"]) <= EVENTS
    assert (manifest["hook_attributes"]["active"], manifest["public"]) == (False, False)
    page = (root / "docs" / "howto" / "github.md").read_text("utf-8")
    (address,) = re.findall(r"https://github\.com/settings/apps/new\?\S+", page)
    asked = parse_qsl(urlsplit(address).query)
    assert {name: value for name, value in asked if name in rights} == rights
    assert [value for name, value in asked if name == "events[]"] == manifest["default_events"]


async def test_each_right_that_an_app_lacks_is_named_with_its_mend(yard: Yard) -> None:
    app = yard.server.github.app = FakeApp()
    clock = ManualClock()
    (seen,) = await look(yard.server.app_place(clock), clock)
    assert (seen.grade, "the App agentos-acme (installation 77)" in seen.found) == (Grade.OK, True)
    for right in RIGHTS:
        app.rights = {name: level for name, level in app.rights.items() if name != right.name}
        _, lack = await look(yard.server.app_place(clock), clock)
        assert lack.found == f"not allowed: {right}"
        app.rights[right.name] = right.level
    app.rights = {name: level for name, level in app.rights.items() if name != "organization_projects"}
    assert len(await look(yard.server.app_place(clock), clock, ("organization_projects",))) == 1
    app.rights |= {"organization_projects": "write", "issues": "read"}
    _, lack = await look(yard.server.app_place(clock), clock)
    assert lack.grade is Grade.FAIL
    assert lack.found == "not allowed: Issues: read and write (reading issues, comments, labels, closing)"
    assert "Permissions & events" in lack.mend


@pytest.mark.parametrize(
    ("scopes", "fails"),
    [
        ("repo, read:org", []),
        ("public_repo", []),
        ("", ["lacks the scope repo"]),
        ("workflow, gist", ["lacks the scope repo", "may change .github/workflows"]),
    ],
)
async def test_the_scopes_of_a_classic_token_are_read(yard: Yard, scopes: str, fails: list[str]) -> None:
    yard.server.github.scopes = scopes
    _, *found = await look(yard.server.place(), ManualClock())
    assert [words for words, each in zip(fails, found, strict=True) if words in each.found] == fails
    assert yard.written() == []
    assert lacks_scope({"public_repo"}, is_private=True)


async def test_a_fine_grained_token_is_tried_by_changes_that_change_nothing(yard: Yard) -> None:
    clock = ManualClock()
    assert len(await look(yard.server.place(), clock)) == 1
    refused = b'{"message": "Resource not accessible by personal access token"}'
    yard.server.faults += [Fault("no", route, 403, body=refused) for route in ("new issue", "new pull")]
    _, *lacking = await look(yard.server.place(), clock)
    assert [each.found.partition(" (")[0] for each in lacking] == [
        "not allowed: Issues: read and write",
        "not allowed: Pull requests: read and write",
    ]
    assert [each for each in yard.server.github.ledger if each.did] == []


def test_an_app_does_it_too_and_its_token_is_preferred(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    yard.server.github.app = FakeApp()
    monkeypatch.setenv("AGENTOS_GITHUB__APP_ID", APP_ID)
    monkeypatch.setenv("AGENTOS_GITHUB_PRIVATE_KEY", private_key().replace("\n", "\\n"))
    monkeypatch.setattr(yard.server.github.app, "now", ManualClock().now())
    code, said = yard.init("acme/todo")
    assert code == 0, said
    assert "the App agentos-acme" in said
    assert private_key().split("\n")[3] not in said
