"""Names made from foreign text, and the text itself once it is ours."""

import re
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentos.domain.naming import (
    COMMENT_LIMIT_CHARACTERS,
    SLUG_LENGTH,
    branch_name,
    clean_text,
    fitted,
    repo_key,
    safe_name,
    slug,
    text_digest,
)
from tests.figures import share

pytestmark = pytest.mark.examples("naming")

ANYTHING = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)  # lone surrogates too
ESCAPES = st.sampled_from(
    ["\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;u\x1b\\", "\x1b(B", "\x1bM", "\x1b=", "\x1b[", "\x9b1m", "\x1b"]
)
BIDI = st.sampled_from([chr(code) for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))])
HIDDEN = st.sampled_from(["\u200b", "\u2060", "\ufeff", "\u180e", "\ufff9", "\U000e0041", "\U000e0100"])
HOSTILE = st.lists(ANYTHING | ESCAPES | BIDI | HIDDEN | st.sampled_from(["\r", "\n", "\r\n", "\0", "\ud800"])).map(
    "".join
)
DIRECTED = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.examples("clean_text")
@given(HOSTILE)
@example("\x1b\x1b[m[31m")
@example("\r\0\n")
@example("\ud83d\ude00")
def test_clean_text_cleans_once_and_for_all(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)


@pytest.mark.examples("clean_text")
@given(HOSTILE)
def test_clean_text_leaves_nothing_that_storage_terminals_or_eyes_trip_over(text: str) -> None:
    clean = clean_text(text)
    clean.encode("utf-8")
    assert {sign for sign in clean if unicodedata.category(sign) == "Cc"} <= {"\t", "\n"}
    assert not {unicodedata.bidirectional(sign) for sign in clean} & DIRECTED
    assert not re.search("[\u200b-\u200f\u061c\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]", clean)


@pytest.mark.examples("clean_text")
@given(st.text(st.characters(categories=["L", "Nd", "P", "Zs"], exclude_characters="\u115f\u1160"), max_size=60))
def test_clean_text_leaves_plain_words_alone(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x07", "link"),
        ("reset\x1b(B\x1b[m", "reset"),
        ("\x1b7saved\x1b8", "saved"),
        ("half \x1b[", "half ["),
        ("user\u202etxt.exe", "usertxt.exe"),
        ("ignore\U000e0069\U000e0067 this", "ignore this"),
        ("tab\tstays", "tab\tstays"),
        ("\ud800", "?"),
        ("NUL\0", "NUL"),
    ],
)
def test_clean_text_by_example(text: str, clean: str) -> None:
    assert clean_text(text) == clean


@given(ANYTHING)
def test_a_slug_is_short_plain_and_never_empty(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", slug(text))
    assert len(slug(text)) <= SLUG_LENGTH
    assert slug(slug(text)) == slug(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Divide safely", "divide-safely"),
        ("  Änderung: Größe & Maß!  ", "anderung-groe-ma"),
        ("日本語", "issue"),
        ("", "issue"),
        ("a" * 60, "a" * 40),
        ("x" * 30 + " " + "y" * 30, "x" * 30),
    ],
)
def test_slugs_by_example(text: str, expected: str) -> None:
    assert slug(text) == expected


def _is_valid_branch(name: str) -> bool:
    return (
        subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False).returncode == 0
    )


@share(0.4)
@given(st.integers(1, 10**9), ANYTHING)
@example(1, "..")
@example(1, "release.lock")
@example(1, "-x @{-1} ~^:?*[\\")
def test_a_branch_name_is_one_git_takes(number: int, title: str) -> None:
    name = branch_name(number, title)
    assert name.startswith(f"agentos/{number}-")
    assert _is_valid_branch(name)


KEYS = st.text(st.sampled_from("aA./_- 0é"), max_size=8) | ANYTHING


@given(ANYTHING)
def test_a_safe_name_is_one_file_name_that_stays_where_it_is_put(key: str) -> None:
    name = safe_name(key)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name)
    assert name not in (".", "..")
    assert (Path("folder") / name).parent == Path("folder")


@given(KEYS, KEYS)
def test_two_keys_never_share_a_safe_name(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(KEYS)
def test_nobody_can_take_the_safe_name_of_another_key(key: str) -> None:
    """A key that is spelled like the changed name of another one is changed itself."""
    if safe_name(key) != key:
        assert safe_name(safe_name(key)) != safe_name(key)


def test_a_plain_name_stays_readable() -> None:
    assert safe_name("close-out") == "close-out"
    assert safe_name("test-0123456789abcde") == "test-0123456789abcde"
    assert re.fullmatch(r"github\.com_octo_calc-[0-9a-f]{16}", safe_name("github.com/octo/calc"))


HERE = Path("/srv/checkouts/My Calc")


@pytest.mark.parametrize(
    ("origin", "key"),
    [
        ("https://github.com/octo/calc.git", "github.com/octo/calc"),
        ("https://user:secret@GitHub.com/octo/calc", "github.com/octo/calc"),
        ("git@github.com:octo/calc.git", "github.com/octo/calc"),
        ("ssh://git@github.com:22/octo/calc.git/", "github.com/octo/calc"),
        ("git://example.org/deep/er/calc", "example.org/deep/er/calc"),
    ],
)
def test_the_repo_key_comes_from_the_origin_whatever_its_spelling(origin: str, key: str) -> None:
    assert repo_key(origin, HERE) == key


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "/srv/git/calc.git",
        "../calc",
        "file:///srv/git/calc.git",
        r"C:\git\calc",
        "https://",
        "https://[oops/x",
    ],
)
def test_without_a_remote_origin_the_repo_key_is_the_folder(origin: str | None) -> None:
    assert re.fullmatch(r"my-calc-[0-9a-f]{8}", repo_key(origin, HERE))
    assert repo_key(origin, HERE) != repo_key(origin, HERE.parent / "other" / "My Calc")


def test_a_folder_that_is_no_text_has_a_repo_key() -> None:
    assert repo_key(None, Path("/srv/\udcff")).startswith("issue-")


@given(st.none() | ANYTHING)
def test_every_origin_gives_a_key(origin: str | None) -> None:
    assert repo_key(origin, HERE)


@given(st.lists(ANYTHING), st.lists(ANYTHING))
def test_a_digest_keeps_its_parts_apart(one: list[str], other: list[str]) -> None:
    assert (text_digest(*one) == text_digest(*other)) == (one == other)
    assert re.fullmatch("[0-9a-f]{64}", text_digest(*one))


def test_a_digest_is_the_same_everywhere() -> None:
    assert text_digest("a", "bc") != text_digest("ab", "c")
    assert text_digest() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_text_that_is_too_long_is_cut_at_a_line_end_and_says_so() -> None:
    assert fitted("short\r\n") == "short\n"
    for line in ("a line\n", "x"):
        cut = fitted(line * (COMMENT_LIMIT_CHARACTERS + 1))
        kept, _, note = cut.rpartition("\n\n")
        assert len(cut) <= COMMENT_LIMIT_CHARACTERS
        assert note.startswith("[cut here: the text has ")
        assert set(kept.split("\n")) <= {line.strip(), kept}
