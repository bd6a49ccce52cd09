"""LLD and spec read back from their Markdown: exactly what was rendered, and what people write by hand."""

from contextlib import suppress
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentos.domain.document import (
    Excerpt,
    FileAction,
    FileChange,
    FunctionSpec,
    Lld,
    Requirement,
    Scenario,
    Spec,
    TestMapping,
)
from agentos.domain.naming import clean_text
from agentos.workflows.kit.markdown import LLD_TITLES, SPEC_TITLES, cell, cell_text, lld_markdown, spec_markdown
from agentos.workflows.kit.reading import Unreadable, read_lld, read_spec
from tests.stages.documents import LLD

pytestmark = pytest.mark.examples("documents")

T = TypeVar("T")
AWKWARD = (
    *(f"## {title}" for title in LLD_TITLES + SPEC_TITLES),
    *(
        "\\## Logic",
        "### `a.py`",
        "Errors: none",
        "Errors:x",
        "Inputs:",
        "Outputs: a",
        "```",
        "````",
        "- item",
        "| a | b |",
        "| --- |",
        "# top",
    ),
    *("a\\", "a\\|b", "<br>", "&lt;br>", "&amp;lt;br>", "`", "None.", "", "---", "  indented", "## logic  "),
)
LINE = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=30)).map(lambda text: " ".join(clean_text(text).split()))
FILLED = LINE.filter(bool)
TEXT = st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=30)), max_size=5).map(
    lambda lines: clean_text("\n".join(lines)).strip()
)
CODE = st.lists(st.one_of(st.sampled_from(AWKWARD), st.text(max_size=30)), max_size=5).map(
    lambda lines: clean_text("\n".join(lines)).strip("\n")
)
OPTIONAL = TEXT.filter(lambda text: text.casefold() not in ("none", "none."))
"""A text where “None.” is the written form of saying nothing."""
ID = st.from_regex(r"\A[A-Z]{1,4}-[0-9]{1,3}\Z")
FILES = st.builds(FileChange, LINE, st.sampled_from(FileAction), TEXT)


def _some(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(strategy, max_size=3).map(tuple)


LLDS = st.builds(
    Lld,
    context=TEXT,
    files=_some(FILES),
    data_structures=OPTIONAL,
    signatures=_some(FILLED),
    logic=TEXT,
    decisions=_some(FILLED),
    requirements=_some(st.builds(Requirement, ID, TEXT, _some(ID))),
    security=TEXT,
    performance=TEXT,
    scenarios=_some(st.builds(Scenario, ID, TEXT, TEXT, ID)),
    risks=_some(FILLED),
    definition_of_done=_some(FILLED),
    open_questions=_some(FILLED),
)
SPECS = st.builds(
    Spec,
    overview=TEXT,
    files=_some(FILES),
    excerpts=_some(st.builds(Excerpt, LINE, CODE)),
    functions=_some(st.builds(FunctionSpec, LINE, CODE, TEXT, TEXT, TEXT)),
    instructions=_some(FILLED),
    tests=_some(st.builds(TestMapping, ID, LINE)),
    checklist=_some(FILLED),
)


@given(LLDS)
@example(LLD)
def test_a_rendered_design_is_read_back_exactly(lld: Lld) -> None:
    assert read_lld(lld_markdown(lld)) == lld


@given(SPECS)
def test_a_rendered_spec_is_read_back_exactly(spec: Spec) -> None:
    assert read_spec(spec_markdown(spec)) == spec


@given(st.text(max_size=40).map(lambda text: clean_text(text).strip()))
@example("<br>\n&lt;br>\n&amp;lt;br>|\\|")
def test_a_cell_keeps_its_text_on_one_line(text: str) -> None:
    assert "\n" not in cell(text)
    assert cell_text(cell(text)) == text


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_and_breaks_nothing(text: str) -> None:
    for read in (read_lld, read_spec):
        with suppress(Unreadable):
            read(f"## Logic\n{text}\n## Current code\n{text}\n## Functions\n{text}")


def test_what_people_write_by_hand_is_read() -> None:
    said = [title for title in LLD_TITLES[:-1] if title not in ("Files changed", "Logic", "Risks")]
    text = """\
# Ours

## RISKS
* one risk that
  goes on
2. another

##  files changed

|File|Action|Why|
|:--|---|---|
| a.py | modify | because |

## Logic
"""
    text += "".join(f"## {title}\nNone.\n" for title in said)
    lld = read_lld(text.replace("\n", "\r\n"))
    assert lld.risks == ("one risk that goes on", "another")
    assert lld.files == (FileChange("a.py", FileAction.MODIFY, "because"),)
    assert lld.logic == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nothing of it", "none of the sections"),
        ("## Logic\nx\n## Logic\ny", "twice"),
        ("## Files changed\na.py", "should be a table"),
        ("## Files changed\n| a | b |\n|---|---|\n| a.py | Add |", "2 cells, not 3"),
        ("## Files changed\n| a | b | c |\n|---|---|---|\n| a.py | Move | x |", "'Move' of a.py"),
        ("## Risks\nnot a list", "should be a list"),
        ("## Logic\nx", "no section “Context and goal”; write “None.”"),
    ],
)
def test_another_form_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        read_lld(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("## Current code\na.py", "should name a file"),
        ("## Current code\n`a.py`\ntext", "no fence"),
        ("## Current code\n`a.py`\n```\ntext", "never closed"),
        ("## Functions\nf()", "should open each one"),
    ],
)
def test_code_without_its_fence_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        read_spec(text)
