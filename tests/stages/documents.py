"""Documents that stage tests hand over: one small change to the repository of `conftest.FILES`, in records."""

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
