"""Documents that stage tests hand over: one small change to the repository of `conftest.FILES`, in records."""

from typing import Any

from agentos.domain.document import (
    Criterion,
    FileAction,
    FileChange,
    IssueBrief,
    Lld,
    Requirement,
    Risk,
    Scenario,
)
from agentos.domain.pipeline import Route

BRIEF = IssueBrief(
    issue_number=1,
    issue_digest="as the tracker has it",
    title="Report division by zero",
    objective="Division by zero is reported instead of a traceback.",
    criteria=(Criterion("AC-1", "divide(1, 0) raises ValueError"),),
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
    source="Divide safely\n\nDividing by zero should exit with 2.",
)
LLD = Lld(
    context="It dies with a traceback.",
    files=(
        FileChange("calc/core.py", FileAction.MODIFY, "the check"),
        FileChange("tests/test_zero.py", FileAction.ADD, "the proof"),
    ),
    data_structures="",
    signatures=("def divide(a: int, b: int) -> int",),
    logic="Look at b first.",
    decisions=(),
    requirements=(Requirement("REQ-1", "refuses 0", ("AC-1",)),),
    security="Not affected.",
    performance="Not affected.",
    scenarios=(Scenario("S-1", "divide(1, 0)", "ValueError", "REQ-1"),),
    risks=(),
    definition_of_done=("the tests pass",),
)
TEST = "tests/test_zero.py::test_division_by_zero_raises"
SPEC_REPLY: dict[str, Any] = {
    "overview": "Look at b first.",
    "files": [
        {"path": "calc/core.py", "action": "Modify", "why": "the check"},
        {"path": "tests/test_zero.py", "action": "Add", "why": "the proof"},
    ],
    "excerpts": [{"path": "calc/core.py", "text": "    return a // b"}],
    "functions": [
        {
            "path": "calc/core.py",
            "signature": "def divide(a: int, b: int) -> int",
            "inputs": "two numbers",
            "outputs": "the whole part of a / b",
            "errors": "ValueError where b is 0",
        }
    ],
    "instructions": ["Raise ValueError before the division."],
    "tests": [{"scenario": "S-1", "test": TEST}],
    "checklist": ["S-1 and AC-1 are proved"],
}
"""What a drafter answers to the design above."""
