"""What a low-level design must satisfy before a reviewer is paid to read it (pure)."""

from collections import Counter
from collections.abc import Iterator

from agentos.domain.document import Finding, IssueBrief, Lld, Severity
from agentos.workflows.kit.file_changes import Tree, file_findings
from agentos.workflows.kit.scope import Scopes, scope_findings
from agentos.workflows.kit.wording import is_plain_success, undecided_findings


def check_lld(lld: Lld, brief: IssueBrief, tree: Tree, scopes: Scopes = ()) -> tuple[Finding, ...]:
    """What code can hold against `lld`: empty sections, paths, scope, broken traces, empty proofs, what is left open."""
    return (
        *_empty_sections(lld),
        *file_findings(lld.files, tree),
        *scope_findings(lld.files, scopes),
        *_unclear_ids(lld),
        *_broken_traces(lld, brief),
        *_lost_scenarios(lld),
        *_empty_proofs(lld),
        *(_flaw("open questions", f"is still open: {question}", "decide it") for question in lld.open_questions),
        *undecided_findings(_texts(lld)),
    )


def _empty_sections(lld: Lld) -> Iterator[Finding]:
    sections = {
        "context and goal": lld.context,
        "files changed": lld.files,
        "logic": lld.logic,
        "requirements": lld.requirements,
        "security and safety": lld.security,
        "performance": lld.performance,
        "verification": lld.scenarios,
        "definition of done": lld.definition_of_done,
    }
    for name, content in sections.items():
        if not content:
            yield _flaw(name, "is empty", "write the section; say so where there is nothing to it")


def _unclear_ids(lld: Lld) -> Iterator[Finding]:
    for what, ids in (
        ("requirement", [item.id for item in lld.requirements]),
        ("scenario", [item.id for item in lld.scenarios]),
    ):
        for id_, count in Counter(ids).items():
            if not id_:
                yield _flaw(what, "has no id", f"give every {what} an id")
            elif count > 1:
                yield _flaw(id_, f"names {count} {what}s", f"give every {what} an id of its own")


def _broken_traces(lld: Lld, brief: IssueBrief) -> Iterator[Finding]:
    criteria = [item.id for item in brief.criteria]
    served = {criterion for item in lld.requirements for criterion in item.criteria}
    verified = {item.requirement for item in lld.scenarios}
    for criterion in criteria:
        if criterion not in served:
            yield _flaw(criterion, "is served by no requirement", "trace a requirement to it")
    for item in lld.requirements:
        if not item.criteria:
            yield _flaw(item.id, "is traced to no acceptance criterion", "name the criteria it serves, or drop it")
        for criterion in sorted(set(item.criteria) - set(criteria)):
            yield _flaw(item.id, f"is traced to {criterion}, which the brief does not have", f"one of {criteria}")
        if item.id not in verified:
            yield _flaw(item.id, "is verified by no scenario", "add a scenario with input and exact result")


def _lost_scenarios(lld: Lld) -> Iterator[Finding]:
    required = {item.id for item in lld.requirements}
    for scenario in lld.scenarios:
        if scenario.requirement not in required:
            problem = f"verifies {scenario.requirement or 'nothing'}, which is no requirement"
            yield _flaw(scenario.id, problem, "name one of the requirements")


def _empty_proofs(lld: Lld) -> Iterator[Finding]:
    for item in lld.requirements:
        if item.id and not item.text.strip():
            yield _flaw(item.id, "says nothing", "write a statement that can be tested")
    for scenario in lld.scenarios:
        if not scenario.id:
            continue
        if not scenario.given.strip() or not scenario.expected.strip():
            yield _flaw(scenario.id, "lacks its input or its result", "write the input and the exact result")
        elif is_plain_success(scenario.expected):
            problem = f"expects “{scenario.expected.strip()}”, which any implementation meets"
            yield _flaw(scenario.id, problem, "write the exact result")


def _texts(lld: Lld) -> Iterator[tuple[str, str]]:
    """Every text of the design in which something could be left open, with the name of its place."""
    prose = {"context and goal": lld.context, "data structures": lld.data_structures, "logic": lld.logic}
    yield from {**prose, "security and safety": lld.security, "performance": lld.performance}.items()
    for name, lines in {
        "signatures": lld.signatures,
        "decisions": lld.decisions,
        "done": lld.definition_of_done,
    }.items():
        yield from ((name, line) for line in lines)
    yield from ((item.id, item.text) for item in lld.requirements)
    yield from ((item.id, f"{item.given} {item.expected}") for item in lld.scenarios)
    yield from ((item.path, item.why) for item in lld.files)


def _flaw(where: str, problem: str, fix: str) -> Finding:
    return Finding(Severity.MAJOR, where, problem, fix)
