"""What foreign text could make GitHub do through our account: call people, and close issues."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.adapters.github.outgoing import PARTING, incoming, outgoing, sent
from agentos.domain.naming import COMMENT_LIMIT_CHARACTERS
from tests.github.acts import acts_in

ACTING = (
    "@ann",
    "ask @acme/team, please",
    "&#64;ann",
    "&#x40;ann",
    "&commat;ann",
    "@&#97;nn",
    "(@ann)",
    "a `b` @ann `c`",
    "\\`@ann\\`",
    "``` x `@ann",
    "- one\n   ```\n   code\n@ann",
    "<div>\n```\n@ann\n```\n</div>",
    "> @ann",
    "| a |\n| --- |\n| @ann |",
    "`a\n\n@ann`",
    "fixes #7",
    "Closes: #7",
    "resolved acme/todo#7",
    "fix GH-7",
    "close https://github.com/acme/todo/issues/7",
    "fixed https://github.com/acme/todo/pull/7",
    "f&#105;xes &#35;7",
    "fixes #&#55;",
    "@ann```\n@ann fixes #7\n```ask @acme/team, please```\n@ann\n```",
    '<a title="`">@ann</a> `',
    "| ` | @ann | ` |\n| - | - | - |\n| ` | @ann | ` |",
)
QUIET = (
    "`@ann` and ``a ` @ann``",
    "```\n@ann fixes #7\n```",
    "~~~python\n@dataclass\nclass A: ...\n~~~",
    "- a\n\n  ```\n  @ann\n  ```",
    "    @ann",
    "ann@example.org",
    "it is about #7, see https://github.com/acme/todo/issues/7",
    "prefixes #7",
    "&#60;b> and &lt;!--",
    '<!-- agentos:status v1 {"say": "fixes #7 @ann"} -->',
)
WORDS = st.lists(
    st.sampled_from(
        [
            *ACTING,
            *QUIET,
            "`",
            "``",
            "```",
            "~~~",
            "\n",
            "\n\n",
            " ",
            "- ",
            "> ",
            "    ",
            "\\",
            "@",
            "#",
            "x",
            "<b>",
            "&",
        ]
    ),
    max_size=12,
).map("".join)


@pytest.mark.parametrize("text", ACTING)
def test_a_text_that_would_act_does_not_and_reads_the_same(text: str) -> None:
    assert acts_in(text)
    assert acts_in(outgoing(text)) == []
    assert PARTING in outgoing(text)
    if "&#" not in text and "&c" not in text:
        assert incoming(outgoing(text)) == text


@pytest.mark.parametrize("text", QUIET)
def test_a_text_that_does_nothing_stays_as_it_is(text: str) -> None:
    assert acts_in(text) == []
    assert outgoing(text) == text


@pytest.mark.examples("outgoing text")
@given(WORDS)
def test_whatever_is_written_together_calls_nobody_and_closes_nothing(text: str) -> None:
    gone = outgoing(text)
    assert acts_in(gone) == []
    assert outgoing(gone) == gone


@pytest.mark.examples("outgoing text")
@given(WORDS)
def test_whatever_does_nothing_stays_as_it_is_but_for_html(text: str) -> None:
    if "<" not in text and not acts_in(text):
        assert outgoing(text) == text


@pytest.mark.examples("outgoing text")
@given(WORDS)
def test_whatever_was_parted_is_read_as_it_was(text: str) -> None:
    text = text.replace("&", "")
    assert incoming(outgoing(text)) == text


def test_what_a_cut_lays_open_is_parted_too() -> None:
    text = "`" + "x" * (COMMENT_LIMIT_CHARACTERS - 500) + " @ann " + "y" * 1000 + "`"
    assert outgoing(text) == text
    assert acts_in(sent(text)) == []
