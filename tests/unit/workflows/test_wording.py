"""Words that code can be sure about, and words it leaves alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentos.workflows.kit.wording import is_plain_success, is_undecided, is_vague


@pytest.mark.parametrize(
    "text",
    [
        "The report is fast.",
        "parsing should be faster",
        "The command line is intuitive and easy to use",
        "It works properly",
        "The code is clean, robust and maintainable.",
        "Everything behaves as expected!",
        "user-friendly",
        "Error messages are better",
        "It always runs and is very fast",
    ],
)
def test_a_quality_alone_is_vague(text: str) -> None:
    assert is_vague(text)


@pytest.mark.parametrize(
    "text",
    [
        "calc 1 / 0 exits with 2",
        "The report is ready in 2 s, so it is fast",
        "the list is sorted by date",
        "`add` is faster than `insert`",
        "A file that is not readable is refused with its name",
        "The button is labelled “good”",
        "Old files still load",
        "Nothing is written when the disk is full",
        "The clean command removes the build folder",
        "It prints the better of the two results",
        "divide raises ValueError",
        "",
    ],
)
def test_what_happens_or_can_be_counted_is_not_vague(text: str) -> None:
    assert not is_vague(text)


@pytest.mark.parametrize(
    "text", ["The exit code is TBD.", "to be decided", "Which code???", "name: tbc", "To Be Defined"]
)
def test_what_says_of_itself_that_it_is_open_is_undecided(text: str) -> None:
    assert is_undecided(text)


@pytest.mark.parametrize("text", ["todo list prints it", "what?", "It is to be printed", "STBDY", "add a TODO file"])
def test_what_only_looks_like_it_is_decided(text: str) -> None:
    assert not is_undecided(text)


def test_an_expected_result_says_more_than_that_it_works() -> None:
    assert all(is_plain_success(text) for text in ("works", "It works.", "success", "OK", "no error", "is fast"))
    assert not any(is_plain_success(text) for text in ("exit 0", "HELLO, ANN", "it loads, due is None", "None", ""))


@given(st.text(max_size=300))
def test_no_text_takes_long_or_breaks_a_rule(text: str) -> None:
    assert {is_vague(text), is_undecided(text), is_plain_success(text)} <= {True, False}


def test_a_text_made_to_keep_the_rules_busy_does_not() -> None:
    assert not is_vague("very " * 20_000 + "x")
    assert not is_vague("is " * 20_000 + "x")
    assert not is_vague("fast and " * 20_000 + "x")
