"""What code holds against a design before a reviewer is paid."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agentos.domain.document import (
    Criterion,
    FileAction,
    FileChange,
    IssueBrief,
    Lld,
    Requirement,
    Risk,
    Scenario,
    Severity,
)
from agentos.domain.pipeline import Route
from agentos.workflows.kit.file_changes import Tree, file_findings
from agentos.workflows.kit.records import dump
from agentos.workflows.lld.reply import LldReply
from agentos.workflows.lld.rules import check_lld

ADD, MODIFY, DELETE = FileAction.ADD, FileAction.MODIFY, FileAction.DELETE
TREE = Tree.of(["README.md", "calc/core.py", "tests/test_core.py"])
BRIEF = IssueBrief(
    issue_number=7,
    issue_digest="d1",
    title="Divide safely",
    objective="Division by zero is reported.",
    criteria=(Criterion("AC-1", "exits with 2"), Criterion("AC-2", "prints the reason")),
    constraints=(),
    failure_mode="",
    allowed_scope=(),
    out_of_scope=(),
    dependencies=(),
    open_questions=(),
    complexity=4,
    risk=Risk.LOW,
    route=Route.FULL,
    route_reason="two files",
    source="",
)
SOUND = Lld(
    context="It dies with a traceback.",
    files=(FileChange("calc/core.py", MODIFY, "the check"), FileChange("tests/test_exit.py", ADD, "the proof")),
    data_structures="",
    signatures=("def divide(a: int, b: int) -> int",),
    logic="Look at b first.",
    decisions=(),
    requirements=(Requirement("REQ-1", "reports and exits", ("AC-1", "AC-2")),),
    security="Not affected, because nothing is read.",
    performance="Not affected.",
    scenarios=(Scenario("S-1", "calc 1 / 0", "exit 2", "REQ-1"),),
    risks=(),
    definition_of_done=("the tests pass",),
)


def _problems(lld: Lld) -> list[tuple[str, str]]:
    found = check_lld(lld, BRIEF, TREE)
    assert all(item.severity is Severity.MAJOR and item.where and item.problem and item.fix for item in found)
    return [(item.where, item.problem) for item in found]


def test_a_sound_design_passes() -> None:
    assert _problems(SOUND) == []


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        ({"context": ""}, "context and goal", "is empty"),
        ({"logic": ""}, "logic", "is empty"),
        ({"security": ""}, "security and safety", "is empty"),
        ({"performance": ""}, "performance", "is empty"),
        ({"files": ()}, "files changed", "is empty"),
        ({"definition_of_done": ()}, "definition of done", "is empty"),
        ({"open_questions": ("Which code?",)}, "open questions", "is still open: Which code?"),
        ({"requirements": (Requirement("REQ-1", "exits", ("AC-1",)),)}, "AC-2", "is served by no requirement"),
        ({"requirements": (Requirement("REQ-1", " ", ("AC-1", "AC-2")),)}, "REQ-1", "says nothing"),
        ({"scenarios": (Scenario("S-1", "", "exit 2", "REQ-1"),)}, "S-1", "lacks its input or its result"),
        ({"scenarios": (Scenario("S-1", "calc 1 / 0", "", "REQ-1"),)}, "S-1", "lacks its input or its result"),
        (
            {"scenarios": (Scenario("S-1", "calc 1 / 0", "It works.", "REQ-1"),)},
            "S-1",
            "expects “It works.”, which any implementation meets",
        ),
        ({"logic": "The exit code is TBD."}, "logic", "leaves something to be decided"),
        ({"decisions": ("the name is to be decided",)}, "decisions", "leaves something to be decided"),
        ({"files": (*SOUND.files, FileChange("calc/b.py", ADD, "???"))}, "calc/b.py", "leaves something to be decided"),
        (
            {"requirements": (*SOUND.requirements, Requirement("REQ-2", "warns", ("AC-1",)))},
            "REQ-2",
            "is verified by no scenario",
        ),
        (
            {"requirements": (Requirement("REQ-1", "reports", ("AC-1", "AC-2", "AC-9")),)},
            "REQ-1",
            "is traced to AC-9, which the brief does not have",
        ),
        ({"requirements": (*SOUND.requirements,) * 2}, "REQ-1", "names 2 requirements"),
        ({"scenarios": (*SOUND.scenarios,) * 2}, "S-1", "names 2 scenarios"),
        (
            {"scenarios": (*SOUND.scenarios, Scenario("S-2", "calc 2 / 0", "exit 2", "REQ-9"))},
            "S-2",
            "verifies REQ-9, which is no requirement",
        ),
        ({"scenarios": (*SOUND.scenarios, Scenario("", "", "", "REQ-1"))}, "scenario", "has no id"),
    ],
)
def test_each_flaw_is_found_alone_and_named(change: dict[str, object], where: str, problem: str) -> None:
    assert _problems(dataclasses.replace(SOUND, **change)) == [(where, problem)]  # type: ignore[arg-type]


def test_what_lies_outside_the_scope_of_policy_or_issue_is_found_before_anybody_reads_the_design() -> None:
    scopes = (("calc/**", "tests/**"), ("calc/", "docs/"))
    [finding] = check_lld(SOUND, BRIEF, TREE, scopes)
    assert (finding.where, finding.problem) == ("tests/test_exit.py", "is outside the allowed scope")
    assert "calc/, docs/" in finding.fix
    assert check_lld(SOUND, BRIEF, TREE, ((), ("calc/**", "tests/**"))) == ()


@pytest.mark.parametrize("field", ["data_structures", "signatures", "decisions", "risks", "security", "performance"])
def test_a_reply_says_something_in_every_section_or_that_there_is_nothing(field: str) -> None:
    whole = dump(SOUND)
    assert LldReply.model_validate(whole).to_lld() == SOUND
    with pytest.raises(ValidationError, match=field):
        LldReply.model_validate({key: value for key, value in whole.items() if key != field})


def test_a_requirement_that_serves_nothing_is_found() -> None:
    requirements = (*SOUND.requirements, Requirement("REQ-2", "nice to have", ()))
    scenarios = (*SOUND.scenarios, Scenario("S-2", "calc 1 / 1", "1", "REQ-2"))
    lld = dataclasses.replace(SOUND, requirements=requirements, scenarios=scenarios)
    assert _problems(lld) == [("REQ-2", "is traced to no acceptance criterion")]


@pytest.mark.parametrize(
    ("path", "action", "problem"),
    [
        ("calc/core.py", MODIFY, ""),
        ("README.md", DELETE, ""),
        ("LICENSE", ADD, ""),
        ("calc/new.py", ADD, ""),
        ("calc/parts/new.py", ADD, ""),
        ("docs/new.md", ADD, ""),
        ("calc/missing.py", MODIFY, "is to be modified but does not exist"),
        ("calc", DELETE, "is to be deleted but does not exist"),
        ("calc/core.py", ADD, "is to be added but exists"),
        ("calc", ADD, "is a folder"),
        ("clac/parts/new.py", ADD, "neither that folder nor clac exists"),
        ("calc/core.py/new.py", ADD, "lies below something that is a file"),
        ("/etc/passwd", MODIFY, "is not a path inside the repository"),
        ("../other/file.py", ADD, "is not a path inside the repository"),
        ("calc/../core.py", MODIFY, "is not a path inside the repository"),
        ("calc//core.py", MODIFY, "is not a path inside the repository"),
        ("calc\\core.py", MODIFY, "is not a path inside the repository"),
        (".git/hooks/pre-push", ADD, "is not a path inside the repository"),
        ("calc/.GIT/config", ADD, "is not a path inside the repository"),
        ("", ADD, "is not a path inside the repository"),
        ("calc/Core.py", ADD, "differs from calc/core.py of the base commit by upper and lower case alone"),
        ("Calc/new.py", ADD, "differs from calc of the base commit"),
    ],
)
def test_paths_are_held_against_the_base_commit(path: str, action: FileAction, problem: str) -> None:
    found = file_findings([FileChange(path, action, "")], TREE)
    assert len(found) == bool(problem)
    assert not problem or problem in found[0].problem


def test_a_deep_new_folder_is_accepted_once_it_is_declared_before() -> None:
    deep = FileChange("src/pkg/core.py", ADD, "")
    declared = FileChange("src/", ADD, "")
    beside = FileChange("src/pkg/parts/more.py", ADD, "")
    assert len(file_findings([deep], TREE)) == 1
    assert file_findings([declared, deep, beside], TREE) == ()
    assert len(file_findings([deep, declared], TREE)) == 1


def test_a_file_listed_twice_is_found_and_a_near_path_is_suggested() -> None:
    twice = [FileChange("README.md", MODIFY, ""), FileChange("README.md", DELETE, "")]
    assert [item.problem for item in file_findings(twice, TREE)] == ["is listed twice"]
    [lost] = file_findings([FileChange("core.py", MODIFY, "")], TREE)
    assert lost.fix == "perhaps calc/core.py"


@given(st.lists(st.tuples(st.text(max_size=30), st.sampled_from(FileAction)), max_size=8))
def test_no_path_breaks_the_check_and_what_passes_stays_inside(rows: list[tuple[str, FileAction]]) -> None:
    changes = [FileChange(path, action, "") for path, action in rows]
    flawed = {item.where for item in file_findings(changes, TREE)}
    for change in changes:
        assert change.path in flawed or not change.path or ".." not in change.path.split("/")
        assert change.path in flawed or not change.path.startswith("/")
        assert change.action is ADD or change.path in TREE.files or (change.path or "files") in flawed


@given(st.data())
def test_every_lost_trace_is_found(data: st.DataObject) -> None:
    """Criteria, requirements and scenarios linked at random: a finding exactly where a chain is broken."""
    ids = st.sampled_from(["AC-1", "AC-2"])
    required = data.draw(st.lists(st.lists(ids, max_size=2, unique=True), min_size=1, max_size=4))
    requirements = tuple(Requirement(f"REQ-{n}", "exits", tuple(each)) for n, each in enumerate(required))
    chosen = data.draw(st.lists(st.sampled_from([item.id for item in requirements]), min_size=1, max_size=5))
    scenarios = tuple(Scenario(f"S-{n}", "calc 1 / 0", "exit 2", each) for n, each in enumerate(chosen))
    found = check_lld(dataclasses.replace(SOUND, requirements=requirements, scenarios=scenarios), BRIEF, TREE)
    served = {criterion for item in requirements for criterion in item.criteria}
    broken = {item.id for item in requirements if not item.criteria or item.id not in set(chosen)}
    broken |= {criterion.id for criterion in BRIEF.criteria} - served
    assert {item.where for item in found} == broken


def test_the_reply_becomes_a_design_with_its_text_cleaned() -> None:
    reply = LldReply.model_validate(
        {
            "context": " It dies.\x00 ",
            "files": [{"path": " calc/core.py ", "action": "Modify", "why": "the check"}],
            "data_structures": "None.",
            "signatures": [],
            "logic": "Look first.",
            "decisions": [],
            "risks": [],
            "requirements": [{"id": "REQ-1", "text": "reports", "criteria": ["AC-1", ""]}],
            "security": "None.",
            "performance": "None.",
            "scenarios": [{"id": "S-1", "given": "1 / 0", "expected": "exit 2", "requirement": "REQ-1"}],
            "definition_of_done": ["tests pass"],
        }
    )
    lld = reply.to_lld()
    assert lld.data_structures == ""
    assert lld.context == "It dies."
    assert lld.files == (FileChange("calc/core.py", MODIFY, "the check"),)
    assert lld.requirements[0].criteria == ("AC-1",)
