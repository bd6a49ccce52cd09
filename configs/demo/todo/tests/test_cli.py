import pytest

from todo.cli import main


@pytest.fixture
def todo(tmp_path, capsys):
    """Runs one command on a list of the test's own and returns what it prints."""

    def run(*words):
        code = main(["--file", str(tmp_path / "todo.json"), *words])
        assert code == 0
        return capsys.readouterr().out.splitlines()

    return run


def test_an_empty_list_prints_nothing(todo):
    assert todo("list") == []


def test_added_items_are_listed_in_order(todo):
    todo("add", "Pay rent")
    todo("add", "Call Ann")
    assert todo("list") == ["1 [ ] Pay rent", "2 [ ] Call Ann"]


def test_done_ticks_the_item_off(todo):
    todo("add", "Pay rent")
    todo("add", "Call Ann")
    todo("done", "1")
    assert todo("list") == ["1 [x] Pay rent", "2 [ ] Call Ann"]


def test_an_unknown_command_is_refused(todo):
    with pytest.raises(SystemExit) as refused:
        todo("forget", "1")
    assert refused.value.code == 2
