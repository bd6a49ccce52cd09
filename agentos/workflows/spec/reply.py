"""What the drafter answers, and the implementation spec made of it."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from agentos.domain.document import Excerpt, FileAction, FileChange, FunctionSpec, Spec, TestMapping
from agentos.workflows.kit.reply import Code, Line, Lines, Reply, Text, few


class FileReply(Reply):
    """One file to implement."""

    path: Line = Field(description="relative to the repository; a new folder ends in a slash")
    action: FileAction
    why: Text


class ExcerptReply(Reply):
    """Current code the change touches."""

    path: Line
    text: Code = Field(description="lines of the file, verbatim, indentation included, nothing left out in between")


class FunctionReply(Reply):
    """One function or class to write or change."""

    path: Line
    signature: Code = Field(description="as it will stand in the file, without its body")
    inputs: Text = Field(description="every argument: which values it takes, what it does with empty and wrong ones")
    outputs: Text = Field(description="the result and every effect")
    errors: Text = Field(description="what it raises or reports, when, with which message; `none` where it cannot fail")


class MappingReply(Reply):
    """Which test proves which scenario."""

    scenario: Line = Field(description="the id of a scenario of the LLD, or of a criterion where there is no LLD")
    test: Line = Field(description="path::name, as the test runner prints it")


Files: TypeAlias = Annotated[list[FileReply], AfterValidator(few)]
Excerpts: TypeAlias = Annotated[list[ExcerptReply], AfterValidator(few)]
Functions: TypeAlias = Annotated[list[FunctionReply], AfterValidator(few)]
Mappings: TypeAlias = Annotated[list[MappingReply], AfterValidator(few)]


class SpecReply(Reply):
    """The implementation spec."""

    overview: Text
    files: Files = Field(description="in the order they are to be written")
    excerpts: Excerpts = Field(description="at least one of each file that is modified")
    functions: Functions = Field(description="every function or class to write or change")
    instructions: Lines = Field(description="what to do, step by step")
    tests: Mappings = Field(description="every scenario has at least one test")
    checklist: Lines = Field(description="what must be there when it is complete; every scenario is named by its id")

    def to_spec(self) -> Spec:
        """The spec as a record."""
        return Spec(
            overview=self.overview,
            files=tuple(FileChange(item.path, item.action, item.why) for item in self.files),
            excerpts=tuple(Excerpt(item.path, item.text) for item in self.excerpts),
            functions=tuple(
                FunctionSpec(item.path, item.signature, item.inputs, item.outputs, item.errors)
                for item in self.functions
            ),
            instructions=tuple(self.instructions),
            tests=tuple(TestMapping(item.scenario, item.test) for item in self.tests),
            checklist=tuple(self.checklist),
        )
