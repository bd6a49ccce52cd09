"""What the model is asked after a merge: issues worth filing."""

from pydantic import Field

from agentos.domain.document import FollowUp
from agentos.workflows.kit.reply import Line, Reply, Text

MOST = 3


class FollowUpReply(Reply):
    """One new issue."""

    title: Line = Field(min_length=1, description="one line, what should be different afterwards")
    body: Text = Field(min_length=1, description="objective and acceptance criteria, as Markdown")


class FollowUpsReply(Reply):
    """The issues worth filing; usually none."""

    follow_ups: list[FollowUpReply] = Field(default_factory=list, max_length=MOST)

    def to_follow_ups(self) -> tuple[FollowUp, ...]:
        """The follow-ups, each title once."""
        return tuple({item.title: FollowUp(item.title, item.body) for item in self.follow_ups}.values())
