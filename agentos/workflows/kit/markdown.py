"""Documents as Markdown: what people read, and what the next stage's prompt is given.

LLD and spec are written so that `kit/reading.py` reads back exactly what was rendered: a line that looks like one of
the document's own headings gets a backslash, a fence is longer than any inside of it.
"""

import re
from collections.abc import Iterable
from textwrap import shorten

from agentos.domain.check import CheckResult, CriterionResult
from agentos.domain.document import FileChange, Finding, FunctionSpec, IssueBrief, Lld, Spec

LLD_TITLES = (
    "Context and goal",
    "Files changed",
    "Data structures",
    "Signatures",
    "Logic",
    "Decisions and alternatives",
    "Requirements",
    "Security and safety",
    "Performance",
    "Verification",
    "Risks",
    "Definition of done",
    "Open questions",
)
SPEC_TITLES = ("Overview", "Files, in order", "Current code", "Functions", "Instructions", "Tests", "Checklist")
FUNCTION = "### `"
TOLD = ("Inputs:", "Outputs:", "Errors:")
"""How the lines begin that part the functions of a spec, and what is told of one."""
CRITERION_CHARS = 100
"""Of a criterion, beside what was measured for it; the brief has it whole."""
_NOTHING = frozenset({"", "none", "none."})
_TITLES = frozenset(title.casefold() for title in LLD_TITLES + SPEC_TITLES)
_HEADING = re.compile(r"##\s+(.+?)\s*")


def bullets(items: Iterable[str], *, empty: str = "None.") -> str:
    """One list item a line, or `empty`."""
    lines = [f"- {item}" for item in items]
    return "\n".join(lines) if lines else empty


def numbered(items: Iterable[str]) -> str:
    """One item a line, counted from 1."""
    return "\n".join(f"{n}. {item}" for n, item in enumerate(items, 1))


def is_nothing(text: str) -> bool:
    """Whether `text` is the written form of saying nothing."""
    return text.strip().casefold() in _NOTHING


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; bars inside cells are made harmless, line breaks become `<br>`."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell(item) for item in line) + " |" for line in lines)


def cell(text: str) -> str:
    """`text` as one cell of a table; `cell_text` has it back."""
    plain = re.sub(r"&((?:amp;)*)lt;br>", r"&amp;\1lt;br>", text).replace("<br>", "&lt;br>")
    return plain.replace("\n", "<br>").replace("|", "\\|")


def cell_text(written: str) -> str:
    """What a cell says."""
    text = written.replace("\\|", "|").replace("<br>", "\n").replace("&lt;br>", "<br>")
    return re.sub(r"&amp;((?:amp;)*)lt;br>", r"&\1lt;br>", text)


def title_of(line: str) -> str | None:
    """The section of an LLD or a spec that `line` opens, in small letters; None for any other line."""
    found = _HEADING.fullmatch(line)
    title = found[1].casefold() if found else None
    return title if title in _TITLES else None


def _opens(line: str, marks: tuple[str, ...]) -> bool:
    return title_of(line) is not None or line.startswith(marks)


def shielded(text: str, *marks: str) -> str:
    """`text` as part of a document: no line of it reads as a heading of the document or begins with one of `marks`."""
    lines = text.split("\n")
    return "\n".join(f"\\{line}" if _opens(line.lstrip("\\"), marks) else line for line in lines)


def unshielded(text: str, *marks: str) -> str:
    """What `shielded` was given."""
    lines = text.split("\n")
    return "\n".join(line[1:] if line.startswith("\\") and _opens(line.lstrip("\\"), marks) else line for line in lines)


def fenced(text: str, language: str = "") -> str:
    """`text` as a block of code that nothing inside of it can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def brief_markdown(brief: IssueBrief) -> str:
    """The issue brief without the verbatim issue text."""
    return f"""# Issue brief: {brief.title} (#{brief.issue_number})

**Objective.** {brief.objective}

## Acceptance criteria
{bullets(f"{item.id}: {item.text}" for item in brief.criteria)}

## Constraints
{bullets(brief.constraints)}

## Failure mode
{brief.failure_mode or "None named."}

## Allowed scope
{bullets(brief.allowed_scope, empty="Not limited by the issue.")}

## Out of scope
{bullets(brief.out_of_scope)}

## Questions answered
{bullets(brief.answers)}

Complexity {brief.complexity} of 10, risk {brief.risk}, work {brief.work}, route {brief.route}: {brief.route_reason}
"""


def _files(files: Iterable[FileChange]) -> str:
    return table(("File", "Action", "Why"), ((f"`{item.path}`", item.action, item.why) for item in files))


def lld_markdown(lld: Lld) -> str:
    """The low-level design."""
    requirements = ((item.id, item.text, ", ".join(item.criteria)) for item in lld.requirements)
    scenarios = ((item.id, item.given, item.expected, item.requirement) for item in lld.scenarios)
    return f"""# Low-level design

## Context and goal
{shielded(lld.context)}

## Files changed
{_files(lld.files)}

## Data structures
{shielded(lld.data_structures) or "None."}

## Signatures
{bullets(f"`{item}`" for item in lld.signatures)}

## Logic
{shielded(lld.logic)}

## Decisions and alternatives
{bullets(lld.decisions)}

## Requirements
{table(("Id", "Requirement", "Criteria"), requirements)}

## Security and safety
{shielded(lld.security)}

## Performance
{shielded(lld.performance)}

## Verification
{table(("Id", "Given", "Expected", "Requirement"), scenarios)}

## Risks
{bullets(lld.risks)}

## Definition of done
{bullets(lld.definition_of_done)}

## Open questions
{bullets(lld.open_questions)}
"""


def spec_markdown(spec: Spec) -> str:
    """The implementation spec."""
    excerpts = "\n\n".join(f"`{item.path}`\n\n{fenced(item.text)}" for item in spec.excerpts)
    functions = "\n\n".join(_function(item) for item in spec.functions)
    return f"""# Implementation spec

## Overview
{shielded(spec.overview)}

## Files, in order
{_files(spec.files)}

## Current code
{excerpts or "None."}

## Functions
{functions or "None."}

## Instructions
{bullets(spec.instructions)}

## Tests
{table(("Scenario", "Test"), ((item.scenario, f"`{item.test}`") for item in spec.tests))}

## Checklist
{bullets(spec.checklist)}
"""


def _function(item: FunctionSpec) -> str:
    told = zip(TOLD, (item.inputs, item.outputs, item.errors), strict=True)
    parts = (f"{label} {shielded(text, FUNCTION, *TOLD)}" for label, text in told)
    return "\n\n".join([f"{FUNCTION}{item.path}`", fenced(item.signature), *parts])


def findings_markdown(findings: Iterable[Finding]) -> str:
    """Findings as a list, each with what would mend it."""
    return bullets(
        f"**{item.severity}** {item.where}: {item.problem}" + (f" Fix: {item.fix}" if item.fix else "")
        for item in findings
    )


def criteria_markdown(results: Iterable[CriterionResult]) -> str:
    """Each criterion with what was measured for it."""
    rows = (
        (
            f"{item.criterion}: {shorten(item.text, CRITERION_CHARS, placeholder=' …')}"
            if item.text
            else item.criterion,
            "pass" if item.passed else "FAIL",
            "\n".join(f"`{p}`" for p in item.proofs),
            item.reason,
        )
        for item in results
    )
    return table(("Criterion", "Result", "Proof", "Measured"), rows)


def checks_markdown(results: Iterable[CheckResult]) -> str:
    """Each command with its exit code, duration and test counts."""
    rows = (
        (
            item.name,
            "pass" if item.passed else "FAIL",
            "stopped" if item.exit_code is None else str(item.exit_code),
            f"{item.duration_s:.1f} s",
            str(len(item.tests)) if item.offered_junit else "-",
        )
        for item in results
    )
    return table(("Check", "Result", "Exit code", "Time", "Tests"), rows)
