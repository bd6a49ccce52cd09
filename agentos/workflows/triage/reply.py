"""What the drafter answers about an issue, and the issue brief made of it."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from agentos.config.words import as_glob
from agentos.domain.document import Criterion, IssueBrief, Risk, WorkType
from agentos.domain.issue import Issue
from agentos.workflows.kit.reply import Line, Lines, Reply, Text, few
from agentos.workflows.triage.doubts import conflict_question, untestable_question
from agentos.workflows.triage.rules import route_of


def _bare(glob: str) -> str:
    """`glob` without the backticks people put around paths."""
    return glob.strip("`").strip()


Globs: TypeAlias = Annotated[list[Annotated[Line, AfterValidator(_bare), AfterValidator(as_glob)]], AfterValidator(few)]


class UntestableReply(Reply):
    """A criterion that no test or command could decide."""

    criterion: Line = Field(description="the criterion, as it stands under `criteria`")
    why: Line = Field(description="what keeps it from being checked")


class BriefReply(Reply):
    """What is wanted, read from the issue, the answers and the feedback."""

    title: Line = Field(default="", description="what will be different, beginning with a verb")
    objective: Text = Field(description="what is to be different afterwards, in one or two sentences")
    criteria: Lines = Field(description="acceptance criteria, each checkable with yes or no, in the issue's order")
    constraints: Lines = Field(default_factory=list)
    failure_mode: Text = Field(default="", description="what the change does when something goes wrong")
    allowed_scope: Globs = Field(default_factory=list, description="path globs the change may touch, if the issue says")
    out_of_scope: Lines = Field(default_factory=list)
    dependencies: Lines = Field(default_factory=list, description="issues or things that must be there first")
    open_questions: Lines = Field(
        default_factory=list, description="what only a person can decide, each a question ready to be posted"
    )
    contradictions: Lines = Field(default_factory=list, description="statements of the issue that cannot both hold")
    untestable: Annotated[list[UntestableReply], AfterValidator(few)] = Field(default_factory=list)
    complexity: int = Field(ge=1, le=10, description="1: one line in one file; 10: a project of its own")
    risk: Risk
    work: WorkType = Field(default=WorkType.CODE, description="the kind of work, by the files that will change")
    route_reason: Line = Field(description="why this complexity and risk")
    parts: Lines = Field(default_factory=list, description="for complexity 9 or 10: issues it could be split into")

    def to_brief(self, issue: Issue, answers: tuple[str, ...]) -> IssueBrief:
        """The brief of `issue`; criteria get their ids here, and every doubt becomes a question with exact wording."""
        doubts = [conflict_question(item) for item in self.contradictions]
        doubts += [untestable_question(item.criterion, item.why) for item in self.untestable]
        return IssueBrief(
            issue_number=issue.ref.number,
            issue_digest=issue.digest,
            title=self.title or issue.title,
            objective=self.objective,
            criteria=tuple(Criterion(f"AC-{n}", text) for n, text in enumerate(dict.fromkeys(self.criteria), 1)),
            constraints=tuple(self.constraints),
            failure_mode=self.failure_mode,
            allowed_scope=tuple(self.allowed_scope),
            out_of_scope=tuple(self.out_of_scope),
            dependencies=tuple(self.dependencies),
            open_questions=(*self.open_questions, *doubts),
            complexity=self.complexity,
            risk=self.risk,
            route=route_of(self.complexity, self.risk),
            route_reason=self.route_reason,
            source=f"{issue.title}\n\n{issue.body}",
            answers=answers,
            parts=tuple(self.parts),
            work=self.work,
        )
