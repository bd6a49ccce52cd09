"""Each comment that AgentOS writes, made by the code that writes it, as a page for people: docs/reference/comments.md."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from agentos.domain.budget import Spend
from agentos.domain.decision import Decision, DecisionKind, Wait
from agentos.domain.effect import EffectKey, marker
from agentos.domain.issue import IntakePart
from agentos.domain.pipeline import Outcome, Route, Stage
from agentos.domain.status import JobState, WaitKind
from agentos.runs.commands import Command, Verb
from agentos.runs.intake import BEGUN, not_begun
from agentos.runs.signals import Answer, Refused, Signal, acknowledgement
from agentos.workflows.finalize import rules as finalize
from agentos.workflows.implementation.nodes import NO_TESTS
from agentos.workflows.kit.drafting import posted
from agentos.workflows.kit.edits import edited_comment
from agentos.workflows.kit.markdown import lld_markdown
from agentos.workflows.kit.records import load
from agentos.workflows.kit.state import RunState
from agentos.workflows.kit.timeline import Timeline, Visit, timeline_markdown
from agentos.workflows.kit.verdict import blocked
from agentos.workflows.orchestrator.decomposing import resolution
from agentos.workflows.orchestrator.rules import change_gate, ended_comment, wait_comment
from agentos.workflows.pr import rules as pr
from agentos.workflows.triage import rules as triage
from tests.stages.delivery import LATE
from tests.stages.documents import BRIEF, LLD
from tests.unit.workflows.test_finalize_rules import RECORD
from tests.unit.workflows.test_pr_rules import HEAD, ISSUE, LOCAL, PACKAGE
from tests.unit.workflows.test_pr_rules import RUN as RUN_REF
from tests.unit.workflows.test_timeline import AT, RUN

_INTRODUCTION = """\
# Comments of AgentOS

Written by `python tools/check.py --write-docs`; a test keeps it so.

Each kind of comment that AgentOS writes on an issue or its pull request, when, and what answers it. The examples are made by
the code that writes the comments, from one small change. The hidden lines are [for programs](hidden-blocks.md). How an answer
is written and whose counts: [steering by comments](../howto/comments.md); what to type on a command line: [words](../howto/say.md).
"""
_FENCE = "`" * 4
_DIGEST = "d" * 64


@dataclass(frozen=True, slots=True)
class Example:
    """`key` names the effect, as it stands in the first line; ``answered`."""

    title: str
    when: str
    answered: str
    key: str
    text: str


def comments_page() -> str:
    """The page as Markdown: a section a kind of comment."""
    return _INTRODUCTION + "".join(map(_section, examples()))


def examples() -> tuple[Example, ...]:
    """One of each kind, in the order in which people meet them."""
    return (*_status(), *_questions(), *_documents(), *_answers(), *_reviews(), *_ends())


def _section(each: Example) -> str:
    above = f"{marker(EffectKey(each.key))}\n\n"
    return f"""
## {each.title}

**When:** {each.when}

**What you can do:** {each.answered}

{_FENCE}markdown
{each.text if each.key == pr.PR else above + each.text.strip()}
{_FENCE}
"""


def _status() -> Iterator[Example]:
    wait = change_gate(BRIEF, PACKAGE.change, ())
    run = replace(RUN, job=JobState.WAITING, wait_kind=WaitKind.GATE)
    seen = (
        Visit(Stage.TRIAGE, 1, AT.format(0), AT.format(1), "PASS"),
        Visit(Stage.IMPL, 1, AT.format(1), AT.format(9), "PASS"),
    )
    text = timeline_markdown(Timeline(run, seen, Spend(3, 100, 20, 0.25), wait))
    when = "One on each issue, of its newest run; edited whenever a stage is left or the run begins to wait."
    yield Example("Status", when, "type one of the commands it lists.", "status-comment", text)
    why = "it depends on #3, which is open"
    when = "Where an issue was moved to Ready and has to wait; edited when that is over, to “" + BEGUN + "”"
    yield Example("Not begun yet", when, "mend what it names.", "waiting-reason", not_begun(why))


def _questions() -> Iterator[Example]:
    missing, unstated = (IntakePart.CRITERIA,), (IntakePart.SCOPE,)
    when = "Where an issue does not say what nobody can work without. The run is blocked."
    heard = "`/agentos answer …`, or edit the issue."
    yield Example("Intake: missing", when, heard, "intake", _waiting(triage.ask_for(missing, unstated)))
    when = "Where an issue leaves out what it may leave out. The run goes on."
    yield Example("Intake: left open", when, "edit the issue, if you like.", "intake", triage.intake_comment(unstated))
    brief = replace(BRIEF, open_questions=("Should 0 / 0 be reported, too?",))
    when = "Where the issue can be read in several ways. The run is blocked."
    yield Example("Question", when, "`/agentos answer …`", "wait:2.1", _waiting(triage.judge(brief, _DIGEST)))
    brief = replace(BRIEF, route=Route.SPLIT, complexity=9, parts=("Refuse zero", "Say so on the command line"))
    when = "Where one change could not hold it. The run is blocked, and nothing is filed yet."
    heard = "`/agentos approve` files the parts, `/agentos feedback …` narrows the issue."
    yield Example("Parts proposed", when, heard, "wait:2.1", _waiting(triage.judge(brief, _DIGEST)))
    gate = change_gate(BRIEF, PACKAGE.change, ())
    when = "At each gate that is on, here `before_pr`. The run waits."
    heard = "`/agentos approve`, `/agentos feedback …` or `/agentos reject …`"
    yield Example("Gate", when, heard, "wait:2.2", wait_comment(gate, 1))
    update = blocked(Stage.IMPL, "no_test_command", NO_TESTS, needs=("add `commands: test:` to WORKFLOW.md",))
    when = "Whenever the run cannot go on by itself: [each reason](../troubleshooting.md)."
    yield Example("Blocked", when, "mend what it names, then `/agentos retry`.", "wait:2.3", _waiting(update))


def _documents() -> Iterator[Example]:
    when = "When a design or a spec is approved by its reviewer."
    text = posted("Design", _DIGEST, lld_markdown(LLD))
    yield Example("Document", when, "give feedback at its gate, where that is on.", f"lld:{_DIGEST[:12]}", text)
    diff = "--- issue\n+++ issue\n@@ -1 +1 @@\n-Divide safely\n+Divide and take remainders safely\n"
    when = "When somebody edited the issue under way."
    yield Example("Issue edited", when, "nothing has to be done.", "edited:2.1", edited_comment(Stage.IMPL, diff))


def _answers() -> Iterator[Example]:
    said = Signal("comment:0123456789abcdef", "anna", "2", "2026-03-01T10:00:00Z", Command(Verb.APPROVE))
    decision = Decision(DecisionKind.APPROVE, "anna", said.source, subject=HEAD)
    outcomes: dict[str, tuple[str, Decision | Answer | Refused]] = {
        "Recorded": ("When a command or review counts.", decision),
        "Answered": ("To `/agentos status`.", Answer("run #2 is running in impl")),
        "Refused": (
            "When a command does not count, with why.",
            Refused("it was edited after it was written; write it anew"),
        ),
        "Turned away": (
            "To somebody who may not decide, once.",
            Refused("only people who may write to this repository can steer its runs", stranger=True),
        ),
    }
    for title, (when, outcome) in outcomes.items():
        asked = replace(said, said=Command(Verb.STATUS)) if isinstance(outcome, Answer) else said
        heard = "say it anew." if title == "Refused" else "nothing has to be done."
        yield Example(title, when, heard, f"ack:{said.source}", acknowledgement(asked, outcome))


def _reviews() -> Iterator[Example]:
    when = "The text of the pull request; its hidden line is the last one. Kept to what was measured last."
    heard = "review it, or comment on it."
    yield Example("Pull request", when, heard, "pr", pr.pr_body(ISSUE, BRIEF, PACKAGE.change, RUN_REF, LOCAL))
    when = "When a commit is deployed and waits for your review, once a cycle."
    heard = "`/agentos approve <sha>`, `/agentos feedback …` or a review of the pull request."
    yield Example("Review package", when, heard, "review-package:2.1", pr.invitation(PACKAGE, _DIGEST))
    when = "In each thread of a review that asked for changes, when they are deployed."
    heard = "the thread is resolved; write in it to keep it open."
    yield Example("Thread", when, heard, "thread-reply:0123456789abcdef.2.1", pr.thread_reply(PACKAGE))
    when = "When the approved change can be merged and AgentOS may not do that unasked."
    heard = "merge it yourself, or `/agentos approve <sha>`, where AgentOS may merge when told so."
    yield Example(
        "Merge-ready", when, heard, f"dossier:2.{HEAD[:12]}", finalize.dossier_comment(PACKAGE, may_merge=True)
    )
    when = "When the base moved on and the approved change does not pass there any more. The run goes on."
    yield Example(
        "Not merged", when, "review it anew when asked.", "not-merged:2.1", finalize.not_merged("main", HEAD, (LATE,))
    )


def _ends() -> Iterator[Example]:
    when = "When the change is merged and was verified there. The issue is closed."
    yield Example(
        "Close-out",
        when,
        "nothing has to be done.",
        f"close-out:{RECORD.merge_sha[:12]}",
        finalize.close_out_markdown(RECORD),
    )
    when = "When a run ends without a merge, with its outcome: cancelled, nothing to change, or split."
    text = ended_comment(2, Outcome.CANCELLED, "We do not want this any more.")
    yield Example("Ended", when, "move the issue to Ready to begin anew.", "ended:2", text)
    brief = replace(BRIEF, parts=("Refuse zero", "Say so on the command line"))
    text = ended_comment(2, Outcome.DECOMPOSED, resolution(brief, [8, 9]))
    yield Example(
        "Split",
        "The same, where the parts were filed. The issue is closed.",
        "complete the parts, then move them to Ready.",
        "ended:2",
        text,
    )


def _waiting(update: RunState) -> str:
    return wait_comment(load(Wait, update["wait"]), 1)
