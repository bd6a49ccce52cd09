"""Which changed files need a person's word, however they are spelled or reached."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.config.settings import Settings
from agentos.workflows.kit import protection
from agentos.workflows.kit.permission import protected_globs
from agentos.workflows.kit.protection import (
    MOST_LISTED,
    Protection,
    as_state,
    contents_digest,
    is_undecided,
    permitted,
    protected_changes,
    undecided_files,
)
from agentos.workflows.kit.state import RunState
from agentos.workspace.contents import RawChange

FILE, LINK, ABSENT = "100644", "120000", "000000"
PROTECTED = [
    *(".github/workflows/ci.yml", ".github/workflows/deep/er.yml", ".github/actions/x/action.yml", "tool/action.yml"),
    *("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", "WORKFLOW.md", ".gitmodules", "Jenkinsfile"),
    *("AGENTS.md", "CLAUDE.md", "src/deep/AGENTS.md", "GEMINI.md", ".cursorrules", ".cursor/rules/a.mdc"),
    *(".claude/settings.json", ".codex/config.toml", ".mcp.json", ".github/copilot-instructions.md", ".aider.conf.yml"),
    *("pyproject.toml", "uv.lock", "requirements.txt", "requirements-dev.txt", "requirements/base.txt", "sub/setup.py"),
    *("package.json", "web/package-lock.json", "go.mod", "Cargo.toml", "Gemfile", "pom.xml", "app/build.gradle.kts"),
    *(".npmrc", ".cargo/config.toml", ".vscode/tasks.json", ".pre-commit-config.yaml", ".gitlab-ci.yml", ".husky/x"),
]
FREE = [
    *("README.md", "docs/AGENTS.rst", "src/agents.py", "github/workflows/ci.yml", "docs/.github/workflows/ci.yml"),
    *(".github/ISSUE_TEMPLATE/bug.md", "workflow.py", "packages/a.json", "src/requirements.py", "workspace/a.py"),
    *("CODEOWNERS.md", "x.AGENTS.md", "gradle.py", "claude/x", "setup.pyi", "my_package.json"),
]


def change(path: str, *, old: str = FILE, new: str = FILE, kind: str = "M", sha: str = "b" * 40) -> RawChange:
    return RawChange(path, kind, old, new, "a" * 40, sha)


@pytest.mark.parametrize("path", PROTECTED)
def test_what_runs_installs_instructs_or_decides_is_protected(path: str) -> None:
    assert Protection().covers(path)


@pytest.mark.parametrize("path", FREE)
def test_everything_else_is_free(path: str) -> None:
    assert not Protection().covers(path)


@pytest.mark.parametrize(
    "path",
    [
        *("agents.MD", "Agents.md.", "AGENTS.md ", "AGENTS.md::$DATA", "AG\u200cENTS.md", ".GitHub/WorkFlows/ci.yml"),
        *(".github./workflows /ci.yml", "CARGO.TOML", "\ufeffCLAUDE.md"),
    ],
)
def test_a_spelling_that_some_file_system_takes_for_a_protected_name_is_protected(path: str) -> None:
    assert Protection().covers(path)


def test_a_repository_adds_its_own_and_takes_nothing_away() -> None:
    added = Protection(["/Billing/**", "*.pem", "!AGENTS.md", "!keys.pem"])
    assert added.covers("billing/rates.py")
    assert added.covers("deep/KEYS.pem")
    assert added.covers("AGENTS.md")
    assert not added.covers("src/billing/rates.py")
    assert not Protection(["!AGENTS.md"]).covers("src/a.py")


def test_a_symlink_in_the_place_of_a_folder_above_protected_files_is_protected_and_a_file_there_is_not() -> None:
    plain = Protection()
    assert plain.covers(".github", is_link=True)
    assert not plain.covers(".github")
    assert not plain.covers("src", is_link=True)
    assert Protection(["a/b/**/c"]).covers("a/b", is_link=True)


def test_what_a_protected_symlink_leads_to_is_protected_by_way_of_others_too() -> None:
    links = {"CLAUDE.md": "docs/agents.md", "docs/agents.md": "../notes/real.md", ".github": "forge", "free": "other"}
    led = Protection(links=links)
    for path in ("docs/agents.md", "notes/real.md", "Notes/Real.md", "forge/workflows/ci.yml", "forge"):
        assert led.covers(path), path
    for path in ("other", "docs/other.md", "forgery/x", "notes"):
        assert not led.covers(path), path


def test_links_that_lead_in_a_circle_or_out_of_the_tree_end() -> None:
    led = Protection(links={"CLAUDE.md": "AGENTS.md", "AGENTS.md": "CLAUDE.md", "GEMINI.md": "../../etc/passwd"})
    assert led.covers("AGENTS.md")
    assert not led.covers("etc/passwd")


def test_a_change_counts_by_what_was_there_as_well_as_by_what_comes() -> None:
    gone = change(".github", old=LINK, new=ABSENT, kind="D")
    come = change(".github", old=ABSENT, new=LINK, kind="A")
    free = change("src/a.py")
    found = protected_changes([free, change("uv.lock"), gone], Protection())
    assert [each.path for each in found] == [".github", "uv.lock"]
    assert protected_changes([come, free], Protection()) == (come,)
    assert protected_changes([free], Protection()) == ()


def test_the_same_contents_have_one_name_and_any_other_another() -> None:
    one, two = change("uv.lock"), change("AGENTS.md")
    name = contents_digest([one, two])
    assert name == contents_digest([two, one])
    # What was there before is not what is let through.
    assert name == contents_digest([replace(one, old_sha="c" * 40), two])
    others = ([one], [two], [replace(one, new_sha="c" * 40), two], [replace(one, new_mode="100755"), two])
    assert len({name, *(contents_digest(each) for each in others)}) == 5
    assert contents_digest([]) == ""


@given(st.lists(st.builds(change, st.text(min_size=1, max_size=6), sha=st.sampled_from(["b" * 40, "c" * 40]))))
def test_only_what_has_the_very_same_files_and_contents_was_permitted(changes: list[RawChange]) -> None:
    unique = tuple({each.path: each for each in changes}.values())
    state: RunState = as_state(unique)
    assert is_undecided(state) is bool(unique)
    let_through: RunState = {**state, **permitted(state)}
    assert not is_undecided(let_through)
    assert permitted(let_through) == {}
    more: RunState = {**let_through, **as_state((*unique, change("another one")))}
    assert is_undecided(more)
    back: RunState = {**more, **permitted(more), **state}
    assert not is_undecided(back), "what was let through before is not asked about again"


def test_people_are_told_what_happens_to_each_file_in_letters_that_hide_nothing() -> None:
    changes = (
        change("uv.lock"),
        change("AGENTS.md", old=ABSENT, kind="A"),
        change("go.mod", new=ABSENT, kind="D"),
        change(".github", new=LINK, kind="T"),
        change("a\u202eb\n.pem"),
    )
    state = as_state(changes)
    assert undecided_files(state) == (
        *("uv.lock changed", "AGENTS.md added", "go.mod deleted", ".github changed in kind"),
        "a\\u202eb\\n.pem changed",
    )
    assert undecided_files({**state, **permitted(state)}) == ()
    assert as_state(()) == {"protected": {}}
    assert undecided_files({}) == ()


def test_a_flood_of_files_is_counted() -> None:
    many = tuple(change(f"{number}/go.mod") for number in range(MOST_LISTED + 3))
    told = undecided_files(as_state(many))
    assert len(told) == MOST_LISTED + 1
    assert told[-1] == "and 3 more"
    assert is_undecided({**as_state(many), "permitted": [contents_digest(many[:-1])]})


def test_every_default_is_written_in_small_letters_since_names_are_compared_so() -> None:
    assert [glob for glob in protection.DEFAULTS if glob != glob.casefold()] == []


@pytest.mark.parametrize("folder", ["tickets", "docs/open issues", "a*b[c]"])
def test_no_change_can_bring_in_a_word_of_the_operator(folder: str) -> None:
    settings = Settings.model_validate({"tracker": {"folder": folder}, "scope": {"protected": ["*.pem"]}})
    protection = Protection(protected_globs(settings))
    assert [protection.covers(f"{folder}/{name}") for name in ("1.md", "1.thread.md", "1/thread.md")] == [True] * 3
    assert protection.covers("key.pem")
    assert not protection.covers(f"src/{folder}/1.md")
    elsewhere = Settings.model_validate({"tracker": {"kind": "memory", "folder": folder}})
    assert not Protection(protected_globs(elsewhere)).covers(f"{folder}/1.md")
