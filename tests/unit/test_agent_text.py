"""What the native agent's files and texts promise."""

import os
import stat
from pathlib import Path

import pytest

from agentos.adapters.agent.native.files import Files, Refused
from agentos.adapters.agent.native.text import head_and_tail, numbered, one_line, replaced


@pytest.fixture
def files(tmp_path: Path) -> Files:
    for name in ("tree", "shown", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    return Files(tmp_path / "tree", tmp_path / "shown")


@pytest.mark.parametrize(
    "path",
    ["../outside/secret", "a/../../outside/secret", "/etc/passwd", "", "\0", ".git/config", "sub/.GIT/config", ".git"],
)
def test_no_path_leads_out_of_the_tree_or_into_git(files: Files, path: str) -> None:
    with pytest.raises(Refused):
        files.read(path)
    with pytest.raises(Refused):
        files.write(path, b"x")


def test_no_link_leads_out_of_the_tree(files: Files, tmp_path: Path) -> None:
    (files.tree / "file").symlink_to(tmp_path / "outside" / "secret")
    (files.tree / "folder").symlink_to(tmp_path / "outside")
    for path in ("file", "folder/secret"):
        with pytest.raises(Refused, match="symbolic link"):
            files.read(path)
        with pytest.raises(Refused, match="symbolic link"):
            files.write(path, b"overwritten")
    assert (tmp_path / "outside" / "secret").read_text() == "secret"
    assert [each.name for each in (tmp_path / "outside").iterdir()] == ["secret"]
    assert files.entries("folder") is None


def test_an_absolute_path_below_the_tree_is_the_tree_s(files: Files) -> None:
    files.write(str(files.tree / "a"), b"x")
    assert files.read("a") == b"x"


def test_what_is_shown_cannot_be_changed(files: Files) -> None:
    (files.shown / "out.txt").write_text("x")
    assert files.read(str(files.shown / "out.txt")) == b"x"
    with pytest.raises(Refused, match="not changed"):
        files.write(str(files.shown / "out.txt"), b"y")


def test_a_pipe_hangs_nobody(files: Files) -> None:
    os.mkfifo(files.tree / "pipe")
    with pytest.raises(Refused, match="no regular file"):
        files.read("pipe")
    with pytest.raises(Refused, match="no regular file"):
        files.write("pipe", b"x")


def test_writing_keeps_the_mode_and_leaves_no_draft(files: Files) -> None:
    (files.tree / "run.sh").write_text("old")
    (files.tree / "run.sh").chmod(0o755)
    files.write("run.sh", b"new")
    files.write("deep/er/new.txt", b"x")
    assert stat.S_IMODE((files.tree / "run.sh").stat().st_mode) == 0o755
    assert sorted(each.name for each in files.tree.rglob("*")) == ["deep", "er", "new.txt", "run.sh"]


@pytest.mark.parametrize("path", ["x" * 300, "a/" * 3 + "x" * 300, "missing", "folder"])
def test_what_cannot_be_read_is_refused_in_a_sentence(files: Files, path: str) -> None:
    (files.tree / "folder").mkdir()
    with pytest.raises(Refused):
        files.read(path)


def test_a_folder_is_listed_without_git(files: Files) -> None:
    (files.tree / ".git").write_text("gitdir: elsewhere")
    (files.tree / "b").mkdir()
    files.write("a", b"")
    assert files.entries(".") == ["a", "b/"]


def test_an_edit_changes_the_one_place() -> None:
    assert replaced(b"a\nb\nc\n", "b", "B") == b"a\nB\nc\n"


def test_an_edit_keeps_foreign_line_ends_and_bytes() -> None:
    assert replaced(b"a\r\nb\r\n\xff", "a\nb", "a\nx\nb") == b"a\r\nx\r\nb\r\n\xff"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [("a", "b", "2 times"), ("", "b", "empty"), ("a", "a", "the same"), ("zebra crossing", "b", "not in the file")],
)
def test_an_edit_that_is_not_clear_is_refused(old: str, new: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        replaced(b"a\na\n", old, new)


def test_a_missed_edit_shows_the_nearest_lines() -> None:
    content = b"def one():\n    pass\n\n\ndef greet(name):\n    return 'hi ' + name\n"
    with pytest.raises(Refused, match=r"5\tdef greet\(name\):\n +6\t    return 'hi ' \+ name"):
        replaced(content, "def greet(nam):\n    return 'hi'", "x")


def test_an_edit_whose_result_is_there_changes_nothing() -> None:
    assert replaced(b"1\nthree\n", "one", "1") is None


def test_view_numbers_lines_and_says_what_is_left() -> None:
    content = b"\n".join(b"line %d" % n for n in range(1, 1001))
    assert numbered(content, 3, 4) == "     3\tline 3\n     4\tline 4\n[996 more lines; the file has 1000]"
    assert len(numbered(content, 1, None).splitlines()) == 501
    assert numbered(b"x" * 5000, 1, None).endswith("[... 5000 characters]")
    assert numbered(b"\0\1", 1, None) == "a binary file of 2 bytes"
    assert numbered(b"", 1, None) == "the file is empty"
    with pytest.raises(Refused, match="no line 1001"):
        numbered(content, 1001, None)


def test_long_output_keeps_its_ends() -> None:
    text = "a" * 6000 + "b" * 6000
    cut = head_and_tail(text, "full.txt")
    assert (cut[0], cut[-1], "2000 characters left out; all of it is in full.txt" in cut) == ("a", "b", True)
    assert head_and_tail("short", "full.txt") == "short"


def test_one_line_is_one_line() -> None:
    assert one_line("\n  first  \nsecond") == "first"
    assert len(one_line("x" * 500)) == 160
