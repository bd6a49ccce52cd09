"""What the drafter answers, and the low-level design made of it."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from agentos.domain.document import FileAction, FileChange, Lld, Requirement, Scenario
from agentos.workflows.kit.markdown import is_nothing
from agentos.workflows.kit.reply import Line, Lines, Reply, Text, few


class FileReply(Reply):
    """One file of the change."""

    path: Line = Field(description="relative to the repository; a new folder ends in a slash")
    action: FileAction
    why: Text


class RequirementReply(Reply):
    """One requirement."""

    id: Line = Field(description="REQ-1, REQ-2, …")
    text: Text
    criteria: Lines = Field(description="ids of the acceptance criteria it serves, at least one")


class ScenarioReply(Reply):
    """One way to see that a requirement holds."""

    id: Line = Field(description="S-1, S-2, …")
    given: Text = Field(description="the input or state")
    expected: Text = Field(description="the exact result")
    requirement: Line = Field(description="the id of the one requirement it verifies")


Files: TypeAlias = Annotated[list[FileReply], AfterValidator(few)]
Requirements: TypeAlias = Annotated[list[RequirementReply], AfterValidator(few)]
Scenarios: TypeAlias = Annotated[list[ScenarioReply], AfterValidator(few)]


class LldReply(Reply):
    """The low-level design of the change; an empty list or "None." where a section has nothing to say."""

    context: Text = Field(description="context and goal")
    files: Files
    data_structures: Text = Field(description="what is stored or passed around that is new or changes")
    signatures: Lines = Field(description="functions and classes that are new or change, as they will be written")
    logic: Text = Field(description="how it works, step by step")
    decisions: Lines = Field(description="what was decided, against which alternative, why")
    requirements: Requirements
    security: Text
    performance: Text
    scenarios: Scenarios
    risks: Lines
    definition_of_done: Lines
    open_questions: Lines = Field(default_factory=list, description="empty: whatever can be decided is decided here")

    def to_lld(self) -> Lld:
        """The design as a record."""
        return Lld(
            context=self.context,
            files=tuple(FileChange(item.path, item.action, item.why) for item in self.files),
            data_structures="" if is_nothing(self.data_structures) else self.data_structures,
            signatures=tuple(self.signatures),
            logic=self.logic,
            decisions=tuple(self.decisions),
            requirements=tuple(Requirement(item.id, item.text, tuple(item.criteria)) for item in self.requirements),
            security=self.security,
            performance=self.performance,
            scenarios=tuple(Scenario(item.id, item.given, item.expected, item.requirement) for item in self.scenarios),
            risks=tuple(self.risks),
            definition_of_done=tuple(self.definition_of_done),
            open_questions=tuple(self.open_questions),
        )
