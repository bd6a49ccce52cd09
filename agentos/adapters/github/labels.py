"""The labels that AgentOS and people speak with, as a repository is given them."""

from dataclasses import dataclass

from agentos.domain.issue import OPT_OUT_LABEL
from agentos.domain.status import ATTENTION_LABEL, READY_LABEL


@dataclass(frozen=True, slots=True)
class LabelDraft:
    """A label to be made: its colour in six hexadecimal digits, and what people read beside it."""

    name: str
    color: str
    description: str


LABEL_DRAFTS = (
    LabelDraft(READY_LABEL, "0e8a16", "For AgentOS to work on; set by a person"),
    LabelDraft("agentos:queued", "c5def5", "AgentOS has taken it on and comes to it next"),
    LabelDraft("agentos:running", "1d76db", "AgentOS works on it"),
    LabelDraft("agentos:waiting", "fbca04", "AgentOS waits for a person: a gate, a review, a question"),
    LabelDraft("agentos:blocked", "d93f0b", "AgentOS cannot go on until something is put right"),
    LabelDraft("agentos:done", "5319e7", "AgentOS is done with it"),
    LabelDraft(ATTENTION_LABEL, "f9a03f", "A person must look; the last comment says at what"),
    LabelDraft(OPT_OUT_LABEL, "000000", "AgentOS leaves this issue alone, whatever else is said"),
)
