"""What an implementation spec must satisfy before a reviewer is paid to read it (pure)."""

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agentos.domain.document import FileAction, Finding, FunctionSpec, IssueBrief, Lld, Severity, Spec
from agentos.workflows.kit.file_changes import Tree, file_findings, is_folder
from agentos.workflows.kit.scope import Scopes, scope_findings
from agentos.workflows.kit.wording import undecided_findings


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a spec is held against: `contents` are the base commit's texts of the files it names, cleaned."""

    brief: IssueBrief
    lld: Lld | None
    tree: Tree
    contents: Mapping[str, str]
    scopes: Scopes = ()

    def scenarios(self) -> tuple[str, ...]:
        """What needs a test: the LLD's scenarios, or the criteria themselves where there is no LLD."""
        if self.lld is not None:
            return tuple(item.id for item in self.lld.scenarios)
        return tuple(item.id for item in self.brief.criteria)


def files_to_read(spec: Spec) -> tuple[str, ...]:
    """The paths whose text at the base commit the checks need."""
    modified = [item.path for item in spec.files if item.action is FileAction.MODIFY]
    return tuple(dict.fromkeys([*modified, *(item.path for item in spec.excerpts)]))


def check_spec(spec: Spec, grounds: Grounds) -> tuple[Finding, ...]:
    """What code can hold against `spec`: empty sections, files, scope, what the design has besides, excerpts, functions,
    tests, the checklist, what is left open."""
    return (
        *_empty_sections(spec),
        *file_findings(spec.files, grounds.tree),
        *scope_findings(spec.files, grounds.scopes),
        *(_unlike_the_design(spec, grounds.lld) if grounds.lld is not None else ()),
        *(_beyond_the_design(spec, grounds.lld) if grounds.lld is not None else ()),
        *_misquoted(spec, grounds),
        *_bad_functions(spec),
        *_bad_mappings(spec, grounds),
        *_incomplete_checklist(spec, grounds),
        *undecided_findings(_texts(spec)),
    )


def _empty_sections(spec: Spec) -> Iterator[Finding]:
    sections = {
        "overview": spec.overview,
        "files": spec.files,
        "instructions": spec.instructions,
        "tests": spec.tests,
        "checklist": spec.checklist,
    }
    for name, content in sections.items():
        if not content:
            yield _flaw(name, "is empty", "write the section")


def _unlike_the_design(spec: Spec, lld: Lld) -> Iterator[Finding]:
    actions = {item.path: item.action for item in spec.files}
    for item in lld.files:
        if is_folder(item.path):
            continue
        if item.path not in actions:
            yield _flaw(item.path, "is in the LLD and not in the spec", f"{item.action} it, in its place in the order")
        elif actions[item.path] is not item.action:
            yield _flaw(item.path, f"the LLD says {item.action}, the spec {actions[item.path]}", "follow the LLD")


def _beyond_the_design(spec: Spec, lld: Lld) -> Iterator[Finding]:
    designed = {item.path for item in lld.files}
    for item in spec.files:
        if item.path not in designed and not item.why.strip():
            yield _flaw(
                item.path, "is not in the LLD, and nothing says why it is needed", "give the reason, or drop it"
            )
    specified = {name for function in spec.functions for name in names_defined(function.signature)}
    for name in dict.fromkeys(name for signature in lld.signatures for name in names_defined(signature)):
        if name not in specified:
            yield _flaw(name, "has a signature in the LLD and is no function of the spec", "specify it as designed")


def names_defined(signature: str) -> tuple[str, ...]:
    """The names that `signature` defines, as far as it says so in the words of Python (`def`, `class`)."""
    return tuple(re.findall(r"\b(?:def|class)\s+(\w+)", signature))


def _misquoted(spec: Spec, grounds: Grounds) -> Iterator[Finding]:
    for number, excerpt in enumerate(spec.excerpts, 1):
        text, where = grounds.contents.get(excerpt.path), f"excerpt {number} of {excerpt.path}"
        if text is None:
            yield _flaw(where, "there is no such text file at the base commit", "quote a file that exists")
        elif not excerpt.text.strip():
            yield _flaw(where, "is empty", "quote the lines that the change touches")
        elif excerpt.text not in text:
            yield _flaw(where, "is not in the file as quoted", "quote the lines verbatim, indentation included")
    quoted = {excerpt.path for excerpt in spec.excerpts}
    for item in spec.files:
        has_text = bool(grounds.contents.get(item.path, "").strip())
        if item.action is FileAction.MODIFY and has_text and item.path not in quoted:
            yield _flaw(item.path, "is to be modified, but nothing of it is quoted", "quote the lines that change")


def _bad_functions(spec: Spec) -> Iterator[Finding]:
    actions = {item.path: item.action for item in spec.files}
    for function in spec.functions:
        where = _heading(function)
        if function.path not in actions:
            yield _flaw(where, "lies in a file that the spec does not change", "add the file, or correct the path")
        elif actions[function.path] is FileAction.DELETE:
            yield _flaw(where, "lies in a file that the spec deletes", "correct the path, or the action")
        if not function.signature.strip():
            yield _flaw(where, "has no signature", "write it as it will stand in the file")
        elif _is_checked(function) and not parses(function.signature):
            yield _flaw(where, "is not Python", "write it as it will stand in the file, without its body")
        told = {"inputs": function.inputs, "outputs": function.outputs, "errors": function.errors}
        missing = [name for name, text in told.items() if not text.strip()]
        if missing:
            yield _flaw(where, f"does not say its {' and '.join(missing)}", "say it; `none` where there are none")


def unchecked_signatures(spec: Spec) -> tuple[str, ...]:
    """The signatures that code cannot read, for they are in no language it knows: they are the reviewer's to check."""
    return tuple(_heading(function) for function in spec.functions if not _is_checked(function))


def _is_checked(function: FunctionSpec) -> bool:
    return function.path.endswith((".py", ".pyi"))


def _heading(function: FunctionSpec) -> str:
    return f"{function.signature.splitlines()[0] if function.signature else 'a function'} in {function.path}"


def parses(signature: str) -> bool:
    """Whether `signature` is a Python function, class or statement, its body and colon left out or not."""
    text = signature.strip().rstrip(":").rstrip()
    bare = re.sub(r"^(?:\w+\.)+(?=\w+\s*\()", "", text)  # `Class.method(self)`, as people write it
    candidates = (signature.strip(), text, f"{text}:\n    ...", f"def {bare}:\n    ...")
    return any(_is_python(candidate) for candidate in candidates)


def _is_python(text: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in a quoted default is not ours to report
        try:
            return bool(ast.parse(text).body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False


def _bad_mappings(spec: Spec, grounds: Grounds) -> Iterator[Finding]:
    wanted = grounds.scenarios()
    gone = {item.path for item in spec.files if item.action is FileAction.DELETE}
    there = (grounds.tree.files | {item.path for item in spec.files}) - gone
    for mapping in spec.tests:
        path, colons, name = mapping.test.partition("::")
        if mapping.scenario not in wanted:
            yield _flaw(
                mapping.scenario or "tests",
                f"is no scenario, but {mapping.test} is to prove it",
                f"one of {list(wanted)}",
            )
        if not (path and colons and name) or any(sign.isspace() for sign in path):
            yield _flaw(mapping.test or mapping.scenario, "is no test id", "write it as path::name")
        elif path not in there:
            yield _flaw(mapping.test, f"{path} neither exists nor is added", "add the file to the spec")
        elif path.endswith(".py") and "test" not in path.lower() and path not in grounds.tree.files:
            yield _flaw(mapping.test, f"no runner looks for tests in {path}", "put it into a test file")
    mapped = {mapping.scenario for mapping in spec.tests}
    for scenario in wanted:
        if scenario not in mapped:
            yield _flaw(scenario, "is proved by no test", "map it to a test as path::name")


def _incomplete_checklist(spec: Spec, grounds: Grounds) -> Iterator[Finding]:
    text = "\n".join(spec.checklist)
    for scenario in grounds.scenarios() if spec.checklist else ():
        if re.search(rf"(?<![\w-]){re.escape(scenario)}(?!\w)", text) is None:
            yield _flaw("checklist", f"does not name {scenario}", "name every scenario by its id")


def _texts(spec: Spec) -> Iterator[tuple[str, str]]:
    """Every text of the spec in which something could be left open, with the name of its place."""
    yield ("overview", spec.overview)
    yield from ((item.path, item.why) for item in spec.files)
    yield from ((_heading(item), f"{item.inputs} {item.outputs} {item.errors}") for item in spec.functions)
    yield from (("instructions", line) for line in spec.instructions)
    yield from (("checklist", line) for line in spec.checklist)


def _flaw(where: str, problem: str, fix: str) -> Finding:
    return Finding(Severity.MAJOR, where, problem, fix)
