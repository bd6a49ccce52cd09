"""What code holds against an implementation spec before a reviewer is paid."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.document import (
    Excerpt,
    FileAction,
    FileChange,
    FunctionSpec,
    Severity,
    Spec,
    TestMapping,
)
from agentos.workflows.kit.file_changes import Tree
from agentos.workflows.spec.reply import SpecReply
from agentos.workflows.spec.rules import Grounds, check_spec, files_to_read, parses, unchecked_signatures
from tests.unit.workflows.test_lld_rules import BRIEF
from tests.unit.workflows.test_lld_rules import SOUND as LLD

ADD, MODIFY, DELETE = FileAction.ADD, FileAction.MODIFY, FileAction.DELETE
CORE = "def divide(a, b):\n    return a // b\n\n\ndef add(a, b):\n    return a + b\n"
TREE = Tree.of(["README.md", "calc/core.py", "tests/test_core.py"])
TOLD = ("two numbers", "the whole part", "ZeroDivisionError for 0")
GROUNDS = Grounds(BRIEF, LLD, TREE, {"calc/core.py": CORE})
SOUND = Spec(
    overview="Look at b first.",
    files=(FileChange("calc/core.py", MODIFY, "the check"), FileChange("tests/test_exit.py", ADD, "the proof")),
    excerpts=(Excerpt("calc/core.py", "    return a // b"),),
    functions=(FunctionSpec("calc/core.py", "def divide(a: int, b: int) -> int", *TOLD),),
    instructions=("Raise before the division.",),
    tests=(TestMapping("S-1", "tests/test_exit.py::test_division_by_zero_exits_with_2"),),
    checklist=("S-1 proved",),
)


def _problems(spec: Spec, grounds: Grounds = GROUNDS) -> list[tuple[str, str]]:
    found = check_spec(spec, grounds)
    assert all(item.severity is Severity.MAJOR and item.where and item.problem and item.fix for item in found)
    return [(item.where, item.problem) for item in found]


def _with_function(*function: str) -> dict[str, object]:
    told = function[2:] or TOLD
    return {"functions": (*SOUND.functions, FunctionSpec(*function[:2], *told))}


def test_a_sound_spec_passes() -> None:
    assert _problems(SOUND) == []


EXIT = "tests/test_exit.py"


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        ({"overview": ""}, "overview", "is empty"),
        ({"instructions": ()}, "instructions", "is empty"),
        ({"checklist": ()}, "checklist", "is empty"),
        (
            {"files": (*SOUND.files, FileChange("x/y/z.py", ADD, "more"))},
            "x/y/z.py",
            "neither that folder nor x exists",
        ),
        ({"excerpts": (*SOUND.excerpts, Excerpt("calc/core.py", "return a / b"))}, "excerpt 2", "is not in the file"),
        ({"excerpts": (*SOUND.excerpts, Excerpt("calc/core.py", " \n"))}, "excerpt 2", "is empty"),
        ({"excerpts": (*SOUND.excerpts, Excerpt("calc/gone.py", "x"))}, "excerpt 2", "there is no such text file"),
        ({"excerpts": ()}, "calc/core.py", "nothing of it is quoted"),
        (_with_function("calc/core.py", "def add(a, b"), "def add", "is not Python"),
        (_with_function("calc/core.py", ""), "a function", "has no signature"),
        (_with_function("calc/other.py", "def f()"), "def f()", "does not change"),
        (_with_function("calc/core.py", "def f()", "", "x", "none"), "def f()", "does not say its inputs"),
        (_with_function("calc/core.py", "def f()", "x", " ", ""), "def f()", "does not say its outputs and errors"),
        ({"functions": ()}, "divide", "has a signature in the LLD and is no function of the spec"),
        ({"files": (*SOUND.files, FileChange("calc/more.py", ADD, " "))}, "calc/more.py", "nothing says why"),
        ({"checklist": ("S-10 and XS-1 proved",)}, "checklist", "does not name S-1"),
        ({"overview": "The exit code is TBD."}, "overview", "leaves something to be decided"),
        ({"instructions": ("Raise an error to be determined.",)}, "instructions", "leaves something to be decided"),
        ({"tests": (*SOUND.tests, TestMapping("S-9", f"{EXIT}::test_x"))}, "S-9", "is no scenario"),
        ({"tests": (TestMapping("S-1", "test_x"),)}, "test_x", "is no test id"),
        ({"tests": (TestMapping("S-1", "tests/test_y.py::test_x"),)}, "tests/test_y.py", "neither exists nor is added"),
    ],
)
def test_each_flaw_is_found_alone_and_named(change: dict[str, object], where: str, problem: str) -> None:
    [(found_where, found_problem)] = _problems(dataclasses.replace(SOUND, **change))  # type: ignore[arg-type]
    assert where in found_where
    assert problem in found_problem


def test_every_file_of_the_design_is_there_with_its_action() -> None:
    files = (FileChange("calc/core.py", DELETE, ""),)
    spec = dataclasses.replace(SOUND, files=files, tests=(TestMapping("S-1", "tests/test_core.py::test_x"),))
    assert _problems(spec) == [
        ("calc/core.py", "the LLD says Modify, the spec Delete"),
        ("tests/test_exit.py", "is in the LLD and not in the spec"),
        ("def divide(a: int, b: int) -> int in calc/core.py", "lies in a file that the spec deletes"),
    ]


def test_a_folder_the_design_declares_needs_no_file_of_its_own() -> None:
    lld = dataclasses.replace(LLD, files=(FileChange("src/", ADD, ""), *LLD.files))
    assert _problems(SOUND, dataclasses.replace(GROUNDS, lld=lld)) == []


def test_a_test_in_a_file_that_is_deleted_proves_nothing() -> None:
    lld = dataclasses.replace(LLD, files=(), signatures=())
    files = (*SOUND.files, FileChange("tests/test_core.py", DELETE, "gone"))
    spec = dataclasses.replace(SOUND, files=files, tests=(TestMapping("S-1", "tests/test_core.py::test_x"),))
    assert [problem for _, problem in _problems(spec, dataclasses.replace(GROUNDS, lld=lld))] == [
        "tests/test_core.py neither exists nor is added"
    ]


def test_every_scenario_needs_a_test_and_without_a_design_every_criterion_does() -> None:
    assert ("S-1", "is proved by no test") in _problems(dataclasses.replace(SOUND, tests=()))
    grounds = dataclasses.replace(GROUNDS, lld=None)
    tests = (TestMapping("AC-1", f"{EXIT}::test_one"),)
    spec = dataclasses.replace(SOUND, tests=tests, checklist=("AC-1 and AC-2 proved",))
    assert _problems(spec, grounds) == [("AC-2", "is proved by no test")]


def test_every_file_of_tests_too_lies_in_the_allowed_scope() -> None:
    grounds = dataclasses.replace(GROUNDS, scopes=((), ("calc/**",)))
    assert _problems(SOUND, grounds) == [(EXIT, "is outside the allowed scope")]
    assert _problems(SOUND, dataclasses.replace(GROUNDS, scopes=(("calc/**", "tests/**"), ()))) == []


def test_a_new_python_file_that_no_runner_looks_into_holds_no_test() -> None:
    files = (*SOUND.files, FileChange("calc/proof.py", ADD, "more"))
    spec = dataclasses.replace(SOUND, files=files, tests=(TestMapping("S-1", "calc/proof.py::proves"),))
    assert _problems(spec) == [("calc/proof.py::proves", "no runner looks for tests in calc/proof.py")]


def test_an_empty_file_needs_no_excerpt() -> None:
    grounds = dataclasses.replace(GROUNDS, contents={"calc/core.py": "\n"})
    assert _problems(dataclasses.replace(SOUND, excerpts=()), grounds) == []


@given(st.integers(0, len(CORE)), st.integers(0, len(CORE)))
def test_an_excerpt_passes_exactly_when_it_stands_in_the_file(start: int, end: int) -> None:
    text = CORE[start:end]
    found = check_spec(dataclasses.replace(SOUND, excerpts=(Excerpt("calc/core.py", text),)), GROUNDS)
    assert bool(found) is not bool(text.strip())
    changed = check_spec(dataclasses.replace(SOUND, excerpts=(Excerpt("calc/core.py", f"{text}~"),)), GROUNDS)
    assert changed


@pytest.mark.parametrize(
    "signature",
    [
        "def divide(a: int, b: int) -> int",
        "def divide(a: int, b: int) -> int:",
        "async def fetch(url: str, *, timeout_s: float = 3.0) -> bytes",
        "class DivisionError(ValueError)",
        "@dataclass(frozen=True)\nclass Point:\n    x: int",
        "@property\ndef name(self) -> str",
        "LIMIT: int = 3",
        "divide(a, b) -> int",
        "Calculator.divide(self, a: int) -> int",
        "def f(a,\n      b)",
    ],
)
def test_signatures_as_people_write_them_are_python(signature: str) -> None:
    assert parses(signature)


@pytest.mark.parametrize("signature", ["", "def f(a", "function f(a) {", "def (a)", "int f(int a);", "def f(x: '\\d'"])
def test_what_is_no_python_is_told_apart(signature: str) -> None:
    assert not parses(signature)


@given(st.text(max_size=60))
def test_no_signature_breaks_the_check(signature: str) -> None:
    assert parses(signature) in (True, False)


def test_signatures_of_other_languages_are_left_to_the_reviewer_and_said_to_be() -> None:
    files = (*SOUND.files, FileChange("calc/fast.c", ADD, "speed"))
    functions = (*SOUND.functions, FunctionSpec("calc/fast.c", "int divide(int a, int b);", *TOLD))
    spec = dataclasses.replace(SOUND, files=files, functions=functions)
    assert _problems(spec) == []
    assert unchecked_signatures(spec) == ("int divide(int a, int b); in calc/fast.c",)
    assert unchecked_signatures(SOUND) == ()


def test_the_files_to_read_are_those_modified_or_quoted() -> None:
    spec = dataclasses.replace(SOUND, excerpts=(*SOUND.excerpts, Excerpt("README.md", "x")))
    assert files_to_read(spec) == ("calc/core.py", "README.md")


def test_the_reply_becomes_a_spec_that_keeps_the_indentation_of_code() -> None:
    reply = SpecReply.model_validate(
        {
            "overview": "Look first.",
            "files": [{"path": "calc/core.py", "action": "Modify", "why": "the check"}],
            "excerpts": [{"path": "calc/core.py", "text": "\n    return a // b\n"}],
            "functions": [],
            "instructions": ["Raise first."],
            "tests": [{"scenario": "S-1", "test": f"{EXIT}::test_x"}],
            "checklist": ["S-1 proved"],
        }
    )
    spec = reply.to_spec()
    assert spec.excerpts == (Excerpt("calc/core.py", "    return a // b"),)
    assert spec.tests == (TestMapping("S-1", f"{EXIT}::test_x"),)
