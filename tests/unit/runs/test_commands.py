"""Commands in comments: read exactly, and only where a person says them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.domain.decision import ACCEPTED_BY, in_a_comment
from agentos.domain.pipeline import Gate, Stage
from agentos.domain.status import WaitKind
from agentos.runs.commands import FORMS, Command, Misspelt, Verb, read_command, written

pytestmark = pytest.mark.examples("commands")

LINES = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\u115f\u1160"), max_size=40)
TEXTS = st.lists(LINES.filter(lambda line: not line.startswith(("On ", "--"))), min_size=1, max_size=4).map(
    lambda lines: "\n".join(line.rstrip() for line in lines).strip()
)
SHAS = st.text("0123456789abcdef", min_size=7, max_size=64)
COMMANDS = st.one_of(
    st.builds(Command, st.sampled_from([Verb.QUEUE, Verb.RESUME, Verb.STATUS])),
    st.builds(Command, st.sampled_from([Verb.ANSWER, Verb.REJECT, Verb.FEEDBACK]), text=TEXTS.filter(bool)),
    st.builds(Command, st.sampled_from([Verb.HOLD, Verb.CANCEL]), text=TEXTS),
    st.builds(Command, st.just(Verb.APPROVE), sha=SHAS | st.just(""), gate=st.none() | st.sampled_from(Gate)),
    st.builds(Command, st.just(Verb.RETRY), stage=st.none() | st.sampled_from(Stage)),
    st.builds(Command, st.just(Verb.SKIP), text=TEXTS.filter(bool), stage=st.sampled_from(Stage)),
)
HIDING = [
    lambda text: "\n".join(f"> {line}" for line in text.split("\n")),
    lambda text: f"```\n{text}\n```",
    lambda text: f"~~~~ text\n{text}\n~~~~",
    lambda text: "\n".join(f"    {line}" for line in text.split("\n")),
    lambda text: f"\t{text}",
    lambda text: f"<!--\n{text}\n-->",
    lambda text: f"<!-- {text} -->",
    lambda text: f"- {text}",
    lambda text: f"1. {text}",
    lambda text: f"# {text}",
    lambda text: f"<pre>\n{text}\n</pre>",
    lambda text: f"`{text}`",
    lambda text: f"[link]: {text}",
    lambda text: f"On Mon, 2 Nov 2026, Ann wrote:\n\n> {text}",
]
"""Ways in which a comment can hold a command without giving it."""


@given(COMMANDS)
def test_every_command_reads_as_it_was_written(command: Command) -> None:
    assert read_command(written(command)) == command


@given(COMMANDS, st.sampled_from(["", "\n", " \n\t\n"]), st.sampled_from(["", " ", "   "]))
def test_blank_lines_and_a_small_indent_before_it_change_nothing(command: Command, above: str, indent: str) -> None:
    assert read_command(above + indent + written(command)) == command


@given(COMMANDS, st.sampled_from(HIDING), st.sampled_from(["", "\n\nThat is what I would say."]))
def test_a_command_that_is_quoted_fenced_listed_or_hidden_is_none(command: Command, hide: object, below: str) -> None:
    assert callable(hide)
    assert read_command(hide(written(command)) + below) is None


@given(LINES.filter(str.strip), COMMANDS)
def test_a_command_below_the_first_line_is_none(first: str, command: Command) -> None:
    found = read_command(f"{first}\n\n{written(command)}")
    assert found is None or first.lstrip().startswith("/agentos")


@given(st.sampled_from([verb for verb in Verb if verb not in (Verb.ANSWER, Verb.FEEDBACK)]), COMMANDS)
def test_a_comment_holds_one_command_at_the_most(verb: Verb, other: Command) -> None:
    found = read_command(f"/agentos {verb}\n{written(other)}")
    assert isinstance(found, Misspelt) or (isinstance(found, Command) and found.verb is verb)


@given(st.text(max_size=200))
def test_no_comment_makes_reading_it_fail(text: str) -> None:
    for comment in (text, f"/agentos {text}", f"/agentos approve {text}", f"/agentos skip {text}"):
        found = read_command(comment)
        assert not isinstance(found, Misspelt) or ("\n" not in found.why and len(found.why) < 300)


@pytest.mark.parametrize(
    "word",
    ["/agent", "/agentosx approve", "/AgentOS approve", "agentos approve", "/ agentos approve", "/agentos:approve"],
)
def test_another_first_word_does_not_speak_to_us(word: str) -> None:
    assert read_command(word) is None


@pytest.mark.parametrize(
    ("comment", "why"),
    [
        ("/agentos", "a command is missing"),
        ("/agentos Approve", "“Approve” is no command"),
        ("/agentos approve 123abc", "“123abc” is no commit"),
        ("/agentos approve 1234567 89abcde", "“89abcde” is no commit"),
        ("/agentos approve gate=before_lunch", "“gate=before lunch” names no gate; one of: after_triage"),
        ("/agentos approve please", "it is written `/agentos approve [sha] [gate=<name>]`"),
        ("/agentos feedback \n\n", "the text is missing"),
        ("/agentos reject", "it is written `/agentos reject <reason>`"),
        ("/agentos retry everything", "“everything” is no stage"),
        ("/agentos skip spec", "the reason is missing"),
        ("/agentos skip -- because", "“” is no stage"),
        ("/agentos resume now", "“now” is too much"),
        ("/agentos <!-- x --> approve", "“!--” is no command"),
    ],
)
def test_a_wrong_word_is_told_why(comment: str, why: str) -> None:
    found = read_command(comment)
    assert isinstance(found, Misspelt)
    assert why in found.why


def test_a_text_goes_on_below_without_what_an_email_adds() -> None:
    mail = "/agentos feedback Say why.\n\n> the line\nIt is not clear.\n\nOn Mon, 2 Nov 2026 at 10:00, Bob\n<b@example.org> wrote:\n\n> /agentos approve\n"
    found = read_command(mail)
    assert found == Command(Verb.FEEDBACK, "Say why.\n\n> the line\nIt is not clear.")
    assert read_command("/agentos approve\r\n-- \r\nAnn, somewhere") == Command(Verb.APPROVE)
    assert read_command("/agentos hold until Monday\n-- \nAnn") == Command(Verb.HOLD, "until Monday")


@pytest.mark.parametrize("kind", WaitKind)
def test_what_people_are_told_to_write_in_a_comment_is_read_as_that(kind: WaitKind) -> None:
    told = re.findall("`(.+?)`", in_a_comment(ACCEPTED_BY[kind], "c0ffee" + "0" * 34))
    found = [read_command(each) for each in told]
    assert [each.verb.value for each in found if isinstance(each, Command)] == [
        word.value for word in ACCEPTED_BY[kind]
    ]
    assert {each.sha for each in found if isinstance(each, Command)} <= {"", "c0ffee000000"}


def test_every_verb_has_its_form() -> None:
    assert {verb: form.partition(" ")[0] for verb, form in FORMS.items()} == {verb: verb.value for verb in Verb}
