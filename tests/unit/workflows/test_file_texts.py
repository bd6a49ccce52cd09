"""What a model is shown of a repository: whole where it fits, the part that matters where it does not."""

from hypothesis import given
from hypothesis import strategies as st

from agentos.workflows.kit.file_texts import beginning, listed, worth_reading
from agentos.workspace.contents import TreeEntry

MANY = [f"src/part_{n // 100:03d}/module_{n:05d}.py" for n in range(20_000)]


def test_a_short_list_is_whole_and_in_order() -> None:
    assert listed(["a.py", "b/c.py"], about="whatever") == "a.py\nb/c.py"


def test_of_a_long_list_what_the_issue_is_about_is_named_and_the_rest_is_counted() -> None:
    paths = [*MANY, "src/part_150/calendar_export.py", "README.md"]
    shown = listed(paths, about="The calendar export forgets the time zone.").split("\n")
    assert "src/part_150/calendar_export.py" in shown
    assert "README.md" in shown
    assert "src/part_199/ (100 more files)" in shown
    assert shown[-1].endswith("files are not listed by name)")
    assert len("\n".join(shown)) < 20_000


@given(st.lists(st.text("ab/", min_size=1, max_size=8), unique=True, max_size=40), st.integers(40, 200))
def test_every_file_is_named_or_counted(paths: list[str], most: int) -> None:
    lines = listed(paths, most=most).split("\n") if paths else []
    if len("\n".join(paths)) <= most:
        assert lines == paths
        return
    named = [line for line in lines if line in paths]
    assert lines[-1] == f"({len(paths) - len(named)} files are not listed by name)"


def test_what_is_to_be_changed_is_shown_however_large_it_is() -> None:
    entries = [_entry("a.py", 10), _entry("big.csv", 900_000), _entry("yarn.lock", 10), _entry("huge.py", 9_000_000)]
    assert worth_reading(entries, about="") == ("a.py",)
    assert worth_reading(entries, about="", first=("big.csv", "huge.py")) == ("big.csv", "a.py")


def test_a_text_that_is_cut_ends_at_a_line_and_says_so() -> None:
    text = "line\n" * 100
    cut = beginning(text, 120)
    assert len(cut) <= 120
    assert cut.startswith("line\nline\n")
    assert cut.endswith("(cut here: the file goes on; 500 characters in all)")
    assert beginning(text, 500) == text
    assert beginning(text, 20) == ""


def _entry(path: str, size_bytes: int) -> TreeEntry:
    return TreeEntry(path=path, mode="100644", sha="0" * 40, size_bytes=size_bytes)
